"""A benchmark's row, as it is printed and written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        work: what was measured.
        against: what it was measured against, in the same run.
        ratio: work / against (a difference in MB where the name says so).
        target: the most that is acceptable.
    """

    work: str
    against: str
    ratio: float
    target: float
    ok: bool

    def line(self) -> str:
        """The row as text."""
        word = "ok  " if self.ok else "MISS"
        return f"{word} {self.ratio:8.2f} (at most {self.target:g})  {self.work}  vs  {self.against}"


def at_most(work: str, against: str, ratio: float, target: float) -> Row:
    """A row whose ratio must not exceed the target."""
    return Row(work, against, round(ratio, 3), target, ratio <= target)
