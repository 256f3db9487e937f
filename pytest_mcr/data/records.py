"""One raw JSON record, checked and normalised: every text NFKC and stripped, every key of the right type."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, sample_id
from pytest_mcr.core.prompts import normalize
from pytest_mcr.data.manifest import RawObject, show
from pytest_mcr.errors import DataError

TEXT_CONDITIONS: Final = (FAITHFUL, ADVERSARIAL, IRRELEVANT)
REQUIRED: Final = ("audio", "gt", NEUTRAL)
TEXT_EXPECTED: Final = "expected a text in quotes that is not empty"


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the file has it, before anything that needs the other records.

    Attributes:
        where: file, position from 0, sample id and own id, for messages.
        audio: path as written.
        candidates: as given; None where the record has none, ``()`` where it declares an open-ended question.
        text_labels: as given; None declares a label unknown.
    """

    where: str
    id: str
    source_id: str | None
    audio: str
    gold: str
    question: str
    texts: dict[str, str]
    candidates: tuple[str, ...] | None
    text_labels: dict[str, str | None]
    source: str | None
    split_group: str | None


def parse(raw: object, file: str, task: str, position: int) -> Record:
    """Check and normalise one record.

    A missing text is not an error here: a task may leave a condition out of all its records.

    Args:
        raw: what the JSON list holds at `position`.
        file: the task file, for messages.
        task: the task's name.
        position: from 0.

    Raises:
        DataError: not an object, a key given twice, a required key missing, or a value of the wrong type.
    """
    name = sample_id(task, position)
    where = f"{file} record {position} ({name})"
    if not isinstance(raw, RawObject):
        raise DataError(f"{where}: found {show(raw)}; expected an object with the keys {', '.join(REQUIRED)}")
    source_id = _optional(raw, "id", where)
    if source_id is not None:
        where = f"{file} record {position} ({name}, id {show(source_id)})"
    if raw.repeated is not None:
        raise DataError(f"{where}: key {show(raw.repeated)} is given twice; keep one of them")
    for key in REQUIRED:
        if key not in raw:
            raise DataError(f"{where}: key {show(key)} is missing (its keys: {', '.join(map(show, raw))}); add it")
    texts = {condition: _text(raw[condition], condition, where) for condition in TEXT_CONDITIONS if condition in raw}
    return Record(
        where=where,
        id=name,
        source_id=source_id,
        audio=_audio(raw["audio"], where),
        gold=_text(raw["gt"], "gt", where),
        question=_text(raw[NEUTRAL], NEUTRAL, where),
        texts=texts,
        candidates=_candidates(raw, where),
        text_labels=_text_labels(raw, texts, where),
        source=_optional(raw, "source", where),
        split_group=_optional(raw, "split_group", where),
    )


def is_blank(text: str) -> bool:
    """Whether a text holds nothing to read: only white space, control and zero-width characters."""
    return all(unicodedata.category(character)[0] in "CZ" for character in text)


def _text(value: object, key: str, where: str) -> str:
    if not isinstance(value, str) or is_blank(value):
        raise DataError(f"{where}: key {show(key)} holds {show(value)}; {TEXT_EXPECTED}")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{where}: key {show(key)} holds {show(value)}; it has half a surrogate pair, mend that escape")
    return unicodedata.normalize("NFKC", value).strip()


def _audio(value: object, where: str) -> str:
    """A path stays as written (no NFKC): it must match the bytes of a file name."""
    _text(value, "audio", where)
    assert isinstance(value, str)
    if "\0" in value:
        raise DataError(f'{where}: key "audio" holds {show(value)}; a path cannot hold a NUL character, remove it')
    return value


def _optional(raw: RawObject, key: str, where: str) -> str | None:
    """An optional name: a text or a whole number, None where absent or null."""
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value, key, where)


def _candidates(raw: RawObject, where: str) -> tuple[str, ...] | None:
    given = raw.get("candidates")
    if given is None:
        return None
    if not isinstance(given, list):
        raise DataError(f'{where}: key "candidates" holds {show(given)}; expected a list of texts like ["yes", "no"]')
    candidates = tuple(_text(value, "candidates", where) for value in given)
    if len(candidates) == 1:
        raise DataError(f'{where}: key "candidates" holds {show(given)}; give two or more, or [] for open-ended')
    if len({normalize(candidate) for candidate in candidates}) < len(candidates):
        raise DataError(f'{where}: key "candidates" holds {show(given)}, one of them twice; keep each once')
    return candidates


def _text_labels(raw: RawObject, texts: dict[str, str], where: str) -> dict[str, str | None]:
    given = raw.get("text_labels")
    if given is None:
        return {}
    if not isinstance(given, RawObject):
        expected = 'expected an object like {"adversarial": "no"}'
        raise DataError(f'{where}: key "text_labels" holds {show(given)}; {expected}')
    if given.repeated is not None:
        raise DataError(f'{where}: key "text_labels" gives {show(given.repeated)} twice; keep one of them')
    for condition in given:
        if condition not in texts:
            expected = f"expected some of {', '.join(texts) or 'no condition, as the record has no text'}"
            raise DataError(f'{where}: key "text_labels" names {show(condition)}, which has no text; {expected}')
    return {
        condition: None if label is None else _text(label, f"text_labels.{condition}", where)
        for condition, label in given.items()
    }
