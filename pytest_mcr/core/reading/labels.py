"""A closed answer set made ready for reading: which forms name which candidate, and which forms name none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pytest_mcr.core.reading.lexicon import (
    FAMILIES,
    IDIOMS,
    NARROW,
    OTHER_SENSES,
    PLACES,
    Form,
    inflections,
    phrase_inflections,
)
from pytest_mcr.core.reading.words import clean, is_word, key, vocabulary, words

_ARTICLES: Final = frozenset({"a", "an", "the"})
_FUNCTION_WORDS: Final = vocabulary(
    "none neither both other others unknown unclear nothing all any it is the an to not can may will be like or",
    "and of in on text audio description caption answer question if so but never either uncertain undecided",
    "ambiguous conflict mismatch this that there he she they we you my maybe perhaps something someone nobody",
    "sure okay ok sound noise recording clip voice",
)
"""Labels that are such a word are read only where they are the whole answer; a sentence has other uses for them."""


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
    keys = tuple(bare(key(c)) for c in candidates)
    exact: dict[Form, int | None] = {}
    for index, label in enumerate(keys):
        if label:
            exact[label] = None if label in exact else index
    owners = _synonyms(keys) | exact | _punctuated(candidates, keys, exact)
    for label in [k for k in owners if len(k) == 1 and (k[0] in _FUNCTION_WORDS or _is_letter(k))]:
        del owners[label]
    table: dict[str, list[tuple[Form, int | None]]] = {}
    for form, owner in [*owners.items(), *((phrase, None) for phrase in _hiding(keys, owners))]:
        table.setdefault(form[0], []).append((form, owner))
    forms = {first: tuple(sorted(found, key=lambda f: -len(f[0]))) for first, found in table.items()}
    letters = {label[0].upper(): i for i, label in enumerate(keys) if _is_letter(label)}
    return Labels(candidates, exact, forms, _polar(exact, "yes"), _polar(exact, "no"), letters)


def bare(form: Form) -> Form:
    """A form without its leading article."""
    return form[1:] if len(form) > 1 and form[0] in _ARTICLES else form


def _is_letter(label: Form) -> bool:
    return len(label) == 1 and len(label[0]) == 1 and label[0].isascii() and label[0].isalpha()


def _polar(exact: Mapping[Form, int | None], word: str) -> int | None:
    place = PLACES[(word,)]
    found = [index for label, index in exact.items() if PLACES.get(label) == place]
    return found[0] if len(found) == 1 else None


def _synonyms(keys: Sequence[Form]) -> dict[Form, int | None]:
    owners: dict[Form, int | None] = {}
    vocabularies = [{f for word in k for f in inflections(word)} if len(k) > 1 else set() for k in keys]
    for index in (i for i, label in enumerate(keys) if label):
        # With "clock tick" and "clock alarm" in the set, "clock" alone is neither.
        rivals = [(len(k), v) for i, (k, v) in enumerate(zip(keys, vocabularies, strict=True)) if i != index and v]
        own = set(phrase_inflections(keys[index]))
        for form in _spoken(index, keys):
            shared = form not in own and any(len(form) < n and words_.issuperset(form) for n, words_ in rivals)
            owners[form] = None if shared or owners.get(form, index) != index else index
    return owners


def _punctuated(
    candidates: Sequence[str], keys: Sequence[Form], exact: Mapping[Form, int | None]
) -> dict[Form, int | None]:
    """Labels such as "rock & roll" as they are written, with the marks inside them."""
    written = [words(clean(c)).fold for c in candidates]
    return {w: exact[k] for w, k in zip(written, keys, strict=True) if len(w) > len(k) > 1 and is_word(w[0] + w[-1])}


def _spoken(index: int, keys: Sequence[Form]) -> tuple[Form, ...]:
    """The forms that may stand for a candidate besides its own spelling."""
    place = PLACES.get(keys[index])
    if place is None:
        return phrase_inflections(keys[index])
    family, group = place
    groups = [tuple(f for f in g if _suits(f, keys[index])) for g in FAMILIES[family]]
    others = [PLACES[k] for i, k in enumerate(keys) if i != index and k in PLACES]
    if all(f != family for f, _ in others):
        return tuple(form for g in groups for form in g)
    return groups[group] if place not in others else ()


def _suits(form: Form, label: Form) -> bool:
    return form not in NARROW or NARROW[form] in label


def _hiding(keys: Sequence[Form], owners: Mapping[Form, int | None]) -> Iterator[Form]:
    for phrase in IDIOMS:
        if phrase not in owners and any((word,) in owners for word in phrase):
            yield phrase
    for phrase in OTHER_SENSES:
        if phrase not in owners and any((word,) in owners and (word,) not in keys for word in phrase):
            yield phrase
