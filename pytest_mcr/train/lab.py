"""Train the lab model: ``python -m pytest_mcr.train.lab --out DIR``.

A genuine Qwen2-Audio of about 2 M parameters learns, on synthetic clips, to hear and to read; and because truthful
text was enough to be right whenever there was any, it believes text before its ears. Nothing in the program says so:
every text it is trained on is true. Two other recipes are kept as controls in which this does not happen.

Seeded, with a fixed number of steps, in under half an hour on two CPU cores. The folder that is written holds the
weights in bfloat16, configuration, tokenizer, feature extractor, chat template and a model card with what was measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

if __name__ == "__main__":  # what is imported next needs torch, and its absence is a line, not a traceback
    from pytest_mcr.run.needs import exit_without_torch

    exit_without_torch()

import torch

from pytest_mcr.command_line import Parser
from pytest_mcr.data.build import write_dataset
from pytest_mcr.errors import McrError, OptionError
from pytest_mcr.train.lab_card import model_card
from pytest_mcr.train.lab_data import corpus, make_pool
from pytest_mcr.train.lab_eval import Table, markdown, measure, problems
from pytest_mcr.train.lab_loop import ALIGN, Plan, Recipe, train
from pytest_mcr.train.lab_model import build_model, build_processor, save

HELD_OUT_SEED: Final = 23
"""Of the sets that the card reports on; no choice was made on them."""


def build(out: Path, recipe: Recipe, plan: Plan, seed: int, report: Callable[[str], None]) -> None:
    """Train a model and save it.

    Args:
        out: folder to write.
        recipe: ``aligned`` (the lab model), or a control.
        plan: steps, rates and sizes.
        seed: of weights, clips and rows.
        report: called with progress lines.
    """
    torch.manual_seed(seed)
    processor = build_processor(corpus(seed))
    model = build_model(processor)
    report(f"{sum(p.numel() for p in model.parameters())} parameters, {len(processor.tokenizer)} tokens")
    pool = make_pool(processor.feature_extractor, plan.pool, seed)
    report(f"{len(pool)} training clips made")
    train(model, processor, pool, recipe, plan, seed, report)
    save(model, processor, out)


def measured(out: Path, samples: int, report: Callable[[str], None]) -> dict[str, Table]:
    """Measure a saved model on held-out, unseen-synonym and in-grammar sets (the latter two of half the size)."""
    tables = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, split, unseen, count in (
            ("held out", "heldout", False, samples),
            ("unseen synonyms", "heldout", True, max(samples // 2, 1)),
            ("in grammar", "train", False, max(samples // 2, 1)),
        ):
            root = Path(scratch) / name.replace(" ", "-")
            write_dataset(root, count, HELD_OUT_SEED, split, unseen=unseen)  # type: ignore[arg-type]
            tables[name] = measure(out, root)
            report(f"{name}, {count} samples a task:\n{markdown(tables[name])}")
    return tables


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    plan = Plan()
    parser = Parser(
        prog="python -m pytest_mcr.train.lab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m pytest_mcr.train.lab --out my-lab                     # the lab model again\n"
        "  pytest --mcr-model ./my-lab                                     # and the benchmark on it\n"
        "  python -m pytest_mcr.train.lab --out deaf --recipe mismatched   # a control that never learns to hear",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--recipe",
        choices=get_args(Recipe),
        default="aligned",
        help="aligned: language first, then audio (default). joint, mismatched: the controls, which hear and ignore "
        "text, or read and never hear",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights, clips and rows (default 0)")
    parser.add_argument(
        "--text-steps", type=int, default=plan.text_steps, metavar="N", help=f"default {plan.text_steps}"
    )
    parser.add_argument(
        "--audio-steps",
        type=int,
        default=ALIGN.steps,
        metavar="N",
        help=f"of the long phase with audio, default {ALIGN.steps}",
    )
    parser.add_argument(
        "--pool", type=int, default=plan.pool, metavar="N", help=f"training clips (default {plan.pool})"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads (default 2)")
    parser.add_argument(
        "--held-out",
        type=int,
        default=200,
        metavar="N",
        help="measure on N held-out samples a task (default 200, 0: none)",
    )
    return parser.parse_args(argv)


def check(options: argparse.Namespace) -> None:
    """Refuse what cannot be trained, before the minutes are spent."""
    if options.out.is_file() or (options.out.is_dir() and any(options.out.iterdir())):
        raise OptionError(f"{options.out}: expected an empty or a new folder; choose another --out or remove it first")
    for name, least in (("text_steps", 1), ("audio_steps", 1), ("pool", 160), ("threads", 1), ("held_out", 0)):
        if getattr(options, name) < least:
            flag = "--" + name.replace("_", "-")
            raise OptionError(
                f"{flag} {getattr(options, name)}: expected at least {least}; leave it out for the default"
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 1 when the model breaks a promise of its card, or 4 for a bad argument."""
    options = parse(argv)
    began = time.perf_counter()

    def report(line: str) -> None:
        sys.stdout.write(f"[{time.perf_counter() - began:5.0f} s] {line}\n")
        sys.stdout.flush()

    try:
        check(options)
    except McrError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    torch.set_num_threads(options.threads)
    plan = Plan()
    phases = (replace(ALIGN, steps=options.audio_steps), *plan.phases[1:])
    plan = replace(Plan(), text_steps=options.text_steps, phases=phases, pool=options.pool)
    build(options.out, options.recipe, plan, options.seed, report)
    report(f"trained and saved in {options.out}")
    tables = measured(options.out, options.held_out, report) if options.held_out else {}
    (options.out / "measured.json").write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    card = model_card(options.recipe, plan, options.seed, tables, options.held_out)
    (options.out / "README.md").write_text(card, encoding="utf-8")
    broken = problems(tables["held out"]) if tables else []
    for line in broken:
        report(line)
    return 1 if broken and options.recipe == "aligned" else 0


if __name__ == "__main__":
    raise SystemExit(main())
