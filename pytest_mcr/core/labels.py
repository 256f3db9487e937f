"""A closed answer set made ready for reading: which forms name which candidate, and which forms name none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pytest_mcr.core.lexicon import FAMILIES, IDIOMS, OTHER_SENSES, PLACES, Form, inflections, phrase_inflections
from pytest_mcr.core.words import clean, key, words

_ARTICLES: Final = frozenset({"a", "an", "the"})
_FUNCTION_WORDS: Final = frozenset(
    "none neither both other others unknown unclear nothing all any it is the an to not can may will be like or and of"
    " in on text audio description caption answer question if so but never either uncertain undecided ambiguous conflict"
    " mismatch this that there he she they we you my maybe perhaps something someone nobody sure okay ok sound noise"
    " recording clip voice".split()
)
"""Labels that are such a word are read only where they are the whole answer: a sentence holds them for other reasons."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The forms of a closed set.

    Attributes:
        candidates: as spelled by the data.
        exact: whole answers, by their words; None where two candidates share them.
        forms: by first word, longest first: the form and the candidate's index; None for a form that names no
            candidate but hides one (an idiom, or a word that two candidates could claim).
        yes: index of a candidate that means yes, if any.
        no: index of a candidate that means no, if any.
        letters: candidates that are themselves single letters, by upper-case letter.
    """

    candidates: tuple[str, ...]
    exact: Mapping[Form, int | None]
    forms: Mapping[str, tuple[tuple[Form, int | None], ...]]
    yes: int | None
    no: int | None
    letters: Mapping[str, int]


@lru_cache(maxsize=512)
def labels(candidates: tuple[str, ...]) -> Labels:
    """Prepare a closed set; cached, because a task asks with the same one thousands of times."""
    keys = tuple(_label_key(c) for c in candidates)
    exact: dict[Form, int | None] = {}
    for index, label in enumerate(keys):
        if label:
            exact[label] = None if label in exact else index
    owners = _owners(keys, exact)
    table: dict[str, list[tuple[Form, int | None]]] = {}
    for form, owner in [*owners.items(), *((d, None) for d in _hiding(keys, owners))]:
        table.setdefault(form[0], []).append((form, owner))
    forms = {first: tuple(sorted(found, key=lambda f: -len(f[0]))) for first, found in table.items()}
    letters = {label[0].upper(): i for i, label in enumerate(keys) if _is_letter(label)}
    return Labels(candidates, exact, forms, _polar(exact, "yes"), _polar(exact, "no"), letters)


def _label_key(candidate: str) -> Form:
    label = key(candidate)
    return label[1:] if len(label) > 1 and label[0] in _ARTICLES else label


def _is_letter(label: Form) -> bool:
    return len(label) == 1 and len(label[0]) == 1 and label[0].isascii() and label[0].isalpha()


def _polar(exact: Mapping[Form, int | None], word: str) -> int | None:
    place = PLACES[(word,)]
    found = [index for label, index in exact.items() if PLACES.get(label) == place]
    return found[0] if len(found) == 1 else None


def _owners(keys: tuple[Form, ...], exact: Mapping[Form, int | None]) -> dict[Form, int | None]:
    owners: dict[Form, int | None] = {}
    for index, label in enumerate(keys):
        for form in _spoken(index, keys):
            taken = form in owners and owners[form] != index
            owners[form] = None if taken or _is_part_of_another(form, index, keys) else index
    owners.update(exact)
    for index, label in enumerate(keys):
        # A label with inner punctuation ("rock & roll") is also found with that punctuation in place.
        owners.update({form: exact[label] for form in _as_written(label) if label in exact})
        if len(label) == 1 and (label[0] in _FUNCTION_WORDS or _is_letter(label)):
            owners.pop(label, None)
    return owners


def _as_written(label: Form) -> Iterator[Form]:
    yield label


def _spoken(index: int, keys: tuple[Form, ...]) -> tuple[Form, ...]:
    """The forms that may stand for a candidate besides its own spelling."""
    place = PLACES.get(keys[index])
    if place is None:
        return phrase_inflections(keys[index])
    family, group = place
    others = [PLACES[k] for i, k in enumerate(keys) if i != index and k in PLACES]
    if all(f != family for f, _ in others):
        return tuple(form for g in FAMILIES[family] for form in g)
    return FAMILIES[family][group] if place not in others else ()


def _is_part_of_another(form: Form, index: int, keys: tuple[Form, ...]) -> bool:
    # With "clock tick" and "clock alarm" in the set, "clock" alone is neither.
    return any(
        i != index and len(other) > len(form) and set(form) <= {f for word in other for f in inflections(word)}
        for i, other in enumerate(keys)
    )


def _hiding(keys: tuple[Form, ...], owners: Mapping[Form, int | None]) -> Iterator[Form]:
    for phrase in IDIOMS:
        if phrase not in owners and any((word,) in owners for word in phrase):
            yield phrase
    for phrase in OTHER_SENSES:
        if phrase not in owners and any((word,) in owners and (word,) not in keys for word in phrase):
            yield phrase
