"""Compare two runs on the same cases: is the second worse than the first, and what changed.

BEFORE and AFTER are results.json of two whole runs (or their folders) on the same data by the same template. First the
verdict and the table that `pytest --mcr-baseline BEFORE` prints; then, in Markdown, accuracy under each text, text
influence and calibration with the paired 95 % interval of each change. Exit code 0: worse in no cell; 1: worse in one,
or too few clips to tell; 8: the runs cannot be compared.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_mcr.command_line import Parser
from pytest_mcr.core.comparison import PASS
from pytest_mcr.core.margins import Margins, parse_margins
from pytest_mcr.core.noninferiority import compare
from pytest_mcr.errors import OptionError
from pytest_mcr.report.wording import safe
from pytest_mcr.run.exits import FAILED_EXIT, INVALID_EXIT, OK_EXIT
from pytest_mcr.run.former_cases import read_run
from pytest_mcr.run.references import BASELINE, Reference
from pytest_mcr.train.compare import compared


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m pytest_mcr compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, metavar="BEFORE", help="results.json of the first run, or its folder")
    parser.add_argument("after", type=Path, metavar="AFTER", help="of the second")
    parser.add_argument("--margin", metavar="X", help="accuracy that may be lost: X, or macro=X,task=Y")
    parser.add_argument("--all", action="store_true", help="what changed: also each task, and each edit of the texts")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run the command line.

    Raises:
        OptionError: a file that cannot be read or is refused, or a bad margin.
    """
    options = parse(argv)
    margins = _margins(options.margin)
    before, after = read_run(options.before, whole=False), read_run(options.after, whole=False)
    reference, other = Reference(BASELINE, before), Reference(BASELINE, after)
    doubts = [f"AFTER: {after.doubt}"] if after.doubt is not None else reference.differences(other.asked)
    sys.stdout.write(f"before: {safe(reference.named)}\nafter: {safe(other.named)}\n")
    if doubts:
        sys.stdout.write(f"INVALID: the runs cannot be compared: {safe('; '.join(doubts))}\n")
        return INVALID_EXIT
    from pytest_mcr.report.terminal import printed  # rich is imported only to print
    from pytest_mcr.report.terminal_baseline import comparison

    found = compare(before.outcomes.values(), after.outcomes.values(), margins)
    width = shutil.get_terminal_size().columns
    lines = printed(comparison(found), width=width, color=sys.stdout.isatty())
    sys.stdout.write("\n".join([*lines, "", ""]))
    if before.outcomes.keys() == after.outcomes.keys():
        sys.stdout.write(f"{compared(before, after, everything=options.all)}\n")
    else:
        sys.stdout.write(f"compared on the {len(after.outcomes)} cases of the second run\n")
    return OK_EXIT if found.verdict == PASS else FAILED_EXIT


def _margins(text: str | None) -> Margins:
    if text is None:
        return Margins()
    try:
        return parse_margins(text)
    except ValueError as error:
        raise OptionError(f"--margin {text!r}: expected {error}") from None
