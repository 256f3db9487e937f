"""Speed counts only with the same answers: how far two sides agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pytest_mcr.models.protocol import Response

MOST_DIFFERENT: Final = 0.001
"""Share of answers that may differ: near ties of the two likeliest tokens."""
NATS: Final = 1e-4
"""Most that two scores may differ by in float32."""


def compare_texts(ours: Sequence[Response], theirs: Sequence[str]) -> tuple[str, str | None]:
    """A line about equal answers, and the problem if too many differ."""
    different = [n for n, (own, other) in enumerate(zip(ours, theirs, strict=True)) if own.text != other]
    line = f"{len(theirs) - len(different)} of {len(theirs)} answers equal"
    if len(different) <= MOST_DIFFERENT * len(theirs):
        return line, None
    first = different[0]
    return line, f"{len(different)} answers differ, e.g. {ours[first].text!r} and {theirs[first]!r}"


def compare_scores(ours: Sequence[Response], theirs: Sequence[Mapping[str, float]]) -> tuple[str, str | None]:
    """A line about the largest difference of scores, and the problem if it is too large."""
    gap = max(
        abs((own.scores or {})[label] - score)
        for own, other in zip(ours, theirs, strict=True)
        for label, score in other.items()
    )
    line = f"scores differ by at most {gap:.1e} nats"
    return line, None if gap <= NATS else f"scores differ by {gap:.1e} nats; at most {NATS:g} is right"
