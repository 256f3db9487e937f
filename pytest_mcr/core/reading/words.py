"""Text to words: one normal form in which answers, labels and prompts are compared, whatever their typography."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

SENTENCE_END: Final = frozenset({".", "!", "?", "\n"})

_TYPOGRAPHY: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u02b9`\u00b4", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d\u300e\u300f", '"')
    | dict.fromkeys("\u2013\u2014\u2015\u2012\u2212", " \u2014 ")
    | dict.fromkeys("\u2010\u2011", "-")
    | dict.fromkeys("\u3002\u0964\u06d4\u061f", " . ")
    | dict.fromkeys("\u3001\u060c", ",")
    | dict.fromkeys("\u274c\u2717\u2718\u2716\u2715\U0001f6ab\u26d4\u2260\u00ac\U0001f44e", " \u2297 ")
    | dict.fromkeys("\u2028\u2029\x0b\x0c\r", "\n")
)
"""Quotes, dashes and foreign full stops in ASCII; signs that cross something out become one sign."""

_CROSSED_LINE: Final = re.compile(r"^([\s*-]*)\u2297", re.M)
"""A cross before a line denies it; elsewhere it may belong to what is before it or behind."""
_HYPHEN: Final = re.compile(r"(?<=[^\W_])-(?=[^\W_])")
_LIKENESS: Final = re.compile(r"(?<=\w)-(?:like|ish|esque)\b", re.I)
_STRUCK: Final = re.compile(r"~~.*?~~|<del>.*?</del>|<strike>.*?</strike>", re.S | re.I)
_TOKEN: Final = re.compile(r"(?:(?<![^\W_])-)?\d+(?:[.,:]\d+)*%?(?![^\W_])|[^\W_]+(?:'[^\W_]+)*|\n|[^\w\s]")
_LETTERS: Final = re.compile(r"[^\W\d_]")

_IS: Final = frozenset({"it", "that", "there", "he", "she", "what", "here", "who", "this", "where", "everything"})
_AFTER_APOSTROPHE: Final = {"re": "are", "m": "am", "d": "would", "ll": "will", "ve": "have"}
_STEMS: Final = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}


def vocabulary(*lines: str) -> frozenset[str]:
    """The words of some lines, as a set."""
    return frozenset(" ".join(lines).split())


_BARE: Final = {
    w.replace("'", ""): (w[:-3], "not")
    for w in vocabulary(
        "isn't aren't wasn't weren't doesn't don't didn't hasn't haven't hadn't couldn't wouldn't shouldn't mustn't"
    )
} | {"cant": ("can", "not"), "wont": ("will", "not"), "cannot": ("can", "not"), "im": ("i", "am")}
"""Contractions typed without their apostrophe."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text as words and punctuation marks.

    Attributes:
        fold: the tokens in normal form; contractions are opened (``isn't`` is ``is``, ``not``), a hyphen inside a word
            separates words, a dash is an em dash and a line break a token of its own.
        raw: the same tokens with their case, for option letters.
    """

    fold: tuple[str, ...]
    raw: tuple[str, ...]

    @property
    def plain(self) -> tuple[str, ...]:
        """The words alone, without punctuation."""
        return tuple(w for w in self.fold if is_word(w))


def is_word(token: str) -> bool:
    """Whether a token is a word or a number, not a punctuation mark."""
    return token[-1].isalnum() or token[0].isalnum()


def clean(text: str) -> str:
    """Undo typography: NFKC, no accents, invisible characters, lone surrogates or markdown; plain quotes and dashes."""
    text = _STRUCK.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHY)).translate(_TYPOGRAPHY)
        text = _without_marks(text)
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn"))
    text = _CROSSED_LINE.sub(r"\1 not ", text)
    if "-" in text:
        text = _HYPHEN.sub(" ", _LIKENESS.sub(" \u2248 ", text))
    return text.replace("\r", "\n").replace("*", "").replace("`", "'")


def fold(text: str) -> str:
    """The caseless form of a word: upper, lower and title case of it all fold alike."""
    text = text.casefold()
    return text if text.isascii() else _without_marks(unicodedata.normalize("NFKC", text)).casefold()


def _without_marks(text: str) -> str:
    # Only Latin, Greek and Cyrillic accents: the vowel signs of other scripts are letters, not ornaments.
    bare = (c for c in unicodedata.normalize("NFKD", text) if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", "".join(bare))


def words(text: str) -> Words:
    """Split a text that has been through `clean` into words and punctuation marks."""
    folds: list[str] = []
    raws: list[str] = []
    for raw in _TOKEN.findall(text):
        folded = fold(raw)
        if not is_word(folded):
            opened: tuple[str, ...] = (folded,) if _punctuates(folded) else ()
        else:
            opened = _open(folded)
        folds += opened
        raws += (raw, *("",) * (len(opened) - 1)) if opened else ()
    return Words(tuple(folds), tuple(raws))


def _punctuates(mark: str) -> bool:
    return mark in ".!?\n,;:\u2014()[]{}\"'/|=&+<>$-#\\%" or unicodedata.category(mark[0]) in ("Po", "Sm", "Sc")


def _open(word: str) -> tuple[str, ...]:
    if word in _BARE:
        return _BARE[word]
    if "'" not in word:
        return (word,)
    head, _, tail = word.rpartition("'")
    if tail == "t" and head.endswith("n"):
        stem = head[:-1]
        return (_STEMS.get(stem, stem), "not")
    if tail == "s":
        return (head, "is") if head in _IS else (head, "'s")
    if tail in _AFTER_APOSTROPHE:
        return (head, _AFTER_APOSTROPHE[tail])
    return (word,)


def key(text: str) -> tuple[str, ...]:
    """The words of a text in normal form, without punctuation: equal keys are equal answers."""
    return words(clean(text)).plain


def is_foreign(word: str) -> bool:
    """Whether a word holds a letter outside the Latin script, so that no rule here can read its sentence."""
    return not word.isascii() and any(_LETTERS.match(c) and ord(c) > 0x24F for c in word)
