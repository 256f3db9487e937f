"""An answer as the rules look at it: its words, its mentions, and the positions that are no cues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from pytest_mcr.core.reading import cues
from pytest_mcr.core.reading.mentions import Mention


class Stance(Enum):
    """What is done with a mention."""

    ASSERTED = "asserted"
    LEANING = "leaning"  #: asserted on the strength of the text ("according to the text, X")
    REPORTED = "reported"  #: attributed to the text, or to the words that somebody speaks
    DENIED = "denied"
    DOUBTED = "doubted"  #: asked, conditional, one of several, or not understood


@dataclass(frozen=True)
class Scene:
    """An answer and its mentions, as the rules look at them."""

    fold: Sequence[str]
    mentions: Sequence[Mention]
    cites_text: bool = True
    covered: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        covered = frozenset(i for m in self.mentions for i in range(m.start, m.end))
        object.__setattr__(self, "covered", covered | _idioms(self.fold))

    @cached_property
    def starts(self) -> dict[int, Mention]:
        """Mentions by their first word."""
        return {m.start: m for m in self.mentions}


def _idioms(fold: Sequence[str]) -> frozenset[int]:
    text = f" {' '.join(fold)} "
    found: set[int] = set()
    for idiom in cues.IDIOMS:
        at = text.find(f" {idiom} ")
        while at >= 0:
            first = text.count(" ", 0, at)
            found.update(range(first, first + idiom.count(" ") + 1))
            at = text.find(f" {idiom} ", at + 1)
    return frozenset(found)
