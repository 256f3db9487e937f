"""A benchmark's row, as it is printed and written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal

Bound = Literal["at most", "at least"]
INDENT: Final = " " * 9


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        work: what was measured.
        against: what it was measured against, in the same run.
        ratio: work / against for a bound ``at most`` (a difference in MB where the name says so), against / work, how
            many times as fast, for ``at least``; None where it could not be measured.
        target: the bound.
        ok: whether the ratio is within the bound and nothing else is wrong.
        bound: which side of the target is good.
        detail: what the ratio was made of, for people.
    """

    work: str
    against: str
    ratio: float | None
    target: float
    ok: bool
    bound: Bound
    detail: tuple[str, ...] = ()

    def line(self) -> str:
        """The row as text, its details in lines below it."""
        word = "ok  " if self.ok else "MISS"
        ratio = "       -" if self.ratio is None else f"{self.ratio:8.2f}"
        head = f"{word} {ratio} ({self.bound} {self.target:g})  {self.work}  vs  {self.against}"
        return "\n".join([head, *(INDENT + line for line in self.detail)])

    def to_json(self) -> dict[str, object]:
        """The row as builtins."""
        return {**asdict(self), "detail": list(self.detail)}


class UnmeasuredError(Exception):
    """A comparison that could not be made; the message says why, and the row is a miss."""


def at_most(work: str, against: str, ratio: float, target: float, *detail: str, problem: str | None = None) -> Row:
    """A row whose ratio must not exceed the target, and that has no problem."""
    return _row(work, against, ratio, target, "at most", detail, problem)


def at_least(work: str, against: str, ratio: float, target: float, *detail: str, problem: str | None = None) -> Row:
    """A row whose ratio must reach the target, and that has no problem."""
    return _row(work, against, ratio, target, "at least", detail, problem)


def unmeasured(work: str, error: UnmeasuredError) -> Row:
    """The row of a comparison that could not be made."""
    return Row(work, "nothing", None, 0.0, False, "at most", (str(error),))


def _row(
    work: str, against: str, ratio: float, target: float, bound: Bound, detail: tuple[str, ...], problem: str | None
) -> Row:
    within = ratio <= target if bound == "at most" else ratio >= target
    lines = detail if problem is None else (*detail, f"not counted: {problem}")
    return Row(work, against, round(ratio, 3), target, within and problem is None, bound, lines)
