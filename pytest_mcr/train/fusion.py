"""Does it matter how text and audio are fused? ``python -m pytest_mcr.train.fusion --out DIR``.

Four fusions, each trained without conflict data and with 1,000 conflict samples, and the first also fine-tuned on
them; several seeds, equal parameters, steps, ears and words; every model is measured by the plugin. What is done is
kept: after Ctrl-C or a kill the same command goes on, and when all is there it prints the tables again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

if __name__ == "__main__":  # what is imported next needs torch, and its absence is a line, not a traceback
    from pytest_mcr.run.needs import exit_without_torch

    exit_without_torch()

import torch

from pytest_mcr.command_line import Parser
from pytest_mcr.data.build import write_dataset
from pytest_mcr.errors import McrError, OptionError
from pytest_mcr.report.results import check_folder, replace_file
from pytest_mcr.run.exits import FAILED_EXIT, INTERRUPTED_EXIT, USAGE_EXIT
from pytest_mcr.train.fusion_arms import DATA, POOL, Pair, Study, work
from pytest_mcr.train.fusion_blocks import FUSIONS
from pytest_mcr.train.fusion_data import SHARES, heard_pool
from pytest_mcr.train.fusion_ears import Ears
from pytest_mcr.train.fusion_loop import Plan
from pytest_mcr.train.fusion_table import collect, report
from pytest_mcr.train.fusion_trial import minutes

STUDY: Final = "study.json"
TEST_SEED: Final = 41
"""Of the test set, whose split shares no clip, frame or generator range with training."""
TABLE: Final = "ablation.md"
NUMBERS: Final = "ablation.json"
LEAST: Final = {"seeds": 1, "clips": 40, "test": 10, "read": 1, "hear": 1, "tune": 1, "samples": 10, "jobs": 1}

Report = Callable[[str], None]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    study, plan = Study(), Plan()
    parser = Parser(
        prog="python -m pytest_mcr.train.fusion",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m pytest_mcr.train.fusion --out ablation            # the table of docs/fusion-ablation.md again\n"
        "  python -m pytest_mcr.train.fusion --out ablation --seeds 8  # three seeds more\n"
        "  pytest --mcr-model 'pytest_mcr.train.fusion_adapter:model?folder=ablation/seed-0/gated-conflict'",
    )
    add = parser.add_argument
    add("--out", required=True, type=Path, metavar="DIR", help="folder of models, runs and tables")
    for name, default, what in (
        ("seeds", study.seeds, "seeds, from 0"),
        ("clips", study.clips, "training clips, the same for all seeds"),
        ("test", study.test, "test samples a task"),
        ("read", plan.read, "steps of reading alone"),
        ("hear", plan.hear, "steps with audio"),
        ("tune", plan.tune, "steps of fine-tuning"),
        ("samples", plan.samples, "conflict samples"),
        ("jobs", 2, "trainings at a time, one CPU thread each"),
    ):
        add(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default {default})")
    return parser.parse_args(argv)


def check(options: argparse.Namespace) -> Study:
    """Refuse what cannot be done before anything is.

    Raises:
        OptionError: naming the flag, its value and what was expected.
    """
    for name, least in LEAST.items():
        value = getattr(options, name)
        if value < least:
            raise OptionError(f"--{name} {value}: expected at least {least}; leave it out for the default")
    check_folder("--out", options.out.absolute())
    plan = replace(Plan(), **{name: getattr(options, name) for name in ("read", "hear", "tune", "samples")})
    study = Study(options.seeds, options.clips, options.test, plan)
    path = options.out / STUDY
    if path.is_file():
        _require_same(path, study)
    elif options.out.is_dir() and any(options.out.iterdir()):
        raise OptionError(f"--out {options.out}: expected an empty or a new folder, or one of this command")
    return study


def _require_same(path: Path, study: Study) -> None:
    try:
        was = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name, value in study.facts().items() if was[name] != value]
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path}: cannot be read ({error}); choose another --out") from None
    if differing:
        name = differing[0]
        raise OptionError(
            f"{path}: this ablation began with {name} {was[name]}, now it is {study.facts()[name]}; type the same "
            "command as before, or choose another --out"
        )


def prepare(study: Study, out: Path, tell: Report) -> Ears:
    """Make the folder, the test set and the clips, as far as they are not there."""
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / STUDY, json.dumps(study.facts(), indent=1, sort_keys=True) + "\n")
    if not (out / DATA).is_dir():
        staged = out / f".{DATA}.{time.time_ns()}"
        write_dataset(staged, study.test, TEST_SEED, "heldout", tasks=[task for task, _ in SHARES])
        staged.rename(out / DATA)
    ears = Ears()
    heard_pool(out / POOL, study.clips, lambda: ears, tell)
    return ears


def total(study: Study) -> str:
    """What there is to do, in words."""
    pairs = study.pairs()
    models = sum(len(pair.arms) for pair in pairs)
    whole = 2 * len(pairs)
    return (
        f"{models} models: {len(FUSIONS)} fusions x 2 x {study.seeds} seeds, trained for {study.plan.steps} steps each "
        f"(the {study.plan.read} of reading serve both arms), and {models - whole} fine-tuned for {study.plan.tune}; "
        f"each measured on {study.test * len(SHARES)} samples under four conditions"
    )


def run(options: argparse.Namespace, tell: Report) -> int:
    """Do what is left to do and print the tables; 0, or 1 when a measurement is not valid.

    Raises:
        McrError: one line for the user.
    """
    study = check(options)
    tell(total(study))
    torch.set_num_threads(1)
    ears = prepare(study, options.out, tell)
    expected = minutes(study, ears, options.jobs)
    tell(f"about {expected:.0f} minutes in all, {options.jobs} at a time; what is there already is kept")
    _all_pairs(study, options.out, options.jobs, tell)
    found = collect(study, options.out)
    text = report(found)
    replace_file(options.out / TABLE, text + "\n")
    replace_file(options.out / NUMBERS, json.dumps([asdict(one) for one in found], indent=1) + "\n")
    sys.stdout.write(f"\n{text}\n")
    return FAILED_EXIT if any(one.reasons for one in found) else 0


def _all_pairs(study: Study, out: Path, jobs: int, tell: Report) -> None:
    """Work on all pairs in processes of their own, which Ctrl-C ends."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin) as workers:
        try:
            left = [workers.submit(_work, study, pair, out) for pair in study.pairs()]
            for number, done in enumerate(as_completed(left), start=1):
                done.result()
                tell(f"{number} of {len(left)} pairs of seed and fusion done")
        except BaseException:  # whatever it was, no training may go on behind the user's back; it is raised again
            for process in multiprocessing.active_children():
                process.terminate()
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its children
    torch.set_num_threads(1)


def _work(study: Study, pair: Pair, out: Path) -> None:
    work(study, pair, out, _say)


def _say(line: str) -> None:
    sys.stdout.write(f"          {line}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0, 1 when a measurement is not valid, 2 after Ctrl-C, 4 for a bad argument."""
    options = parse(argv)
    began = time.perf_counter()

    def tell(line: str) -> None:
        sys.stdout.write(f"[{time.perf_counter() - began:5.0f} s] {line}\n")
        sys.stdout.flush()

    again = "what was done is kept; type the same command to go on"
    try:
        return run(options, tell)
    except McrError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_EXIT
    except BrokenProcessPool:
        sys.stderr.write(f"a training process died, perhaps for want of memory; {again}, with --jobs 1\n")
        return FAILED_EXIT
    except ArithmeticError as error:
        sys.stderr.write(f"{error}; {again}\n")
        return FAILED_EXIT
    except OSError as error:
        sys.stderr.write(f"--out {options.out}: cannot be written ({error}); {again}\n")
        return USAGE_EXIT
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; {again}\n")
        return INTERRUPTED_EXIT


if __name__ == "__main__":
    raise SystemExit(main())
