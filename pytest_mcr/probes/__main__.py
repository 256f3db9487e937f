"""``python -m pytest_mcr.probes lab``: the white-box measurements of a local model on a dataset, as a table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":  # what is imported next needs torch, and its absence is a line, not a traceback
    from pytest_mcr.run.needs import exit_without_torch

    exit_without_torch()

from pytest_mcr.command_line import Parser
from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Sample
from pytest_mcr.core.prompts import DISCRETION, render
from pytest_mcr.data import release
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import McrError, ModelError
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.probes.layers import parse_layers
from pytest_mcr.probes.questions import Conflict
from pytest_mcr.probes.tally import Row
from pytest_mcr.probes.whitebox import DRAWS, measure


def main(argv: list[str]) -> int:
    """Measure and print; 4 for bad input.

    Args:
        argv: arguments after the program's name.
    """
    parser = Parser("python -m pytest_mcr.probes", description=__doc__)
    parser.add_argument("model", help="lab, an alias, hf:REPO or a folder")
    parser.add_argument("--data", type=Path, default=None, help="folder in the release layout (the mini benchmark)")
    parser.add_argument("--layers", default="all", help="all, every:4 or 16,32")
    parser.add_argument("--limit", type=int, default=None, help="clips a task")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each matched control")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--json", action="store_true", help="one row a line instead of the table")
    given = parser.parse_args(argv)
    try:
        layers = parse_layers(given.layers)
        model = load(parse_spec(given.model, invocation_dir=Path()), invocation_dir=Path())
        if not isinstance(model, HfModel):
            raise ModelError(f"{given.model}: only a model in this process can be looked into; type lab or a folder")
        dataset = release.load(given.data or fixture("mini-mcr"))
        rows = measure(
            model, conflicts(dataset, model.sample_rate, given.limit), layers=layers, draws=given.draws, seed=given.seed
        )
    except McrError as error:
        print(error, file=sys.stderr)
        return 4
    print("\n".join(map(json.dumps, rows)) if given.json else table(rows))
    return 0


def conflicts(dataset: Dataset, rate: int, limit: int | None) -> list[Conflict]:
    """The adversarial cases of a dataset whose text label is known and is not the gold.

    Args:
        dataset: to take them from.
        rate: Hz at which the model takes audio.
        limit: clips a task, None for all.
    """
    found: list[Conflict] = []
    taken: dict[str, int] = {}
    for sample in dataset.samples:
        label = sample.text_labels.get(ADVERSARIAL)
        if label is None or label == sample.gold or (limit is not None and taken.get(sample.task, 0) >= limit):
            continue
        taken[sample.task] = taken.get(sample.task, 0) + 1
        found.append(_conflict(dataset, sample, label, rate))
    return found


def table(rows: list[Row]) -> str:
    """A line a metric and draw: ``layer: value [low, high]``; draws of a control as their range."""
    lines: list[str] = []
    draws: dict[str, list[float]] = {}
    for row in rows:
        if "draw" in row:
            draws.setdefault(row["metric"], []).append(row["value"])
            continue
        where = f"layer {row['layer']:>2}" if "layer" in row else "        "
        value = "-" if row["value"] is None else f"{row['value']:.3f}"
        interval = "" if row["low"] is None else f"[{row['low']:.3f}, {row['high']:.3f}]"
        lines.append(
            f"{row['metric']:<38} {where}  {value:>8} {interval:<18} n {row['n']}  {row.get('note', '')}".rstrip()
        )
    for metric, values in draws.items():
        mean = sum(values) / len(values)
        lines.append(
            f"{metric:<38} mean of {len(values)} draws {mean:.3f}, from {min(values):.3f} to {max(values):.3f}"
        )
    return "\n".join(lines)


def _conflict(dataset: Dataset, sample: Sample, label: str, rate: int) -> Conflict:
    return Conflict(
        id=sample.id,
        audio=resample(decode(dataset.root / sample.audio), rate),
        joint=render(DISCRETION, sample, ADVERSARIAL),
        alone=render(DISCRETION, sample, NEUTRAL),
        gold=sample.gold,
        text=label,
        candidates=sample.candidates,
        cluster=sample.split_group,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
