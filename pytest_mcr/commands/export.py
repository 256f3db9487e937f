"""Export a run's numbers: a long table as CSV or Parquet, or the block for a model card.

RUN is results.json of a whole, valid run, or its folder. FILE may be - for the standard output. One row a number:
run, model, data, protocol, task, condition, metric, value, 95 % interval, n, and what tells variants apart. With
--cases one row a case in place of a number. In CSV a text that a spreadsheet would run as a formula begins with an
apostrophe.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Final

from pytest_mcr.command_line import Parser
from pytest_mcr.data.results_file import CASES
from pytest_mcr.errors import OptionError
from pytest_mcr.report.export_files import write_csv, write_parquet
from pytest_mcr.report.export_rows import Columns, Row, case_columns, cases, metric_table
from pytest_mcr.report.files import check_file
from pytest_mcr.report.model_card import model_card
from pytest_mcr.report.results import staged_beside
from pytest_mcr.run.former_cases import FormerRun, read_run

STDOUT: Final = Path("-")
EXAMPLES: Final = {"csv": "metrics.csv", "parquet": "metrics.parquet", "model_card": "card.md"}
"""What each kind's file may be called."""
Write = Callable[[IO[bytes]], None]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m pytest_mcr export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="results.json of a run, or its folder")
    kinds = parser.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--csv", type=Path, metavar="FILE", help="a long table as CSV")
    kinds.add_argument("--parquet", type=Path, metavar="FILE", help="the same as Parquet (needs the extra report)")
    kinds.add_argument("--model-card", type=Path, metavar="FILE", help="metadata and a section for a model card")
    parser.add_argument("--cases", action="store_true", help="one row a case in place of a number")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run the command line.

    Raises:
        OptionError: a run that cannot be read or is refused, or a file that cannot be written.
    """
    options = parse(argv)
    if options.model_card is not None and options.cases:
        raise OptionError("--cases: a model card holds no cases; give --csv FILE or --parquet FILE, or leave it out")
    kind = next(name for name in EXAMPLES if getattr(options, name) is not None)
    flag, path = f"--{kind.replace('_', '-')}", getattr(options, kind)
    if path != STDOUT:
        check_file(flag, path.absolute(), EXAMPLES[kind])
    run = read_run(options.run)
    file = options.run / CASES if options.run.is_dir() else options.run.with_name(CASES)
    write = writer(kind, run, file if options.cases else None)
    if path == STDOUT:
        to_stdout(write)
    else:
        to_file(flag, path, write)
        sys.stdout.write(f"written: {path}\n")
    return 0


def writer(kind: str, run: FormerRun, file: Path | None) -> Write:
    """What writes the export to a binary file.

    Args:
        kind: ``csv``, ``parquet`` or ``model_card``.
        run: what to export.
        file: its cases, where they are wanted.
    """
    if kind == "model_card":
        card = model_card(run.results)
        return lambda out: as_text(out, lambda text: text.write(card))
    columns: Columns
    rows: Iterable[Row]
    columns, rows = (case_columns(file), cases(file)) if file is not None else metric_table(run.results)
    if kind == "csv":
        return lambda out: as_text(out, lambda text: write_csv(text, columns, rows))
    return lambda out: write_parquet(out, columns, rows)


def as_text(out: IO[bytes], write: Callable[[IO[str]], object]) -> None:
    """Write UTF-8 into a binary file, line ends as they are; half a surrogate pair becomes its escape."""
    text = io.TextIOWrapper(out, encoding="utf-8", errors="backslashreplace", newline="")
    write(text)
    text.flush()
    text.detach()


def to_file(flag: str, path: Path, write: Write) -> None:
    """Write a file in one step, and the folders above it: a reader sees the old file or the new, never a part.

    Raises:
        OptionError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged_beside(path) as staged, staged.open("wb") as out:
            write(out)
    except OSError as error:
        raise OptionError(f"{flag} {path}: cannot be written ({error.strerror}); give another file") from error


def to_stdout(write: Write) -> None:
    """Write to the standard output; whoever reads it may stop early."""
    held = io.BytesIO()
    write(held)
    try:
        sys.stdout.buffer.write(held.getbuffer())
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the standard output once more at its end and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
