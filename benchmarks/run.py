"""Side-by-side benchmarks: each row is a ratio (or a difference) of two things measured in this very run.

    python benchmarks/run.py                 everything, about five minutes on two cores
    python benchmarks/run.py --only collect  the rows whose name contains the word
    python benchmarks/run.py --json FILE     also write the rows as JSON

Machines are noisy, so ratios are quoted and absolute seconds are not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.overhead import overhead_rows
from benchmarks.rows import Row


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--only", default="", metavar="WORD", help="run only the rows whose name contains WORD")
    parser.add_argument("--cases", type=int, default=12_000, help="cases of the large run (default 12000)")
    options = parser.parse_args(argv)
    rows: list[Row] = []
    for row in overhead_rows(options.cases, options.only):
        print(row.line(), flush=True)
        rows.append(row)
    if options.json:
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
