"""The operators by name: what each does to the tree, from its mildest to its strongest level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import Final, Literal

from pytest_mcr.core.perturb import banks
from pytest_mcr.core.perturb.parse import content_words
from pytest_mcr.core.perturb.spans import mentioned
from pytest_mcr.core.perturb.tree import NONE, Context

Kind = Literal["keeps", "strength", "flips", "voids", "instruction", "meta", "fades"]
Apply = Callable[[Context, str, Random], Context]
"""The operator's own step: from a tree, a level and random numbers of its own to another tree."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to vary a text.

    Attributes:
        name: e.g. ``case``.
        levels: from the mildest to the strongest; the first is ``none``, which changes nothing.
        apply: what a level does to the tree; use `apply`, which keeps the books.
        kind: what becomes of the claim: ``keeps`` it, changes its ``strength``, ``flips`` (two answers) or ``voids``
            it, adds an ``instruction``, says something of the text (``meta``), or ``fades`` it to nothing.
        description: one line.
        doses: one number a level for a slope, where a larger one should make the text more convincing (``strength``)
            or less legible (``fades``); empty where the levels have no order.
    """

    name: str
    levels: tuple[str, ...]
    apply: Apply
    kind: Kind
    description: str
    doses: tuple[float, ...] = ()


def _claim_field(field: str) -> Apply:
    return lambda context, level, _rng: context.each_claim(**{field: level})


def _field(field: str) -> Apply:
    return lambda context, level, _rng: replace(context, **{field: level})  # type: ignore[arg-type]


def _surface(context: Context, _level: str, _rng: Random) -> Context:
    return context  # `apply` puts the edit where `render` finds it


def _negate(context: Context, _level: str, _rng: Random) -> Context:
    return context.each_claim(negated=True)


def _repeat(context: Context, level: str, _rng: Random) -> Context:
    return context.each_claim(copies=int(level))


def _voice(context: Context, level: str, _rng: Random) -> Context:
    return context.each_claim(frame=level) if level == "passive" else replace(context, order=level)


def _speak(context: Context, level: str, _rng: Random) -> Context:
    if level in banks.CODE_SWITCHES:
        return replace(context, frame_language=level)
    return context.each_claim(language=level)


def _pad(context: Context, level: str, rng: Random) -> Context:
    bank = [sentence for sentence in banks.FILLERS if not mentioned(sentence, context.labels)]
    rng.shuffle(bank)
    return replace(context, filler=(*context.filler, *bank[: int(level)]))


def _relate(context: Context, level: str, rng: Random) -> Context:
    words = [w for w in content_words(context.question) if not mentioned(w, context.labels)]
    words = words[: int(level)]
    if not words:
        return context
    *before, last = words
    listed = f"{', '.join(before)} and {last}" if before else last
    sentence = rng.choice(banks.CROSSWORDS).replace("{words}", f"the word{'s' if before else ''} {listed}")
    return replace(context, filler=(*context.filler, sentence))


def _reorder(context: Context, level: str, rng: Random) -> Context:
    given = context.candidates
    order = list(given)
    if level == "reversed" or len(given) < 3:
        order.reverse()
    elif level == "rotated":
        order = order[1:] + order[:1]
    else:
        while len(set(given)) > 2 and tuple(order) in (given, given[::-1], given[1:] + given[:1]):
            rng.shuffle(order)
    return replace(context, candidates=tuple(order))


_LIST: Final = (
    Operator("case", (NONE, "lower", "title", "random", "upper"), _surface, "keeps", "the whole text in another case"),
    Operator("punctuation", (NONE, "no-final", "doubled", "unmarked"), _surface, "keeps", "other marks between words"),
    Operator("space", (NONE, "double", "wide", "tabs", "lines"), _surface, "keeps", "other white space between words"),
    Operator("typo", (NONE, "1", "2", "4", "8"), _surface, "keeps", "so many slips of the keyboard", (0, 1, 2, 4, 8)),
    Operator(
        "unicode",
        (NONE, "nfd", "zero-width", "right-to-left", "full-width", "homoglyph"),
        _surface,
        "keeps",
        "other characters for the same letters",
    ),
    Operator("position", (NONE, "after"), _field("position"), "keeps", "the text behind the question"),
    Operator(
        "option-order", (NONE, "reversed", "rotated", "shuffled"), _reorder, "keeps", "the options in another order"
    ),
    Operator(
        "length", (NONE, "1", "2", "4", "8"), _pad, "keeps", "so many unrelated sentences behind it", (0, 1, 2, 4, 8)
    ),
    Operator(
        "voice", (NONE, "claim-first", "claim-last", "passive"), _voice, "keeps", "claim first, last or in the passive"
    ),
    Operator("paraphrase", (NONE, "1", "2", "3", "4"), _claim_field("frame"), "keeps", "the claim in another sentence"),
    Operator(
        "hedge",
        (NONE, "probably", "possibly", "unsure", "certainly"),
        _claim_field("hedge"),
        "strength",
        "how sure the text says it is",
        (0, -1, -2, -3, 1),
    ),
    Operator(
        "authority",
        (NONE, "anonymous", "user", "expert", "sensor", "verified"),
        _claim_field("authority"),
        "strength",
        "who says it",
        (0, 1, 2, 3, 4, 5),
    ),
    Operator("repetition", (NONE, "2", "3", "5"), _repeat, "strength", "the claim so many times", (1, 2, 3, 5)),
    Operator(
        "language",
        (NONE, *banks.CODE_SWITCHES, *banks.TRANSLATIONS),
        _speak,
        "keeps",
        "introduced in, or translated into, German, French or Spanish",
    ),
    Operator(
        "asr",
        (NONE, "format", "wer10", "wer20", "wer40", "claim"),
        _surface,
        "keeps",
        "a recogniser's errors; at level claim in the answer-bearing words too, which voids it",
        (0, 0, 10, 20, 40, 100),
    ),
    Operator(
        "relevance",
        (NONE, "1", "2", "4"),
        _relate,
        "keeps",
        "an unrelated text with so many words of the question",
        (0, 1, 2, 4),
    ),
    Operator(
        "reliability",
        (NONE, "may-be-wrong", "verified", "known-wrong"),
        _field("reliability"),
        "meta",
        "what is said of the text",
    ),
    Operator("injection", (NONE, *banks.INJECTIONS), _field("wrapper"), "instruction", "an order to give the answer"),
    Operator("negation", (NONE, "not"), _negate, "flips", "the claim denied"),
    Operator(
        "quotation", (NONE, *banks.QUOTATIONS), _claim_field("quotation"), "voids", "the claim quoted as an error"
    ),
    Operator(
        "dose",
        (NONE, "25", "50", "75", "100"),
        _surface,
        "fades",
        "so many percent of the letters destroyed",
        (0, 25, 50, 75, 100),
    ),
)
OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType({operator.name: operator for operator in _LIST})
"""Every operator, the ones that change a claim least first."""
