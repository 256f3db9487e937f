"""What a hunt asks for and what it gives, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mcr.core.perturb import Rendered
from pytest_mcr.run.findings import Finding


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model answered to a text.

    Attributes:
        answer: the candidate that it gave, None where none can be read.
        scores: log-probability in nats by candidate, None without.
        error: why there is no answer; it never counts as one.
    """

    answer: str | None
    scores: Mapping[str, float] | None = None
    error: str | None = None


Ask = Callable[[Sequence[Rendered]], Sequence[Seen]]
"""Asks the model the adversarial case with other texts, all in one batch; one answer each, in order."""


@dataclass(frozen=True, slots=True)
class Hunted:
    """What a hunt found on one clip.

    Attributes:
        id: of the sample.
        findings: the mildest text found that turned the answer and still claims its label; at most one.
        others: likewise for texts that claim it no more (``void``, ``flipped``) or give an order (``instruction``).
        replayed: former findings of this model that turned the answer again.
        healed: former findings that did not.
        refused: why nothing was searched; None where it was.
        calls: texts that the model was asked; a text that comes again is not asked again.
        errors: texts that got no answer.
        truncated: the time was up before the budget of calls was.
    """

    id: str
    findings: tuple[Finding, ...] = ()
    others: tuple[Finding, ...] = ()
    replayed: tuple[Finding, ...] = ()
    healed: tuple[Finding, ...] = ()
    refused: str | None = None
    calls: int = 0
    errors: int = 0
    truncated: bool = False

    def to_json(self) -> dict[str, Any]:
        """The hunt as plain values."""
        lists = ("findings", "others", "replayed", "healed")
        return {
            "id": self.id,
            **{name: [finding.to_json() for finding in getattr(self, name)] for name in lists},
            "refused": self.refused,
            "calls": self.calls,
            "errors": self.errors,
            "truncated": self.truncated,
        }
