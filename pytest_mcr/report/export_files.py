"""Tables as CSV, which no spreadsheet takes for a formula, and as Parquet."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable
from typing import IO, Any, Final

from pytest_mcr.errors import OptionError
from pytest_mcr.report.export_rows import Columns, Row

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet runs as a formula (OWASP, CSV injection), wide forms included."""
BLOCK: Final = 10_000
"""Rows that are held at a time."""


def write_csv(file: IO[str], columns: Columns, rows: Iterable[Row]) -> None:
    """Write a table as CSV (RFC 4180, UTF-8).

    A text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay as they are, and what
    does not exist is empty.
    """
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(row.get(column)) for column in columns])


def _harmless(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Spreadsheets skip blanks before they look for a formula; csv ends a text at a zero byte.
        text = value.replace("\0", "\\x00")
        return f"'{text}" if text.lstrip(" \u00a0").startswith(FORMULA) else text
    return value


def write_parquet(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    """Write a table as Parquet, block by block.

    Raises:
        OptionError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise OptionError("--parquet needs pyarrow; type: pip install 'pytest-mcr[report]'") from None
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(column, types[kind]) for column, kind in columns.items()])
    left = iter(rows)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while block := list(itertools.islice(left, BLOCK)):
            data = {column: [_held(row.get(column), kind) for row in block] for column, kind in columns.items()}
            writer.write_table(pyarrow.table(data, schema=schema))


def _held(value: Any, kind: type) -> Any:
    """A value as its column holds it; half a surrogate pair, which UTF-8 cannot hold, becomes its escape."""
    if value is None:
        return None
    return kind(value) if kind is not str else str(value).encode("utf-8", "backslashreplace").decode("utf-8")
