"""Recorded answers as CSV: a header with ``id``, ``text`` (or ``raw``) and, if there are any, ``score:LABEL`` columns.

Comma, semicolon or tab is read off the header, so that what a spreadsheet saves is read as it is. Columns of other
names are left alone, but ``prompt`` and ``error`` mean what they mean in JSON lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Response
from pytest_mcr.models.replay_record import EXAMPLE, Answers, Recorded, checked_scores

SUFFIXES: Final = (".csv", ".tsv")
DELIMITERS: Final = (",", ";", "\t")
SCORE: Final = "score:"
EXPECTED: Final = "expected a header with id, text (or raw) and, where there are scores, score:LABEL"


@dataclass(frozen=True, slots=True)
class Row:
    """One record, which may stretch over several lines of the file.

    Attributes:
        line: where it ends; blank records are left out.
    """

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Header:
    """Where things stand in a record.

    Attributes:
        places: column of each name.
        scores: column of each label that has scores.
    """

    places: dict[str, int]
    scores: dict[str, int]

    @property
    def text(self) -> int | None:
        """Column of the answer's text, None without."""
        return self.places.get("text", self.places.get("raw"))


def read_csv(path: Path) -> dict[str, Recorded]:
    """Read answers by id.

    Raises:
        ModelError: one line with file and line number: not UTF-8, no such header, a record with too few or too many
            columns, an open quote, a cell beyond the limit of the csv module, no id, an id twice, or a score that is
            not a finite number.
        OSError: the file cannot be read.
    """
    text = _decode(path)
    delimiter, header = _header(path, text)
    answers = Answers()
    rows = _rows(path, text, delimiter)
    width = len(next(rows).cells)
    for row in rows:
        where = f"{path}:{row.line}"
        if len(row.cells) != width:
            raise ModelError(
                f"{where}: {len(row.cells)} columns, the header has {width}; a cell that holds {delimiter!r} or a line "
                'break must be in double quotes ("...")'
            )
        key = row.cells[header.places["id"]].strip()
        if not key:
            raise ModelError(f"{where}: no id; expected the case id, e.g. {EXAMPLE}")
        answers.add(key, _recorded(row.cells, header, where), where, row.line)
    if not answers.found:
        raise ModelError(f"{path}: no answers under the header; expected one record a case, e.g. {EXAMPLE},yes")
    return answers.found


def _decode(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ModelError(f"{path}:{line}: not UTF-8; save the table as CSV UTF-8") from None


def _rows(path: Path, text: str, delimiter: str, *, strict: bool = True) -> Iterator[Row]:
    # newline="": a line break inside quotes belongs to the answer. strict: an open quote is a torn file, not an answer.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ModelError(f"{path}:{reader.line_num}: {error}; is a quote open, or the file torn?") from None
        if any(cell.strip() for cell in cells):
            yield Row(reader.line_num, cells)


def _header(path: Path, text: str) -> tuple[str, Header]:
    """The delimiter under which the first record is a header, and that header."""
    names: list[str] = []
    for delimiter in DELIMITERS:
        first = next(_rows(path, text, delimiter, strict=False), None)  # strict would trip over "id";"text" at a comma
        if first is None:
            raise ModelError(f"{path}: empty; {EXPECTED}")
        found = [cell.strip() for cell in first.cells]
        if "id" in found and len(found) > 1:
            return delimiter, _checked_header(found, f"{path}:{first.line}")
        names = max(names, found, key=len)
    raise ModelError(f"{path}:1: no column id among {', '.join(map(repr, names[:6]))}; {EXPECTED}")


def _checked_header(names: Sequence[str], where: str) -> Header:
    for name in names:
        if name and names.count(name) > 1:
            raise ModelError(f"{where}: two columns are called {name!r}; keep one of them")
        if name.casefold().startswith("score") and not (name.startswith(SCORE) and name.removeprefix(SCORE).strip()):
            raise ModelError(f"{where}: column {name!r}; a column of scores is called score:LABEL, e.g. score:yes")
    places = {name: place for place, name in enumerate(names) if name}
    scores = {name.removeprefix(SCORE).strip(): place for name, place in places.items() if name.startswith(SCORE)}
    header = Header(places, scores)
    if header.text is None and not scores:
        raise ModelError(f"{where}: neither text (or raw) nor a score:LABEL among {', '.join(names)}; {EXPECTED}")
    return header


def _recorded(cells: Sequence[str], header: Header, where: str) -> Recorded:
    prompt = cells[header.places["prompt"]] if "prompt" in header.places else ""
    error = cells[header.places["error"]].strip() if "error" in header.places else ""
    if error:
        return Recorded(Response(None, None, error), prompt or None)
    scores = checked_scores(
        {label: _number(cells[place]) for label, place in header.scores.items() if cells[place].strip()}, where
    )
    text = None if header.text is None else cells[header.text]
    if text is None and not scores:
        raise ModelError(
            f"{where}: no score; expected a number in a score:LABEL column, or a reason in an error column"
        )
    return Recorded(Response(text, scores or None), prompt or None)


def _number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell  # refused, and shown as it is
