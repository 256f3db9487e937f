"""From any English text with a known label to a tree: which sentences claim it, and what stands around them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

from pytest_mcr.core.perturb.banks import FREE
from pytest_mcr.core.perturb.spans import mentioned, polar, protect, tokens
from pytest_mcr.core.perturb.tree import Claim, Context
from pytest_mcr.core.reading.cues import NEGATORS
from pytest_mcr.core.reading.lexicon import PLACES, inflections
from pytest_mcr.core.reading.words import is_word, key, vocabulary

Kind = Literal["emotion", "sound", "answer"]
_SENTENCE: Final = re.compile(r".+?(?:[.!?]+[\"')\]]*(?=\s|$)|:(?=\s+[A-Z]\S*\s+\S+\s+\S)|$)\s*", re.S)
_ANCHORS: Final = ("angry", "sad", "happy", "neutral", "fear", "disgust", "surprise", "excited", "bored", "frustrated")
_EMOTIONS: Final = frozenset(PLACES[(word,)][0] for word in _ANCHORS)
_SOUNDS: Final = frozenset(range(PLACES[("sing",)][0] + 1)) - _EMOTIONS
"""Families of the reader's lexicon; what speakers and numbers are called comes behind them."""

_ASKING: Final = vocabulary("yes no or answer how many much why whose question any there following option options")


def kind_of(labels: tuple[str, ...]) -> Kind:
    """Which bank of frames fits an answer set: most of it emotions, most of it sounds, or anything else."""
    places = [PLACES.get(key(label)) for label in labels]
    emotions = sum(place is not None and place[0] in _EMOTIONS for place in places)
    sounds = sum(place is not None and place[0] in _SOUNDS for place in places)
    if 2 * emotions > len(labels):
        return "emotion"
    return "sound" if 2 * sounds > len(labels) else "answer"


@lru_cache(maxsize=4096)
def base_context(text: str, label: str | None, labels: tuple[str, ...], question: str) -> Context:
    """The tree of a base text; rendered as it is, it gives the text byte for byte.

    Args:
        text: a description, or a complete prompt that contains the question (which is then never touched).
        label: the answer that the text supports, in the spelling of `labels`; None for an unrelated text.
        labels: the closed answer set in the order in which it is shown; empty when open-ended.
        question: that is asked.

    Raises:
        ValueError: the text is empty, or the label is none of the labels.
    """
    if not text.strip():
        raise ValueError("text is empty; expected at least one word")
    if label is not None and labels and label not in labels:
        raise ValueError(f"label {label!r} is none of the labels {list(labels)}")
    head, body, foot = _without_question(text, question)
    closed = labels or ((label,) if label is not None else ())
    start = len(body) - len(body.lstrip())
    sentences = [match.group() for match in _SENTENCE.finditer(body, start)]
    bearing = _bearing(sentences, label, closed, question)
    unsure = label is not None and (label not in mentioned(body, closed) or polar(closed))
    first, last = bearing[0], bearing[-1]
    return Context(
        text=text,
        label=label,
        labels=closed,
        question=question,
        lead=protect(body[:start] + "".join(sentences[:first]), closed, all_but_free=False),
        claims=tuple(_claim(sentence, closed, unsure=unsure) for sentence in sentences[first : last + 1]),
        tail=protect("".join(sentences[last + 1 :]), closed, all_but_free=False),
        candidates=labels,
        head=head,
        foot=foot,
    )


def _claim(sentence: str, labels: tuple[str, ...], *, unsure: bool) -> Claim:
    bare = sentence.rstrip()
    return Claim(protect(bare, labels, all_but_free=unsure), gap=sentence[len(bare) :])


def _without_question(text: str, question: str) -> tuple[str, str, str]:
    """What a complete prompt says before or after its question, and the rest of it on both sides."""
    asked = re.search(r"\s+".join(map(re.escape, question.split())), text, re.I) if question.strip() else None
    if asked is None:
        return "", text, ""
    before, after = text[: asked.start()], text[asked.end() :]
    if re.search(r"\w", before):
        body = before.rstrip()
        return "", body, text[len(body) :]
    body = after.strip()
    if not re.search(r"\w", body):
        raise ValueError(f"text {text!r} holds nothing but the question; expected a description")
    start = asked.end() + after.index(body)
    return text[:start], body, text[start + len(body) :]


def _bearing(sentences: list[str], label: str | None, labels: tuple[str, ...], question: str) -> list[int]:
    """Which sentences bear the label; all of them where none is known to."""
    everything = list(range(len(sentences)))
    if label is None:
        return everything
    if not polar(labels):
        return [i for i in everything if label in mentioned(sentences[i], labels)] or everything
    about = {form for word in content_words(question) for form in inflections(word)} | NEGATORS
    return [
        i
        for i in everything
        if mentioned(sentences[i], labels) or any(token.fold in about for token in tokens(sentences[i]))
    ] or everything


def content_words(question: str) -> tuple[str, ...]:
    """The words of a question that carry its meaning, in order."""
    found = (t.fold for t in tokens(question) if is_word(t.fold) and t.fold not in FREE | NEGATORS | _ASKING)
    return tuple(dict.fromkeys(found))
