"""Side-by-side benchmarks: each row is a ratio (or a difference) of two things measured in this very run.

    python benchmarks/run.py                     everything, less than fifteen minutes on two quiet cores
    python benchmarks/run.py --only lab-generate one row by its name, or the rows whose name contains the word
    python benchmarks/run.py --json FILE         also write the rows as JSON

Machines are noisy, so ratios are what counts; the seconds behind them are printed as detail.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.dominance import Dominance
from benchmarks.engine import let_waiting_threads_sleep
from benchmarks.lab import Lab
from benchmarks.long import Long
from benchmarks.memory import Memory
from benchmarks.overhead import Overhead
from benchmarks.repair import RepairArms
from benchmarks.report import Report
from benchmarks.rows import Row, UnmeasuredError, unmeasured
from benchmarks.whole_runs import WholeRuns

Rows = dict[str, Callable[[], Row]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--only", default="", metavar="WORK", help="run the row of this name, or those that contain it")
    parser.add_argument("--cases", type=int, default=12_000, help="cases of the large runs (default 12000)")
    options = parser.parse_args(argv)
    let_waiting_threads_sleep()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as root:
        rows = all_rows(Path(root), options.cases)
        names = chosen(rows, options.only)
        if not names:
            parser.error(f"--only {options.only}: no such row; expected one of {', '.join(rows)}")
        done = [shown(name, rows[name]) for name in names]
    print(f"{len(done)} rows in {time.perf_counter() - began:.0f} s, {sum(not row.ok for row in done)} missed")
    if options.json:
        options.json.write_text(json_text(done), encoding="utf-8")
    return 0 if all(row.ok for row in done) else 1


def all_rows(root: Path, cases: int) -> Rows:
    """Every measurement by the name of its work, in the order in which they run; nothing is measured yet."""
    parts = (Lab(), Long(root), WholeRuns(root, cases), Dominance(), RepairArms(root), Memory(root, cases),
             Overhead(root, cases), Report(root, cases))  # fmt: skip
    return {name: measure for part in parts for name, measure in part.rows().items()}


def chosen(rows: Rows, only: str) -> list[str]:
    """The row of that name, else all rows whose name contains the word."""
    return [only] if only in rows else [name for name in rows if only in name]


def shown(name: str, measure: Callable[[], Row]) -> Row:
    """Measure a row and print it."""
    try:
        row = measure()
    except UnmeasuredError as error:
        row = unmeasured(name, error)
    print(row.line(), flush=True)
    return row


def json_text(rows: Sequence[Row]) -> str:
    """The rows as a file."""
    return json.dumps({"rows": [row.to_json() for row in rows]}, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
