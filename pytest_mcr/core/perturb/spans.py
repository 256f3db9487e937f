"""Which characters of a text bear its answer, and which labels a text mentions, whatever its spelling."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pytest_mcr.core.perturb.banks import FREE, HOMOGLYPHS
from pytest_mcr.core.perturb.tree import Piece, Wording
from pytest_mcr.core.reading.cues import NEGATOR_PAIRS, NEGATORS
from pytest_mcr.core.reading.labels import labels as closed_set
from pytest_mcr.core.reading.mentions import find_mentions
from pytest_mcr.core.reading.words import Words, clean, is_word, words

_TOKEN: Final = re.compile(r"[^\W_]+(?:(?:'|[^\x00-\x7f\w\s])+[^\W_]+)*|\n|[^\w\s]")
"""Accents and invisible marks inside a word do not end it."""
_LETTERS: Final = re.compile(r"[^\W_]+")
_LOOKS_LATIN: Final = str.maketrans({other: latin for latin, other in HOMOGLYPHS.items()})


@dataclass(frozen=True, slots=True)
class Token:
    """A word or mark in normal form, and the characters that it stands for."""

    fold: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """A text in the words of the reader, each with its place; a contraction gives two with the same place."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        inside_word = text[start - 1 : start].isalnum() and text[end : end + 1].isalnum()
        if match.group() in "-\u2010\u2011" and inside_word:
            continue
        found += [Token(fold, start, end) for fold in _fold(match.group())]
    return found


@lru_cache(maxsize=4096)
def _fold(token: str) -> tuple[str, ...]:
    return words(clean(token)).fold


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text letter by letter, without case, accents, width and invisible marks.

    Two texts that a person reads alike are equal here. Unlike the reader's words, a word does not depend on what stands
    around it.
    """
    bare = unicodedata.normalize("NFKD", text.translate(_LOOKS_LATIN))
    bare = "".join(c for c in bare if unicodedata.category(c) not in ("Cf", "Mn"))
    return tuple(_LETTERS.findall(unicodedata.normalize("NFKD", bare.casefold())))


@lru_cache(maxsize=4096)
def mentioned(text: str, labels: tuple[str, ...]) -> frozenset[str]:
    """The labels that a text names, by themselves or a synonym, asserted or not."""
    if not labels:
        return frozenset()
    closed = closed_set(labels)
    said = words(clean(text.translate(_LOOKS_LATIN)))
    return frozenset(closed.candidates[mention.candidate] for mention in find_mentions(said, closed, {}))


def polar(labels: tuple[str, ...]) -> bool:
    """Whether the answers are yes and no."""
    closed = closed_set(labels)
    return closed.yes is not None and closed.no is not None


def protect(sentence: str, labels: tuple[str, ...], *, all_but_free: bool) -> Wording:
    """Mark what bears the answer: every mention of a label, every negation.

    Args:
        sentence: part of a text.
        labels: the closed set.
        all_but_free: where it is not known which words bear the answer: every word that is not `FREE` and every mark
            inside the sentence is protected.
    """
    found = tokens(sentence)
    guarded = _mentions(found, labels) if labels else set()
    for number, token in enumerate(found):
        denies = token.fold in NEGATORS or token.fold in NEGATOR_PAIRS
        if denies or (all_but_free and not _is_free(token.fold)):
            guarded.add(number)
    return _pieces(sentence, [(found[n].start, found[n].end) for n in sorted(guarded)])


def _is_free(fold: str) -> bool:
    return fold in FREE if is_word(fold) else fold not in ",;:\u2014()"


def _mentions(found: list[Token], labels: tuple[str, ...]) -> set[int]:
    fold = tuple(token.fold for token in found)
    named = find_mentions(Words(fold, fold), closed_set(labels), {})
    return {number for mention in named for number in range(mention.start, mention.end)}


def _pieces(text: str, spans: list[tuple[int, int]]) -> Wording:
    pieces: list[Piece] = []
    at = 0
    for start, end in spans:
        if end <= at:
            continue
        gap = text[at:start]
        if pieces and not gap.strip(" -"):  # the words of one mention hold together
            pieces[-1] = Piece(pieces[-1].text + gap + text[start:end], protected=True)
        else:
            pieces += [Piece(gap)] if gap else []
            pieces.append(Piece(text[start:end], protected=True))
        at = end
    return (*pieces, Piece(text[at:])) if at < len(text) else tuple(pieces)
