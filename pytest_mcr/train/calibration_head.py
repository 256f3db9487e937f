"""Fit calibration heads: ``python -m pytest_mcr.train.calibration_head --model lab --data mini --out FILE``.

Asks a model about each clip of a dataset in four branches (clip and text, clip alone, text over silence, silence),
fits a logistic head on label-free features of their candidate scores, on one part of the clips, and judges it on the
others: against raw and temperature-scaled confidence, on tasks and edits of texts that it never saw, and where
conflicts are rare. Two targets: that the given answer is right, and that the text contradicts the audio.

Answers go through the response cache, so the same command goes on where it was stopped. ``pytest --mcr-calibration
FILE`` applies the saved head to a run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mcr.command_line import Parser
from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.head import TARGETS, answered
from pytest_mcr.core.head_probe import Readout
from pytest_mcr.core.prompts import TEMPLATES
from pytest_mcr.data import release
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import McrError, OptionError, StopRunError
from pytest_mcr.models.resolve import check
from pytest_mcr.models.spec import LOCAL, Spec, parse_spec
from pytest_mcr.report.results import check_folder
from pytest_mcr.run.exits import INTERRUPTED_EXIT, INVALID_EXIT, USAGE_EXIT
from pytest_mcr.run.head_file import HeadFile, save_head
from pytest_mcr.run.head_tensors import SUFFIX
from pytest_mcr.run.provenance import versions
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject
from pytest_mcr.train.head_ask import Gathered, gather, settings_for
from pytest_mcr.train.head_fit import Fit, study
from pytest_mcr.train.head_tables import markdown

if TYPE_CHECKING:
    from pytest_mcr.probes.last_state import StateReader

MINI: Final = "mini"
MOST_ERRORS: Final = 0.01
"""Share of cases that may have had an error, as in a run."""
CACHE_BYTES: Final = 2000 * 10**6

Report = Callable[[str], None]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m pytest_mcr.train.calibration_head",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, metavar="SPEC", help="as --mcr-model; it must give candidate scores")
    parser.add_argument(
        "--data", required=True, metavar="DIR|mini", help="a folder in the release layout, or the embedded benchmark"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the head, as JSON")
    parser.add_argument("--target", choices=(*TARGETS, "both"), default="both", help="default both")
    parser.add_argument("--dev", type=float, default=0.5, metavar="X", help="share of clips to fit on (default 0.5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the split, the edits and the bootstrap")
    parser.add_argument("--tasks", default=None, metavar="AQA,SER", help="only these tasks (default: all)")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="N samples a task")
    parser.add_argument(
        "--edits", type=int, default=2, metavar="N", help="edited texts a clip and condition (default 2; 0: none)"
    )
    parser.add_argument(
        "--budget", type=float, default=0.05, metavar="X", help="faithful accuracy that may be lost (default 0.05)"
    )
    parser.add_argument(
        "--probe", nargs="?", type=float, const=0.5, default=None, metavar="DEPTH",
        help="add the logit of a probe of hidden states at this relative depth (0.5; 1 is the last block); "
        "a model in this process and pytest-mcr[analysis]",
    )  # fmt: skip
    parser.add_argument("--answer", choices=("generate", "score"), default="generate", help="as --mcr-answer")
    parser.add_argument("--template", choices=tuple(TEMPLATES), default="discretion", help="as --mcr-template")
    parser.add_argument("--device", default="auto", metavar="NAME", help="as --mcr-device")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto")
    parser.add_argument("--batch-size", type=int, default=None, metavar="N", help="as --mcr-batch-size")
    parser.add_argument(
        "--cache", default=".mcr/cache", metavar="DIR|off", help="the response cache (default .mcr/cache)"
    )
    parser.add_argument("--trust-remote-code", action="store_true", help="as --mcr-trust-remote-code")
    return parser.parse_args(argv)


def check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot be fitted, before any minute is spent.

    Raises:
        OptionError: naming the flag, its value and what was expected.
    """
    for name in ("dev", "budget"):
        if not 0 < getattr(options, name) < 1:
            raise OptionError(f"--{name} {getattr(options, name)}: expected a share between 0 and 1, e.g. 0.5")
    if options.probe is not None and not 0 < options.probe <= 1:
        raise OptionError(f"--probe {options.probe}: expected a relative depth above 0, at most 1, e.g. 0.5")
    if options.probe is not None and options.out.suffix == SUFFIX:
        raise OptionError(f"--out {options.out}: its probe is saved under this name; name it head.json, say")
    if options.probe is not None and find_spec("sklearn") is None:
        raise OptionError("--probe: needs scikit-learn; type pip install 'pytest-mcr[analysis]'")
    for name, least in (("seed", 0), ("edits", 0), ("limit", 1), ("batch_size", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise OptionError(f"--{name.replace('_', '-')} {value}: expected at least {least}")
    if options.out.is_dir():
        raise OptionError(f"--out {options.out}: is a folder; name a file, e.g. {options.out / 'head.json'}")
    check_folder("--out", options.out.absolute().parent)


def prepare(options: argparse.Namespace) -> tuple[Settings, Dataset, Spec]:
    """Everything that can be wrong before the model is loaded.

    Raises:
        McrError: a bad option, dataset or model.
    """
    check_options(options)
    tasks = None if options.tasks is None else tuple(task.strip() for task in options.tasks.split(","))
    settings = settings_for(
        options.model, folder=Path.cwd(), data=None if options.data == MINI else Path(options.data), tasks=tasks,
        limit=options.limit, seed=options.seed, answer=options.answer, template=options.template,
        device=options.device, dtype=options.dtype, cache=None if options.cache == "off" else Path(options.cache),
        cache_size=CACHE_BYTES, batch_size=options.batch_size, trust_remote_code=options.trust_remote_code,
    )  # fmt: skip
    spec = parse_spec(options.model, invocation_dir=settings.invocation_dir)
    if spec.scheme == "replay":
        raise OptionError(
            f"--model {options.model}: recorded answers hold no branch without text; name the model itself"
        )
    if options.probe is not None and spec.scheme not in LOCAL:
        raise OptionError(
            f"--probe: only a model in this process shows its hidden states, and --model {options.model} is none; "
            "name a folder, hf:REPO or lab, or drop --probe"
        )
    check(spec, settings.invocation_dir, trust_remote_code=settings.trust_remote_code)
    dataset = release.load(settings.data or fixture("mini-mcr"))
    dataset = dataset.select(tasks=tasks, limit=options.limit, seed=options.seed)
    if settings.cache is not None:
        check_folder("--cache", settings.cache.absolute())
    return settings, dataset, spec


def require_usable(gathered: Gathered, model: str) -> None:
    """Refuse to fit on what is left where many cases failed.

    Raises:
        StopRunError: more than one in a hundred cases had an error, or no case has scores.
    """
    if len(gathered.errors) > max(MOST_ERRORS * gathered.asked, 1) or not gathered.cases:
        raise StopRunError(
            f"{len(gathered.errors)} of {gathered.asked} cases of {model} cannot be used, e.g. {gathered.errors[0]}; "
            "a head is not fitted on the rest",
            INVALID_EXIT,
        )


def head_file(
    options: argparse.Namespace, subject: Subject, dataset: Dataset, gathered: Gathered, found: Fit
) -> HeadFile:
    """What is saved."""
    assert subject.process is not None
    facts = subject.process.model
    return HeadFile(
        heads=found.heads,
        temperature=found.temperature,
        threshold=found.threshold,
        fingerprint=str(facts["fingerprint"]),
        model=str(facts["name"]),
        template=options.template,
        version=TEMPLATES[options.template].version,
        answer=options.answer,
        data=dataset.digest,
        dev_clips=frozenset(case.digest for case in found.dev),
        dev_groups=frozenset(case.cluster for case in found.dev),
        facts={
            "seed": options.seed,
            "dev": options.dev,
            "budget": options.budget,
            "edits": options.edits,
            "probe": options.probe,
            "tasks": list(dataset.tasks),
            "cases": {
                "asked": gathered.asked,
                "errors": len(gathered.errors),
                "no_answer": sum(not case.operator for case in gathered.cases)
                - len(answered([case for case in gathered.cases if not case.operator])),
            },
            "data_kind": dataset.kind,
            "versions": versions(),
            "measured": found.rows,
        },
    )


def probe_of(subject: Subject, depth: float) -> tuple[StateReader, Readout]:
    """What reads the hidden states of a model, and what fits a probe on them.

    Raises:
        StopRunError: the model cannot be loaded or trusted, or its inside cannot be looked into.
    """
    from pytest_mcr.probes.body import UnfitError  # scikit-learn and torch, for a probe alone
    from pytest_mcr.probes.last_state import StateReader
    from pytest_mcr.probes.readout import fit_linear

    subject.prove()
    try:
        reader = StateReader(subject.model, depth=depth)
    except UnfitError as error:
        raise StopRunError(f"--probe: the model cannot be looked into: {error}; drop --probe", USAGE_EXIT) from error
    return reader, Readout(reader.layer, fit_linear)


def run(options: argparse.Namespace, report: Report) -> None:
    """Ask, fit, judge and save.

    Raises:
        McrError: one line for the user.
    """
    settings, dataset, spec = prepare(options)
    absent = [name for name in CONDITIONS if name not in dataset.conditions]
    if absent:
        report(f"the data has no {', '.join(absent)} text")
    samples = [sample for sample in dataset.samples if sample.candidates]
    if not samples:
        raise OptionError(f"--data {options.data}: every question is open-ended; a head needs a closed answer set")
    if len(samples) < len(dataset.samples):
        report(
            f"{len(dataset.samples) - len(samples)} open-ended questions are left out: they have no candidate scores"
        )
    subject = Subject(settings, dataset, spec, settings.device, None)
    try:
        reader, readout = (None, None) if options.probe is None else probe_of(subject, options.probe)
        gathered = gather(subject, samples, TEMPLATES[options.template], options.edits, report, reader)
        for note in subject.process.notes if subject.process is not None else ():
            report(note)
        require_usable(gathered, options.model)
        targets = TARGETS if options.target == "both" else (options.target,)
        found = study(
            gathered.cases, targets, share=options.dev, budget=options.budget, seed=options.seed, report=report,
            readout=readout,
        )  # fmt: skip
        saved = head_file(options, subject, dataset, gathered, found)
    finally:
        subject.close()
    options.out.absolute().parent.mkdir(parents=True, exist_ok=True)
    report(f"saved in {' and '.join(map(str, save_head(options.out, saved)))}")
    sys.stdout.write(f"\n{markdown(found.rows)}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0, 2 after Ctrl-C, 4 for a bad argument or model, 8 for answers that cannot be trusted."""
    options = parse(argv)
    began = time.perf_counter()

    def report(line: str) -> None:
        sys.stdout.write(f"[{time.perf_counter() - began:5.0f} s] {line}\n")
        sys.stdout.flush()

    try:
        run(options, report)
    except StopRunError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except McrError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_EXIT
    except OSError as error:
        sys.stderr.write(f"--out {options.out}: cannot be written ({error.strerror}); name another file\n")
        return USAGE_EXIT
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was saved. What was answered is in the cache: type the same command again\n")
        return INTERRUPTED_EXIT
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
