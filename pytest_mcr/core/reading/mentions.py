"""Where an answer names a candidate: by its label, a synonym, an option letter, or a bare yes or no."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.reading.labels import Labels
from pytest_mcr.core.reading.lexicon import NUMBERS
from pytest_mcr.core.reading.words import SENTENCE_END, Words, clean, is_word, key, vocabulary


@dataclass(frozen=True, slots=True)
class Mention:
    """Words ``start`` to ``end`` (exclusive) name a candidate; ``polar`` where that is a bare yes or no."""

    start: int
    end: int
    candidate: int
    polar: bool = False


_UNITS: Final = vocabulary(
    "second seconds sec s minute minutes min hz khz db ms % percent per",
)

_MAGNITUDES: Final = vocabulary(
    "thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million dozen point half"
)

_AFFIRMING: Final = frozenset({"correct", "true", "affirmative", "right", "indeed", "positive"})
_DENYING: Final = frozenset({"incorrect", "false", "negative", "wrong", "untrue"})
_SUBJECTS: Final = frozenset({"that", "it", "this", "is", "the", "statement", "answer", "would", "be"})

_BEFORE_NO: Final = vocabulary(
    "answer say be definitely clearly probably likely simply so therefore but then option choose with well oh um",
    "hmm actually sorry choice",
)
_AFTER_NO: Final = frozenset({"no", "there", "it", "i", "this", "that", "we", "you", "he", "she", "they"})
_ANSWERING: Final = frozenset({"answer", "response", "choice", "verdict", "conclusion", "option"})

_BEFORE_LETTER: Final = vocabulary(
    "option choice letter answer be select choose pick with say definitely probably likely clearly guess think",
    "not nor but neither and or either than",
)
_IS_WHAT: Final = _ANSWERING | {"it", "that", "this", "one", "letter"}
_AFTER_LETTER: Final = frozenset({"is", "because", "since", "as", "with", "and", "or", "nor", "but"})


def find_mentions(words: Words, labels: Labels, letters: Mapping[str, int]) -> list[Mention]:
    """Find every mention, in order; where several forms overlap the longest counts, and hidden words name nothing.

    Args:
        words: the answer.
        labels: the closed set.
        letters: candidate by upper-case option letter; empty where the prompt offered none.
    """
    found = _longest(_labels_named(words.fold, labels))
    polar = labels.yes, labels.no
    mentions = [
        Mention(start, end, candidate, candidate in polar)
        for start, end, candidate in found
        if candidate is not None and _names(words.fold, start, end)
    ]
    taken = {i for start, end, _ in found for i in range(start, end)}
    mentions += _letters_named(words, letters, taken)
    mentions += _verdicts_named(words.fold, labels) if labels.yes is not None and labels.no is not None else []
    return sorted(mentions, key=lambda m: m.start)


def _names(fold: Sequence[str], start: int, end: int) -> bool:
    if fold[start:end] == ("no",):
        return _answers_no(fold, start)
    comments = fold[start].endswith("ly") and fold[end : end + 1] == (",",)  # "Sadly, I can't tell."
    return not (comments and _at_start(fold, start))


def _labels_named(fold: Sequence[str], labels: Labels) -> list[tuple[int, int, int | None]]:
    found = []
    for start, word in enumerate(fold):
        for form, candidate in labels.forms.get(word, ()):
            end = start + len(form)
            if len(form) == 1 or tuple(fold[start:end]) == form:
                found.append((start, end, None if _is_part_of_number(fold, start, end) else candidate))
                break
    return found


def _is_part_of_number(fold: Sequence[str], start: int, end: int) -> bool:
    """Whether a number is a measure ("3 seconds") or a piece of a larger one ("three hundred")."""
    if fold[end - 1] not in NUMBERS:
        return False
    around = {*fold[max(0, start - 1) : start], *fold[end : end + 1]}
    return not around.isdisjoint(_UNITS | _MAGNITUDES | NUMBERS)


def _longest(found: list[tuple[int, int, int | None]]) -> list[tuple[int, int, int | None]]:
    """Keep the longest of overlapping forms; two that merely overlap and name different things name nothing."""
    kept: list[tuple[int, int, int | None]] = []
    for start, end, candidate in found:
        if not kept or start >= kept[-1][1]:
            kept.append((start, end, candidate))
        elif end > kept[-1][1]:
            same = candidate == kept[-1][2]
            kept[-1] = (kept[-1][0], end, candidate if same else None)
    return kept


def _at_start(fold: Sequence[str], i: int) -> bool:
    return i == 0 or not is_word(fold[i - 1])


def _at_end(fold: Sequence[str], i: int) -> bool:
    return i + 1 >= len(fold) or not is_word(fold[i + 1])


def _answers_no(fold: Sequence[str], i: int) -> bool:
    """Whether a "no" is an answer and not the first word of "no dog"."""
    starts, ends = _at_start(fold, i), _at_end(fold, i)
    if starts and (ends or fold[i + 1] in _AFTER_NO):
        return True
    before = fold[i - 1]
    introduced = before in _BEFORE_NO or (before == "is" and not _ANSWERING.isdisjoint(fold[max(0, i - 4) : i]))
    return ends and introduced


def _letters_named(words: Words, letters: Mapping[str, int], taken: set[int]) -> list[Mention]:
    return [
        Mention(i, i + 1, letters[raw.upper()])
        for i, raw in enumerate(words.raw)
        if len(raw) == 1 and raw.upper() in letters and i not in taken and is_letter_answer(words, i)
    ]


def is_letter_answer(words: Words, i: int) -> bool:
    """Whether a lone letter stands where an option letter would, and not as an article, a pronoun or a name."""
    fold, raw = words.fold, words.raw[i]
    before = fold[i - 1] if i else ""
    after = fold[i + 1] if i + 1 < len(fold) else ""
    if after in (")", "]") and (before in ("(", "[") or _at_start(fold, i)):
        return True
    named = before in ("option", "choice", "letter")
    if raw in ("a", "A", "i", "I") and not (_at_end(fold, i) and after != "'"):
        return named and after in _AFTER_LETTER
    introduced = before in _BEFORE_LETTER or (before == "is" and i > 1 and fold[i - 2] in _IS_WHAT)
    if not raw.isupper():
        answering = before in ("is", ":") and i > 1 and fold[i - 2] in _ANSWERING
        return (named or before == "answer" or answering) and _at_end(fold, i)
    return (_at_start(fold, i) or introduced) and (_at_end(fold, i) or after in _AFTER_LETTER)


def _verdicts_named(fold: Sequence[str], labels: Labels) -> list[Mention]:
    """Yes and no said as "That is correct.": only where the sentence holds nothing else."""
    if (_AFFIRMING | _DENYING).isdisjoint(fold) or labels.yes is None or labels.no is None:
        return []
    mentions = []
    start = 0
    for end in [*(i for i, word in enumerate(fold) if word in SENTENCE_END or word == ","), len(fold)]:
        sentence = [i for i in range(start, end) if is_word(fold[i])]
        start = end + 1
        if sentence and _SUBJECTS.issuperset(fold[i] for i in sentence[:-1]):
            last = fold[sentence[-1]]
            if last in _AFFIRMING or last in _DENYING:
                candidate = labels.yes if last in _AFFIRMING else labels.no
                mentions.append(Mention(sentence[-1], sentence[-1] + 1, candidate, polar=True))
    return mentions


_OFFER: Final = re.compile(r"(?:^|(?<=[\s,;(\[]))[(\[]?([A-Za-z])\s?(?:[).\]:]|\s[-=])\s*(?=\S)")


def offered_letters(prompt: str, candidates: Sequence[str]) -> dict[str, str]:
    """Option letters that a prompt offers, in upper case, with the candidate that each stands for.

    Only a full offer counts: every candidate has exactly one letter and the letters run from A. Else empty.
    """
    prompt = clean(prompt)
    keys = sorted(((key(c), c) for c in candidates), key=lambda pair: -len(pair[0]))
    offered: dict[str, str] = {}
    for match in _OFFER.finditer(prompt):
        follows = key(prompt[match.end() : match.end() + 120])
        named = next((c for k, c in keys if k and follows[: len(k)] == k), None)
        letter = match.group(1).upper()
        if named is None:
            continue
        if offered.get(letter, named) != named:
            return {}
        offered[letter] = named
    complete = sorted(offered.values()) == sorted(candidates)
    return offered if complete and "".join(sorted(offered)) == _ALPHABET[: len(offered)] else {}


_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
