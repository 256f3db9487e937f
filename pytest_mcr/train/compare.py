"""Compare two runs on the same cases: ``python -m pytest_mcr.train.compare BEFORE AFTER``.

BEFORE and AFTER are the ``results.json`` (or the folders) of two whole runs on the same data by the same template, e.g.
of a model without and with an adapter. Prints a table of Markdown: accuracy under each text, text influence and
calibration, before, after, and the change with its paired 95 % interval by clip.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mcr.command_line import Parser
from pytest_mcr.core.before_after import Change, changes
from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.data.results_file import NUMBER
from pytest_mcr.errors import McrError, OptionError
from pytest_mcr.report.wording import end, figure
from pytest_mcr.run.exits import USAGE_EXIT
from pytest_mcr.run.former_cases import FormerRun, read_run
from pytest_mcr.train.head_tables import table

SAME: Final = (("dataset", "digest"), ("protocol", "template"), ("protocol", "version"), ("protocol", "answer"))
"""What both runs must agree in."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m pytest_mcr.train.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", type=Path, metavar="BEFORE", help="results.json of the first run, or its folder")
    parser.add_argument("after", type=Path, metavar="AFTER", help="of the second")
    parser.add_argument("--all", action="store_true", help="also each task, and each edit of the texts")
    return parser.parse_args(argv)


def require_same(before: FormerRun, after: FormerRun) -> None:
    """Refuse runs that asked different questions.

    Raises:
        OptionError: what differs.
    """
    for section, key in SAME:
        one, two = (run.results.get(section, {}).get(key) for run in (before, after))
        if one != two:
            raise OptionError(f"the runs differ in {section}.{key}: {one!r} and {two!r}; run both in the same way")
    lost = sorted(before.outcomes.keys() ^ after.outcomes.keys())
    if lost:
        raise OptionError(f"{len(lost)} cases are in one run only, e.g. {'-'.join(lost[0])}; run both in the same way")


def compared(before: FormerRun, after: FormerRun, *, everything: bool) -> str:
    """The table.

    Args:
        before: the first run.
        after: the second, on the same cases.
        everything: also each task, and each edit of the texts.

    Raises:
        OptionError: the runs differ in what was asked.
    """
    require_same(before, after)
    rows = [
        row for row in changes(before.outcomes.values(), after.outcomes.values()) if everything or row.task == OVERALL
    ]
    head = ("task", "measure", f"before: {before.model}", f"after: {after.model}", "change [95 %]", "n")
    return table(head, [*map(_line, rows), *_unpaired(before.results, after.results, everything)])


def _line(row: Change) -> list[str]:
    change = row.change.note or "-" if row.change.value is None else _signed(row.change)
    name = f"{row.measure}[{row.condition}]"
    return [row.task, name, figure(row.before.value), figure(row.after.value), change, f"{row.change.n}"]


def _signed(estimate: Estimate) -> str:
    assert estimate.value is not None
    ends = "" if estimate.limits is None else f" [{end(estimate.limits.low)},{end(estimate.limits.high)}]"
    return f"{estimate.value + 0.0:+.2f}{ends}"


def _unpaired(before: Mapping[str, Any], after: Mapping[str, Any], everything: bool) -> list[list[str]]:
    """What edits of the texts do, where both runs measured it: numbers of trials that differ, so without a change."""
    found = []
    was, now = ({_name(row): row for row in results["metrics"] if _edits(row)} for results in (before, after))
    for name in [name for name in was if name in now and (everything or "operator" not in was[name])]:
        one, two = was[name], now[name]
        shown = [f"{figure(row['value'])} [{end(row['low'])},{end(row['high'])}] n {row['n']}" for row in (one, two)]
        found.append([OVERALL, name, *shown, "not paired", "-"])
    return found


def _edits(row: dict[str, Any]) -> bool:
    return row["task"] == OVERALL and str(row["metric"]).startswith("dominance.") and row["value"] is not None


def _name(row: dict[str, Any]) -> str:
    extra = [f"{key} {row[key]}" for key in row if key not in NUMBER]
    return " ".join([str(row["metric"]) + (f"[{row['condition']}]" if row["condition"] else ""), *extra])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0, or 4 for runs that cannot be compared."""
    options = parse(argv)
    try:
        text = compared(read_run(options.before), read_run(options.after), everything=options.all)
    except McrError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_EXIT
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
