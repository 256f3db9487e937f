"""Running counts of a run, kept as answers arrive: cheap enough to be looked at many times a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, PLACEBO, Outcome, Verdict

ALL: Final = "all"


@dataclass(slots=True)
class Count:
    """Answers of one task under one condition.

    Attributes:
        seen: cases, errors included.
        labelled: answers to texts whose label is known.
        followed: of these, the text's label.
    """

    seen: int = 0
    errors: int = 0
    unparsed: int = 0
    right: int = 0
    labelled: int = 0
    followed: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one case."""
        self.seen += 1
        if outcome.verdict == Verdict.ERROR:
            self.errors += 1
            return
        self.unparsed += outcome.verdict == Verdict.UNPARSED
        self.right += outcome.verdict == Verdict.AUDIO
        self.labelled += outcome.text_label is not None
        self.followed += outcome.verdict == Verdict.TEXT

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; errors are none."""
        return self.right / (self.seen - self.errors) if self.seen > self.errors else None

    @property
    def follow(self) -> float | None:
        """Share of answers that are the text's label."""
        return self.followed / self.labelled if self.labelled else None


@dataclass(slots=True)
class Tally:
    """Counts by task and condition; the tasks in the order in which they are first seen."""

    counts: dict[str, dict[str, Count]] = field(default_factory=dict)

    def take(self, outcome: Outcome) -> None:
        """Count one outcome; controls such as the placebo are not cases."""
        if outcome.condition == PLACEBO:
            return
        for task in (outcome.task, ALL):
            self.counts.setdefault(task, {}).setdefault(outcome.condition, Count()).add(outcome)

    def total(self, task: str = ALL) -> Count:
        """Cases of all conditions."""
        parts = list(self.counts.get(task, {}).values())
        return Count(*(sum(getattr(part, name) for part in parts) for name in Count.__slots__))

    @property
    def tasks(self) -> tuple[str, ...]:
        """By name, all together last where there are several."""
        names = tuple(sorted(name for name in self.counts if name != ALL))
        return (*names, ALL) if len(names) > 1 else names

    @property
    def conditions(self) -> tuple[str, ...]:
        """Seen so far, in the canonical order."""
        seen = {condition for counts in self.counts.values() for condition in counts}
        return tuple(condition for condition in CONDITIONS if condition in seen)

    def sentence(self) -> str:
        """The running numbers over all cases; empty before there are any."""
        found = self.counts.get(ALL, {})
        parts = [
            f"{condition} {count.accuracy:.2f} (n {count.seen - count.errors})"
            for condition in self.conditions
            if (count := found[condition]).accuracy is not None
        ]
        follow = found[ADVERSARIAL].follow if ADVERSARIAL in found else None
        told = [] if follow is None else [f"text-follow {follow:.2f}"]
        return ", ".join([f"accuracy so far: {', '.join(parts)}", *told]) if parts else ""
