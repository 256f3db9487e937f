"""How a text is spelled: slips of the keyboard, case, spacing, look-alike letters, a recogniser's errors, lost letters.

A text comes as pieces. Protected pieces keep their words; only ``dose`` and ``asr:claim`` are there to destroy them.
What an operator draws depends on the base text and the seed, not on the level, so that a stronger level of a counted
operator goes on from the milder one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.perturb.banks import HESITATIONS, HOMOGLYPHS, NEIGHBOURS, SOUNDALIKES
from pytest_mcr.core.perturb.tree import Piece, Wording
from pytest_mcr.core.reading.cues import CUES
from pytest_mcr.core.reading.labels import labels as closed_set

Surface = Callable[[Wording, str, Random, tuple[str, ...]], Wording]
"""From pieces, level, random numbers and the labels of the task to pieces."""

_WORD: Final = re.compile(r"(?<!\w)[^\W\d_]+(?:['\u2019][^\W\d_]+)*(?!\w)")
_WORD_AND_GAP: Final = re.compile(rf"({_WORD.pattern})( ?)")
_SPOILS: Final = "_"


def _free(wording: Wording, change: Callable[[str], str]) -> Wording:
    return tuple(piece if piece.protected else Piece(change(piece.text)) for piece in wording)


def _all(wording: Wording, change: Callable[[str], str]) -> Wording:
    return tuple(Piece(change(piece.text), piece.protected) for piece in wording)


def _tells(word: str, labels: tuple[str, ...]) -> bool:
    """Whether a word, made by chance, would be a label or a negation."""
    folded = word.casefold()
    return folded in CUES or (bool(labels) and folded in closed_set(labels).forms)


def typo(wording: Wording, level: str, rng: Random, labels: tuple[str, ...]) -> Wording:
    """As many slips of the keyboard as the level says: letters swapped, dropped, doubled or hit beside."""
    texts = [piece.text for piece in wording]
    for _ in range(int(level)):
        _slip(texts, wording, rng, labels)
    return tuple(Piece(text, piece.protected) for text, piece in zip(texts, wording, strict=True))


def _slip(texts: list[str], wording: Wording, rng: Random, labels: tuple[str, ...]) -> None:
    found = [
        (number, match)
        for number, piece in enumerate(wording)
        if not piece.protected
        for match in _WORD.finditer(texts[number])
        if len(match.group()) > 2
    ]
    rng.shuffle(found)
    for number, match in found:
        word = match.group()
        slipped = _slipped(word, rng)
        if slipped != word and not _tells(slipped, labels):
            texts[number] = texts[number][: match.start()] + slipped + texts[number][match.end() :]
            return


def _slipped(word: str, rng: Random) -> str:
    i = rng.randrange(1, len(word) - 1)
    kind = rng.choice(("swap", "drop", "double", "beside"))
    if kind == "swap":
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if kind == "drop":
        return word[:i] + word[i + 1 :]
    if kind == "double":
        return word[:i] + word[i] + word[i:]
    return word[:i] + rng.choice(NEIGHBOURS.get(word[i], word[i])) + word[i + 1 :]


def case(wording: Wording, level: str, rng: Random, _labels: tuple[str, ...]) -> Wording:
    """The whole text in another case, the answer-bearing words too: they stay the same words."""
    changes: Mapping[str, Callable[[str], str]] = {
        "lower": str.lower,
        "title": lambda text: _WORD.sub(lambda match: match.group().capitalize(), text),
        "random": lambda text: "".join(rng.choice((c.lower(), c.upper())) for c in text),
        "upper": str.upper,
    }
    return _all(wording, lambda text: _same_words(text, changes[level]))


def _same_words(text: str, change: Callable[[str], str]) -> str:
    """A change of case, without the letters that would become others (the dotless i of Turkish)."""
    changed = change(text)
    if changed.casefold() == text.casefold():
        return changed
    return "".join(new if (new := change(c)).casefold() == c.casefold() else c for c in text)


def space(wording: Wording, level: str, _rng: Random, _labels: tuple[str, ...]) -> Wording:
    """Other white space between words, or a line for each sentence."""
    if level == "lines":
        return _free(wording, lambda text: re.sub(r"(?<=[.!?]) +", "\n", text))
    wide = {"double": "  ", "wide": " " * 5, "tabs": "\t"}[level]
    return _all(wording, lambda text: text.replace(" ", wide))


def punctuation(wording: Wording, level: str, _rng: Random, _labels: tuple[str, ...]) -> Wording:
    """No full stop at the end, no marks at all, or twice as many; marks inside a word stay."""
    if level == "no-final":
        if not wording or wording[-1].protected:
            return wording
        *before, last = wording
        return (*before, Piece(re.sub(r"[.!?]+(?=\s*$)", "", last.text)))
    if level == "doubled":
        return _free(wording, lambda text: re.sub(r"([.!?,])(?!\w)", r"\1\1", text))
    return _apart(_free(wording, lambda text: re.sub(r"[.,;:!?\"()](?!\w)|(?<!\w)[\"()]", "", text)), wording)


def _apart(wording: Wording, before: Wording) -> Wording:
    """A space where two words of neighbouring pieces have lost the marks that held them apart."""
    made: list[Piece] = []
    shown = former = ""
    for piece, old in zip(wording, before, strict=True):
        glued = (shown[-1:] + piece.text[:1]).isalnum() and shown and piece.text
        made.append(Piece(" " + piece.text, piece.protected) if glued and not _one_word(former, old) else piece)
        shown, former = shown + made[-1].text, former + old.text
    return tuple(made)


def _one_word(former: str, piece: Piece) -> bool:
    return (former[-1:] + piece.text[:1]).isalnum() and bool(former and piece.text)


def unicode(wording: Wording, level: str, _rng: Random, _labels: tuple[str, ...]) -> Wording:
    """Other characters for the same letters; a person reads the same text."""
    changes: Mapping[str, Callable[[str], str]] = {
        "nfd": lambda text: unicodedata.normalize("NFD", text),
        "zero-width": lambda text: _WORD.sub(lambda m: m.group()[:1] + "\u200d" + m.group()[1:], text),
        "right-to-left": lambda text: _WORD.sub(lambda m: m.group() + "\u200f", text),
        "full-width": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text),
        "homoglyph": lambda text: "".join(HOMOGLYPHS.get(c, c) for c in text),
    }
    return _free(wording, changes[level])


def asr(wording: Wording, level: str, rng: Random, labels: tuple[str, ...]) -> Wording:
    """What a speech recogniser makes of it: no case, no marks, and a share of the words misheard, lost or added.

    Levels ``wer10`` to ``wer40`` hit that percentage of all words, as far as there are unprotected ones. ``claim``
    mishears the protected words as well.
    """
    bare = _all(punctuation(wording, "unmarked", rng, labels), str.lower)
    bare = punctuation(bare, "no-final", rng, labels)
    if level == "format":
        return bare
    rate = 40 if level == "claim" else int(level.removeprefix("wer"))
    total = sum(len(_WORD.findall(piece.text)) for piece in bare)
    places = [(n, i) for n, p in enumerate(bare) if not p.protected for i in range(len(_WORD.findall(p.text)))]
    rng.shuffle(places)
    hit = set(places[: max(1, round(rate * total / 100))])
    made = [_misheard(piece, n, hit, rng.random(), labels) for n, piece in enumerate(bare)]
    return tuple(_garbled(piece, labels) if level == "claim" and piece.protected else piece for piece in made)


def _misheard(piece: Piece, number: int, hit: set[tuple[int, int]], luck: float, labels: tuple[str, ...]) -> Piece:
    if piece.protected:
        return piece
    at = iter(range(len(piece.text)))

    def change(match: re.Match[str]) -> str:
        i = next(at)
        if (number, i) not in hit:
            return match.group()
        kind = int(luck * 997 + i * 7) % 3
        word, gap = match.groups()
        other = SOUNDALIKES.get(word) or _shifted(word)
        if kind == 0 and not _tells(other, labels):
            return other + gap
        if kind == 1:
            return f"{HESITATIONS[int(luck * 89 + i) % len(HESITATIONS)]} {word}{gap}"
        return ""

    return Piece(_WORD_AND_GAP.sub(change, piece.text))


_SHIFT: Final = str.maketrans("aeioubpdtgkvfzsmn", "eioauPBTDKGFVSZNM".lower())


def _shifted(word: str) -> str:
    return word.translate(_SHIFT)


def _garbled(piece: Piece, labels: tuple[str, ...]) -> Piece:
    def change(match: re.Match[str]) -> str:
        other = _shifted(match.group())
        while _tells(other, labels):
            other = _shifted(other) + "a"
        return other

    return Piece(_WORD.sub(change, piece.text), protected=True)


def dose(wording: Wording, level: str, rng: Random, _labels: tuple[str, ...]) -> Wording:
    """That percentage of the letters destroyed, wherever they are."""
    places = [(n, i) for n, piece in enumerate(wording) for i, c in enumerate(piece.text) if c.isalnum()]
    rng.shuffle(places)
    lost = set(places[: round(int(level) * len(places) / 100)])
    return tuple(
        Piece("".join(_SPOILS if (n, i) in lost else c for i, c in enumerate(piece.text)), piece.protected)
        for n, piece in enumerate(wording)
    )


SURFACES: Final[Mapping[str, Surface]] = MappingProxyType(
    {
        "asr": asr,
        "typo": typo,
        "dose": dose,
        "punctuation": punctuation,
        "space": space,
        "case": case,
        "unicode": unicode,
    }
)
"""In the order in which they are carried out."""
DESTROYING: Final = (("asr", "claim"), *(("dose", level) for level in ("25", "50", "75", "100")))
"""Operators and levels that may destroy a label."""
