"""What each text supports: given by the data, or read off the description."""

from __future__ import annotations

import re
from functools import lru_cache

from pytest_mcr.core.answers import text_label
from pytest_mcr.core.prompts import normalize
from pytest_mcr.data.manifest import show
from pytest_mcr.data.records import Record
from pytest_mcr.errors import DataError


def spelled(answer: str, candidates: tuple[str, ...]) -> str | None:
    """An answer in the spelling of its candidate, itself when open-ended, None when it is no candidate."""
    return _spellings(candidates).get(normalize(answer)) if candidates else answer


@lru_cache(maxsize=1024)
def _spellings(candidates: tuple[str, ...]) -> dict[str, str]:
    return {normalize(candidate): candidate for candidate in candidates}


def description(text: str, question: str, *, complete: bool) -> str:
    """A text without the question that a complete prompt repeats, since a question may name every candidate."""
    if not complete:
        return text
    words = (re.escape(word) for word in normalize(question).split())
    return re.sub(r"\s+".join(words), " ", normalize(text)).strip()


def resolve(record: Record, candidates: tuple[str, ...], gold: str, *, complete: bool) -> dict[str, str]:
    """The text label of each condition of a record; a condition whose label is unknown is left out.

    Raises:
        DataError: a given label is no candidate.
    """
    labels: dict[str, str] = {}
    for condition, text in record.texts.items():
        if condition in record.text_labels:
            label = _given(record, condition, candidates)
        else:
            bare = description(text, record.question, complete=complete)
            label = text_label(bare, candidates, gold, condition)
        if label is not None:
            labels[condition] = label
    return labels


def _given(record: Record, condition: str, candidates: tuple[str, ...]) -> str | None:
    given = record.text_labels[condition]
    if given is None:
        return None
    label = spelled(given, candidates)
    if label is None:
        key = show(f"text_labels.{condition}")
        raise DataError(f"{record.where}: key {key} holds {show(given)}; expected one of {show(list(candidates))}")
    return label
