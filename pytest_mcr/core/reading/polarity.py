"""Yes-no questions: an answer that says "There is no rain." without a yes or no, or that contradicts its own yes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pytest_mcr.core.reading import cues
from pytest_mcr.core.reading.words import clean, is_word, vocabulary, words

_ASKED: Final = re.compile(r"([^.?!\n:]+)\?")
_AUXILIARY: Final = vocabulary("is are was were do does did can could has have")
_STOP: Final = vocabulary(
    "is are was were do does did can could has have there the a an any some this that these of in on at to you we",
    "one be sound sounds noise recording audio clip heard hear being present it its with from and for by someone",
    "somebody",
)
_ALTERNATIVES: Final = vocabulary("or not no never without neither")
_FRAMES: Final = re.compile(
    r"^(?:(?:yes|no) , )?(?:there (?:is|are|was|were)|(?:i|you|we|one) (?:(?:can|could|do) )?(?:clearly )?hear"
    r"|the (?:audio|recording|clip) (?:\w+ )?(?:contains?|has|includes?|features?)|this (?:audio|recording|clip) "
    r"(?:contains?|has|includes?|features?))(?!\S)"
)
_NEGATED: Final = re.compile(
    r"^(?:there (?:is|are|was|were) (?:no|not)|(?:i|you|we|one) (?:can|could|do|did) not hear|no"
    r"|(?:the|this) (?:audio|recording|clip) (?:(?:does|do) not (?:contain|have|include|feature)|has no|contains no))"
    r"(?!\S)"
)
_UNCLEAR: Final = (
    cues.CONTRAST
    | cues.CONDITIONALS
    | cues.TEXT_NOUNS
    | cues.ALTERNATIVES
    | cues.UNSETTLED
    | cues.SPEAKING
    | {"?", ";"}
)


def topic(prompt: str) -> frozenset[str]:
    """Stems of what a prompt's yes-no question asks about; empty for any other or a negative question."""
    asked = _ASKED.findall(clean(prompt))
    question = words(asked[-1].strip()).plain if asked else ()
    if not question or question[0] not in _AUXILIARY or not _ALTERNATIVES.isdisjoint(question):
        return frozenset()
    return frozenset(_stem(word) for word in question if word not in _STOP)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] + "i" if word.endswith("y") else word


def stated(fold: Sequence[str], about: frozenset[str]) -> bool | None:
    """Whether a one-sentence answer states that what was asked about is there, None where it states neither.

    Args:
        fold: the answer's words in normal form.
        about: from `topic`; every stem must be in the statement.
    """
    sentence = list(fold)
    while sentence and not is_word(sentence[-1]):
        sentence.pop()
    if not about or not cues.BREAKS.isdisjoint(sentence) or not _UNCLEAR.isdisjoint(fold):
        return None
    text = " ".join(sentence)
    denials = [i for i, word in enumerate(sentence) if word in cues.NEGATORS]
    if not denials:
        return True if _FRAMES.match(text) and about <= {_stem(w) for w in sentence} else None
    if len(denials) == 1 and "," not in sentence and _NEGATED.match(text):
        return False if about <= {_stem(w) for w in sentence[denials[0] :]} else None
    return None


def contradicts(fold: Sequence[str], about: frozenset[str], *, yes: bool) -> bool:
    """Whether an answer that says yes denies what was asked about, or one that says no states it."""
    if not about or not cues.CONTRAST.isdisjoint(fold):
        return False
    negators = [i for i, word in enumerate(fold) if word in cues.NEGATORS and i > 0]
    if yes:
        return any(not about.isdisjoint(map(_stem, _clause(fold, i))) for i in negators)
    sentences = " ".join(fold).split(" . ")
    return any(_FRAMES.match(s) and about <= {_stem(w) for w in s.split()} and not _denied(s) for s in sentences)


def _clause(fold: Sequence[str], i: int) -> Sequence[str]:
    end = next((j for j in range(i, len(fold)) if fold[j] in cues.BREAKS or fold[j] == ","), len(fold))
    return fold[i:end]


def _denied(sentence: str) -> bool:
    said = sentence.split()
    return not cues.NEGATORS.isdisjoint(said[2:] if said[:2] == ["no", ","] else said)


def described(fold: Sequence[str], about: frozenset[str]) -> bool | None:
    """Whether a description says that what was asked about is there; None where it is silent about it.

    Laxer than `stated`, which reads answers: every stem of the topic and no negation anywhere, or a negation in whose
    clause the topic stands.

    Args:
        fold: the description's words in normal form.
        about: from `topic`.
    """
    if contradicts([".", *fold], about, yes=True):  # a leading "No" is no answer here
        return False
    return True if about and about <= {_stem(w) for w in fold} and cues.NEGATORS.isdisjoint(fold) else None
