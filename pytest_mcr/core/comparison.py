"""What a comparison of two runs consists of: its cells, and their words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from pytest_mcr.core.metrics import OVERALL

PASS: Final = "pass"
UNDECIDED: Final = "undecided"
REGRESSED: Final = "regressed"
POWER_FACTOR: Final = 6.18
"""(z of 95 % + z of 80 % power)^2."""

Key = tuple[str, str]
"""Task (or `OVERALL`) and condition."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the comparison.

    Attributes:
        before: accuracy of the baseline, over the samples that both runs answered.
        after: of the model, over the same.
        change: after less before.
        low: lower end of its two-sided 95 % interval.
        high: upper end.
        lower95: one-sided 95 % bound, which has to be inside the margin.
        n: samples.
        clips: effective number of clips behind the bound.
        discordance: share of samples that only one of the runs gets right.
        margin: what may be lost.
        p: one-sided, of "worse than the baseline": McNemar's exact test, else a sign-flip permutation by clip.
        holm: the same with Holm's correction over all cells.
        detectable: smallest loss that would be told from none with 80 % power.
        needed: clips that decide the cell with 80 % power if nothing was lost.
        verdict: ``pass``, ``undecided`` or ``regressed``.
        underpowered: undecided, and the clips are too few to decide it.
    """

    task: str
    condition: str
    before: float
    after: float
    change: float
    low: float
    high: float
    lower95: float
    n: int
    clips: int
    discordance: float
    margin: float
    p: float
    holm: float = 1.0
    detectable: float = 0.0
    needed: int = 0
    verdict: str = UNDECIDED
    underpowered: bool = False

    @property
    def name(self) -> str:
        """E.g. ``SER.accuracy[adversarial]``."""
        return f"{'' if self.task == OVERALL else f'{self.task}.'}accuracy[{self.condition}]"

    @property
    def reason(self) -> str:
        """Why the cell got its verdict, in one line."""
        seen = (
            f"{self.before:.3f} before, {self.after:.3f} now ({self.change + 0.0:+.3f}, 95 % bound {self.lower95:+.3f})"
        )
        allowed = f"{self.margin:g} may be lost"
        if self.verdict == PASS:
            return f"{seen}, {allowed}"
        if self.verdict == REGRESSED:
            return f"{seen}, {allowed}; worse for sure (p {self.p:.2g}, {self.holm:.2g} with Holm's correction)"
        if self.underpowered:
            has = f"has {self.clips}; a loss below {self.detectable:.3f} cannot be told from none"
            return f"underpowered: needs n = {self.needed}, {has}; {seen}, {allowed}"
        if self.change <= -self.margin:
            return f"{seen}, {allowed}; more is lost, but this may be luck (p {self.holm:.2g} with Holm's correction)"
        more = math.ceil(max(self.discordance, 1 / self.clips) * POWER_FACTOR / (self.margin + self.change) ** 2)
        return f"{seen}, {allowed}; the bound is outside, needs about n = {more}, has {self.clips}"

    def to_json(self) -> dict[str, Any]:
        """The cell as builtins."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Influence:
    """TIR under adversarial texts of both models, on the clips that both get right without a text. Descriptive.

    Attributes:
        both: samples that both get right in neutral, and have both answers under the text: the denominator.
        only_before: samples that only the baseline gets right in neutral.
        only_after: that only the model does.
        before: TIR of the baseline; None without such samples.
        after: of the model.
    """

    task: str
    both: int
    only_before: int
    only_after: int
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model against a baseline.

    Attributes:
        cells: the tasks' in their order, by condition, then the macro's.
        influence: by task, then over all.
    """

    cells: tuple[Cell, ...]
    influence: tuple[Influence, ...]

    @property
    def verdict(self) -> str:
        """``regressed`` if a cell is, ``pass`` if all cells pass, else ``undecided``."""
        found = {cell.verdict for cell in self.cells}
        return REGRESSED if REGRESSED in found else PASS if found == {PASS} else UNDECIDED

    @property
    def discordances(self) -> dict[Key, float]:
        """Share of samples that differ, by cell: what the next comparison is planned with."""
        return {(cell.task, cell.condition): cell.discordance for cell in self.cells}

    def to_json(self) -> dict[str, Any]:
        """The comparison as builtins."""
        return {
            "verdict": self.verdict,
            "cells": [cell.to_json() for cell in self.cells],
            "tir_common": [asdict(row) for row in self.influence],
        }
