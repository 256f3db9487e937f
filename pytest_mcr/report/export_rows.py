"""A run as long tables: one row a number, or one row a case, with the run's facts on every row of numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mcr.data.results_file import NUMBER
from pytest_mcr.errors import OptionError

Row = Mapping[str, Any]
Columns = dict[str, type]
"""What each column holds: str, int, float or bool; each may be None."""
FACTS: Final = (
    ("run", "run", "id"),
    ("started", "run", "started"),
    ("verdict", None, "verdict"),
    ("model", "model", "spec"),
    ("model_kind", "model", "kind"),
    ("fingerprint", "model", "fingerprint"),
    ("dataset", "dataset", "kind"),
    ("dataset_about", "dataset", "about"),
    ("dataset_digest", "dataset", "digest"),
    ("template", "protocol", "template"),
    ("template_version", "protocol", "version"),
    ("answer_mode", "protocol", "answer"),
)
"""Columns that every number has: name, section of ``results.json``, key."""
CASE: Final = (
    "id", "task", "sample", "source_id", "condition", "audio", "prompt", "gold", "text_label", "answer", "raw",
    "verdict", "confidence", "scores", "seconds", "cached", "error",
)  # fmt: skip
"""Keys of a case; all others come after them."""
KINDS: Final[Mapping[str, type]] = {
    "template_version": int, "value": float, "low": float, "high": float, "n": int, "confidence": float,
    "seconds": float, "cached": bool, "calibrated": float,
}  # fmt: skip
"""What the known columns hold, where it is no text."""


def metric_table(results: Mapping[str, Any]) -> tuple[Columns, list[Row]]:
    """Columns and rows of the numbers.

    Args:
        results: the content of ``results.json``.
    """
    facts = {name: _fact(results, section, key) for name, section, key in FACTS}
    rows: Sequence[Mapping[str, Any]] = results["metrics"]
    variants = sorted({key for row in rows for key in row} - set(NUMBER))
    columns = {name: KINDS.get(name, str) for name in (*facts, *NUMBER)}
    columns |= {name: _kind([row[name] for row in rows if row.get(name) is not None]) for name in variants}
    return columns, [facts | {key: _cell(value) for key, value in row.items()} for row in rows]


def _kind(values: Sequence[Any]) -> type:
    """What a column of these values holds."""
    if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in values):
        return str
    return int if all(isinstance(value, int) for value in values) else float


def _fact(results: Mapping[str, Any], section: str | None, key: str) -> Any:
    part = results if section is None else results.get(section, {})
    return _cell(part.get(key))


def case_columns(file: Path) -> Columns:
    """Columns of the cases: the documented ones, then any other that some line has.

    Raises:
        OptionError: the file cannot be read.
    """
    others = {key for row in cases(file) for key in row} - set(CASE)
    return {name: KINDS.get(name, str) for name in (*CASE, *sorted(others))}


def cases(file: Path) -> Iterator[Row]:
    """The cases one by one, so that memory stays flat.

    Raises:
        OptionError: the file cannot be read, or a line is no object.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise OptionError(f"{file}:{number}: a {type(row).__name__}; expected an object")
                yield {key: _cell(value) for key, value in row.items()}
    except OSError as error:
        raise OptionError(f"{file}: cannot be read ({error.strerror}); it lies beside a run's results.json") from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{file}: not whole JSON lines ({error}); copy the run again") from None


def _cell(value: Any) -> Any:
    """A value as one cell: numbers, texts and nothing stay; whatever holds parts becomes JSON."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    return json.dumps(value, ensure_ascii=False)
