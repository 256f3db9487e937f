"""Fine-tune a model on conflict: ``python -m pytest_mcr.train.lora --model lab --data synthetic --out DIR``.

Trains a LoRA adapter on clips with false, unrelated, true and no text, in the shares of ``--mix``. Only the answer is
learned; the prompt is the one that the model is measured with. Clips of the embedded mini benchmark and of every
``--evaluate`` dataset are refused. A run stopped by Ctrl-C or killed goes on with ``--resume`` and ends with the same
adapter. ``pytest --mcr-model 'lab?adapter=DIR'`` measures it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":  # what is imported next needs torch, and its absence is a line, not a traceback
    from pytest_mcr.run.needs import exit_without_torch

    exit_without_torch()

import torch

from pytest_mcr.command_line import Parser
from pytest_mcr.core.prompts import TEMPLATES
from pytest_mcr.data import release
from pytest_mcr.data.audio import resample
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import DataError, McrError, OptionError
from pytest_mcr.models import hf_files
from pytest_mcr.models.adapter_files import BASE, CLIPS, CONFIG, INSTALL, TRAINING
from pytest_mcr.models.hf_chat import chat_of
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import Checkpoint, load_checkpoint
from pytest_mcr.models.prefix_window import Window, narrows
from pytest_mcr.models.protocol import Audio
from pytest_mcr.models.resolve import adapter_folder, check, model_folder
from pytest_mcr.models.spec import FOLDER, LOCAL, Spec, parse_spec
from pytest_mcr.report.results import check_folder, replace_file
from pytest_mcr.run.exits import INTERRUPTED_EXIT, USAGE_EXIT
from pytest_mcr.run.provenance import versions
from pytest_mcr.train.lora_batch import Examples
from pytest_mcr.train.lora_card import adapter_card
from pytest_mcr.train.lora_data import MIX, SYNTHETIC, Clips, clips_of, make_synthetic, parse_mix, refuse_shared, split
from pytest_mcr.train.lora_loop import Plan, Report, StoppedError, Training
from pytest_mcr.train.lora_model import add_adapter, digest_of, save_adapter
from pytest_mcr.train.lora_state import FILE

AT_LEAST: Final = {
    "samples": 1, "epochs": 1, "steps": 1, "batch": 1, "accumulate": 1, "rank": 1, "seed": 0, "threads": 1,
}  # fmt: skip


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m pytest_mcr.train.lora",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m pytest_mcr.train.lora --model lab --data synthetic --out my-sft   # lab-sft again\n"
        "  pytest --mcr-model 'lab?adapter=my-sft'                                     # and the gates on it\n"
        "  python -m pytest_mcr.train.lora --model lab --data synthetic --mix faithful=1 --out control",
    )
    add = parser.add_argument
    add("--model", required=True, metavar="SPEC", help="hf:REPO, a folder or lab, with options as --mcr-model")
    add("--data", required=True, metavar="DIR|synthetic", help="the release layout, or fresh synthetic clips")
    add("--out", required=True, type=Path, metavar="DIR", help="folder of the adapter")
    add("--samples", type=int, default=1000, metavar="N", help="training examples (default 1000)")
    shares = ",".join(f"{name}={weight:g}" for name, weight in MIX.items())
    add("--mix", default=shares, metavar="MIX", help=f"weights of the conditions (default {shares})")
    add("--evaluate", action="append", default=[], metavar="DIR", help="a dataset whose clips are kept (repeatable)")
    add("--epochs", type=int, default=4, metavar="N", help="passes over the examples, at most (default 4)")
    add(
        "--steps",
        type=int,
        default=None,
        metavar="N",
        help="exactly N optimizer steps, in place of --epochs",
    )
    add("--batch", type=int, default=16, metavar="N", help="examples a forward pass (default 16)")
    add("--accumulate", type=int, default=1, metavar="N", help="forward passes an optimizer step (default 1)")
    add("--lr", type=float, default=2e-3, metavar="X", help="peak learning rate (default 0.002; 7B models: 0.0001)")
    add("--rank", type=int, default=8, metavar="N", help="of the adapter (default 8)")
    add("--dev", type=float, default=0.1, metavar="X", help="share of clips that decide when to stop (default 0.1)")
    add("--seed", type=int, default=0, metavar="N", help="of clips, choice, order and first weights (default 0)")
    add("--template", choices=tuple(TEMPLATES), default="discretion", help="as --mcr-template")
    add("--device", default="auto", metavar="NAME", help="as --mcr-device; bfloat16 on a GPU")
    add("--threads", type=int, default=2, metavar="N", help="CPU threads (default 2)")
    add("--resume", action="store_true", help="go on with the training that was stopped in --out")
    add("--trust-remote-code", action="store_true", help="as --mcr-trust-remote-code")
    return parser.parse_args(argv)


def check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot be trained, before anything is loaded.

    Raises:
        OptionError: naming the flag, its value and what was expected.
    """
    if importlib.util.find_spec("peft") is None:
        raise OptionError(f"peft is not installed; {INSTALL}")
    for name, least in AT_LEAST.items():
        value = getattr(options, name)
        if value is not None and value < least:
            raise OptionError(f"--{name} {value}: expected at least {least}; leave it out for the default")
    if not 0 < options.dev < 1:
        raise OptionError(f"--dev {options.dev}: expected a share between 0 and 1, e.g. 0.1")
    if not 0 < options.lr < 1:
        raise OptionError(f"--lr {options.lr}: expected a rate between 0 and 1, e.g. 0.002")
    out = options.out
    check_folder("--out", out.absolute())
    unfinished = (out / FILE).is_file()
    if options.resume and not unfinished:
        raise OptionError(f"--resume: no unfinished training in {out} ({FILE}); leave --resume out")
    if not options.resume and unfinished:
        raise OptionError(f"--out {out}: an unfinished training is there; add --resume, or choose another folder")
    if not unfinished and out.is_dir() and any(out.iterdir()):
        raise OptionError(f"--out {out}: expected an empty or a new folder; choose another or remove it first")


def prepare_model(options: argparse.Namespace) -> tuple[Spec, Path]:
    """The model's spec and folder.

    Raises:
        McrError: not a model in this process, one with an adapter already, or one that cannot be found.
    """
    spec = parse_spec(options.model, invocation_dir=Path.cwd())
    if spec.scheme not in LOCAL:
        raise OptionError(f"--model {options.model}: only hf:, folders and lab can be trained here")
    check(spec, Path.cwd(), trust_remote_code=options.trust_remote_code)
    folder = model_folder(spec, code=options.trust_remote_code)
    if adapter_folder(spec, Path.cwd()) is not None or (folder / CONFIG).is_file():
        raise OptionError(f"--model {options.model}: it has an adapter already; name the model itself")
    return spec, folder


def prepare_data(options: argparse.Namespace, scratch: Path, report: Report) -> Dataset:
    """The dataset to train on; synthetic clips are made anew in a scratch folder."""
    if options.data != SYNTHETIC:
        return release.load(Path(options.data))
    make_synthetic(scratch / SYNTHETIC, options.samples, options.dev, options.seed)
    dataset = release.load(scratch / SYNTHETIC)
    report(f"{len(dataset.samples)} synthetic clips made")
    return dataset


def prepare_clips(options: argparse.Namespace, dataset: Dataset, inputs: Inputs, report: Report) -> Clips:
    """The clips that the model can hear, none of which is kept for evaluation.

    Raises:
        DataError: a clip is in both, or no clip can be used.
    """

    def refusal(audio: Audio) -> str | None:
        return inputs.refusal(resample(audio, inputs.sample_rate))

    clips = clips_of(dataset, refusal)
    if clips.broken:
        report(f"{len(clips.broken)} clips cannot be used and are left out, e.g. {clips.broken[0]}")
    kept = [("the embedded mini benchmark", release.load(fixture("mini-mcr")))]
    kept += [(f"--evaluate {folder}", release.load(Path(folder))) for folder in options.evaluate]
    refuse_shared(clips, [(name, clips_of(held)) for name, held in kept])
    if not clips.samples:
        raise DataError(f"--data {options.data}: no clip can be used")
    return clips


def settings_of(options: argparse.Namespace, folder: Path, dataset: Dataset, checkpoint: Checkpoint) -> dict[str, Any]:
    """Everything that decides which adapter comes out."""
    mix = parse_mix(options.mix)
    # Synthetic clips are known by their seed: an Ogg file holds a random serial number, its samples do not.
    data = SYNTHETIC if options.data == SYNTHETIC else dataset.digest
    named = {name: getattr(options, name) for name in (
        "samples", "epochs", "steps", "batch", "accumulate", "lr", "rank", "dev", "seed", "template", "threads",
    )}  # fmt: skip
    return {
        **named, "mix": mix, "data": data, "model": base_name(options.model), BASE: hf_files.weights_digest(folder),
        "device": checkpoint.device.type, "dtype": str(checkpoint.dtype).removeprefix("torch."),
    }  # fmt: skip


def base_name(model: str) -> str:
    """The model's name without the way to it on this machine."""
    spec = parse_spec(model, invocation_dir=Path.cwd())
    return Path(spec.rest).name if spec.scheme == FOLDER else model.removeprefix("hf:")


def window_for(checkpoint: Checkpoint, examples: Examples, parts: Any) -> Window | None:
    """The audio tower's window, where narrowing it changes no number."""
    tried = [examples.tensors([examples.turn(one)]) for one in parts.dev[:2]]
    with torch.no_grad():
        return Window(checkpoint.model) if narrows(checkpoint.model, tried) else None


def run(options: argparse.Namespace, report: Report) -> None:
    """Train and save an adapter.

    Raises:
        McrError: one line for the user.
        StoppedError: Ctrl-C; the state is saved.
    """
    check_options(options)
    mix = parse_mix(options.mix)
    spec, folder = prepare_model(options)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        dataset = prepare_data(options, scratch, report)
        torch.set_num_threads(options.threads)
        checkpoint = load_checkpoint(
            folder, device=options.device, dtype=spec.options.get("dtype", "auto"), attention=spec.options.get("attn"),
            trust_remote_code=options.trust_remote_code,
        )  # fmt: skip
        inputs = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id, chat_of(spec.options))
        stack.callback(inputs.close)
        clips = prepare_clips(options, dataset, inputs, report)
        parts = split(clips, mix, options.samples, options.dev, options.seed)
        examples = Examples(checkpoint, inputs, dataset.root, TEMPLATES[options.template])
        window = window_for(checkpoint, examples, parts)
        config, parameters = add_adapter(checkpoint.model, options.rank, options.seed)
        count = sum(parameter.numel() for parameter in parameters.values())
        report(f"{len(parts.train)} examples, {len(parts.dev)} for dev; {count} parameters of {len(parameters)} arrays")
        plan = Plan(options.epochs, options.steps, options.batch, options.accumulate, options.lr, options.seed)
        settings = settings_of(options, folder, dataset, checkpoint)
        options.out.mkdir(parents=True, exist_ok=True)
        training = Training(
            checkpoint.model, parameters, examples, parts, plan, options.out, settings, window, report
        )  # fmt: skip
        if options.resume:
            training.resume()
        weights = training.run()
    facts = {
        **settings, CLIPS: sorted({clips.digests[one.sample.id] for one in (*parts.train, *parts.dev)}),
        "parameters": count, "weights": digest_of(weights), "steps_taken": training.place.step,
        "kept_step": training.place.best_step, "history": training.place.history, "versions": trained_with(),
    }  # fmt: skip
    replace_file(options.out / TRAINING, json.dumps(facts, indent=1, sort_keys=True) + "\n")
    replace_file(options.out / "README.md", adapter_card(facts))
    save_adapter(options.out, config, weights, base_name(options.model))
    (options.out / FILE).unlink(missing_ok=True)
    report(f"saved in {options.out}; kept the weights of step {training.place.best_step}")


def trained_with() -> dict[str, str]:
    """Versions of what can change a weight."""
    return {**versions(), "peft": version("peft")}


def memory_advice(options: argparse.Namespace) -> str:
    """What to type where a batch does not fit."""
    half = max(1, options.batch // 2)
    smaller = f"type: --batch {half} --accumulate {options.accumulate * options.batch // half}"
    kept = "what was trained is kept for --resume with the same settings"
    return f"out of memory at --batch {options.batch}; {smaller} and another --out ({kept})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0, 2 after Ctrl-C, 4 for a bad argument, dataset or model, or a batch that does not fit."""
    options = parse(argv)
    began = time.perf_counter()

    def report(line: str) -> None:
        sys.stdout.write(f"[{time.perf_counter() - began:5.0f} s] {line}\n")
        sys.stdout.flush()

    return guarded(lambda: run(options, report), options)


def guarded(work: Callable[[], None], options: argparse.Namespace) -> int:
    """Do the work; what may go wrong becomes one line and an exit code."""
    try:
        work()
    except McrError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_EXIT
    except ArithmeticError as error:
        sys.stderr.write(f"{error}; type a lower --lr than {options.lr}\n")
        return USAGE_EXIT
    except torch.OutOfMemoryError:
        sys.stderr.write(f"{memory_advice(options)}\n")
        return USAGE_EXIT
    except OSError as error:
        sys.stderr.write(f"--out {options.out}: cannot be written ({error}); name another folder\n")
        return USAGE_EXIT
    except (StoppedError, KeyboardInterrupt):
        sys.stderr.write("stopped; type the same command with --resume to go on\n")
        return INTERRUPTED_EXIT
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
