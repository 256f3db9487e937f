"""Anytime-valid tests of ratios by betting: evidence that may be looked at after every clip.

A ratio ``num / den`` of two means is at most ``theta`` iff ``E[num - theta * den] <= 0``. A gambler who bets on
``z_g = num_g - theta * den_g``, clip by clip, can then expect no gain, so that a capital that ever reaches ``1/alpha``
rejects it at level alpha at *every* stopping time (Ville's inequality; Ramdas et al., Statistical Science 38, 2023).
`betting` bets for a known number of clips; here that number is what is being decided, so the capital is the mean over
fixed bets, from none to nine tenths of what can be lost (method of mixtures: Robbins, Ann. Math. Stat. 41, 1970).

All arrays may have leading axes: as many runs side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mcr.core.betting import LARGEST_BET, TINY
from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED, Limits

Floats = NDArray[np.float64]

BETS: Final = np.array([0.0, 0.03, 0.08, 0.2, 0.4, 0.65, LARGEST_BET])
"""Shares of the largest possible loss; with the bet of nothing the capital never falls below ``1 / len(BETS)``."""
LEAST: Final = -math.log(len(BETS))
STEP: Final = 0.005
"""Distance of the candidate ratios; an interval or a threshold between two of them is widened to the next."""
ABOVE: Final = 0
"""Row of the evidence that the ratio is larger than a candidate."""
BELOW: Final = 1
_SLACK: Final = 1e-9


def grid(top: float) -> Floats:
    """Candidate ratios from 0 to `top`."""
    candidates: Floats = np.arange(round(top / STEP) + 1, dtype=np.float64) * STEP
    return candidates


class Process:
    """Evidence about one ratio: log-capitals against each candidate, in both directions.

    Args:
        corners: the extreme (num, den) that one clip can give.
        candidates: ratios, ascending.
        shape: of the runs side by side.

    Attributes:
        now: log-capital by direction and candidate, shape (..., 2, C).
        best: the largest that it ever was.
    """

    def __init__(self, corners: Sequence[tuple[float, float]], candidates: Floats, shape: tuple[int, ...] = ()) -> None:
        values = np.stack([a - candidates * b for a, b in corners])
        worst = np.minimum(np.stack([values.min(0), -values.max(0)]), -TINY)
        self.candidates = candidates
        self._bets = BETS / -worst[..., None]
        self._logs = np.zeros((*shape, 2, len(candidates), len(BETS)))
        self.now: Floats = np.zeros((*shape, 2, len(candidates)))
        self.best: Floats = np.zeros_like(self.now)

    def take(self, num: ArrayLike, den: ArrayLike) -> None:
        """Bet on one clip.

        Args:
            num: mean numerator of the clip's samples, shape (...).
            den: mean denominator, likewise.
        """
        z = np.asarray(num, np.float64)[..., None] - self.candidates * np.asarray(den, np.float64)[..., None]
        self._logs += np.log1p(self._bets * np.stack([z, -z], axis=-2)[..., None])
        self.now = np.logaddexp.reduce(self._logs, axis=-1) + LEAST
        np.maximum(self.best, self.now, out=self.best)


def rejects(level: float) -> float:
    """The log-capital that rejects at an error probability of `level`."""
    return -math.log(level)


def floor_of(value: float) -> int:
    """Index of the largest candidate that is not above a value."""
    return math.floor(value / STEP + _SLACK)


def ceil_of(value: float) -> int:
    """Index of the smallest candidate that is not below a value."""
    return math.ceil(value / STEP - _SLACK)


def ends(evidence: Floats, level: float, top: float) -> tuple[float, float]:
    """The interval of the candidates that are not rejected, each side at an error probability of `level`.

    A ratio between two candidates is rejected as too large with the lower, as too small with the higher of them.

    Args:
        evidence: log-capitals of one process, shape (2, C).
        level: of each side.
        top: the largest ratio there can be.
    """
    kept = [np.flatnonzero(side < rejects(level)) for side in evidence]
    last = evidence.shape[-1] - 1
    low = (int(kept[ABOVE][0]) - 1) * STEP if len(kept[ABOVE]) else last * STEP
    below = int(kept[BELOW][-1]) if len(kept[BELOW]) else -1
    return max(low, 0.0), top if below == last else min((below + 1) * STEP, top)


def limits_of(evidence: Floats, top: float, value: float) -> Limits:
    """Two-sided 95 % limits and one-sided 95 % bounds that hold at every stopping time, and hold the value."""
    low, high = ends(evidence, 1 - TWO_SIDED, top)
    lower, upper = ends(evidence, 1 - ONE_SIDED, top)
    return Limits(min(low, value), max(high, value), min(lower, value), max(upper, value))


class Mean:
    """Evidence about the unweighted mean of several tasks' ratios.

    A mean of at most m is the union over all ways in which the tasks' ratios can make it up; it is rejected when each
    of them is. Tasks of different clips bet with one capital, so that their evidence multiplies; tasks that share
    clips are each held to level alpha / T (Bonferroni).

    Attributes:
        best: the largest log-capital against each sum of candidates that there ever was, shape (2, S).
    """

    def __init__(self, tasks: int, candidates: int, *, shared: bool, bounded: bool) -> None:
        self.tasks = tasks
        self._shared = shared
        self._bounded = bounded
        self.best: Floats = np.full((2, tasks * (candidates - 1) + 1), -np.inf)

    def look(self, parts: Sequence[Floats]) -> None:
        """Add up what the tasks know now, each of shape (2, C)."""
        rows = np.stack(parts)
        if not self._bounded:  # beyond the last candidate nothing is known but that nothing was bet
            rows[:, ABOVE, -1] = np.minimum(rows[:, ABOVE, -1], LEAST)
        above, below = (self._combined(rows[:, side]) for side in (ABOVE, BELOW))
        if not self._bounded:
            below = np.minimum(below, self._beyond(rows[:, BELOW]))
        np.maximum(self.best[ABOVE], np.minimum.accumulate(above), out=self.best[ABOVE])
        np.maximum(self.best[BELOW], np.minimum.accumulate(below[::-1])[::-1], out=self.best[BELOW])

    def _combined(self, rows: Floats) -> Floats:
        """Least evidence over all ways to make up each sum, shape (S,)."""
        found: Floats = rows[0]
        for row in rows[1:]:
            spread = np.full((len(row), len(found) + len(row) - 1), np.inf)
            for place in range(len(row)):
                own = spread[place, place : place + len(found)]
                (np.maximum if self._shared else np.add)(found, row[place], out=own)
            found = spread.min(0)
        return found - math.log(self.tasks) if self._shared else found

    def _beyond(self, rows: Floats) -> float:
        """Least evidence where some task's ratio lies beyond the candidates and the others lie anywhere."""
        least = rows.min(1)
        ways: list[float] = []
        for place, row in enumerate(rows):
            others = np.delete(least, place)
            ways.append(float(max(row[-1], *others) if self._shared else row[-1] + others.sum()))
        return min(ways) - (math.log(self.tasks) if self._shared else 0.0)

    def at_most(self, value: float) -> float:
        """Log-capital against a mean of at most `value`."""
        return self._at(ABOVE, math.ceil(self.tasks * (value / STEP + 1) - _SLACK) - 1)

    def at_least(self, value: float) -> float:
        """Log-capital against a mean of at least `value`."""
        return self._at(BELOW, math.floor(self.tasks * (value / STEP - 1) + _SLACK) + 1)

    def _at(self, side: int, place: int) -> float:
        return float(self.best[side, min(max(place, 0), self.best.shape[1] - 1)])

    def limits(self, top: float, value: float) -> Limits:
        """As `limits_of`."""
        found = [self._ends(1 - level, top) for level in (TWO_SIDED, ONE_SIDED)]
        (low, high), (lower, upper) = found
        return Limits(min(low, value), max(high, value), min(lower, value), max(upper, value))

    def _ends(self, level: float, top: float) -> tuple[float, float]:
        above, below = (np.flatnonzero(self.best[side] >= rejects(level)) for side in (ABOVE, BELOW))
        low = (int(above[-1]) + 1 - self.tasks) * STEP / self.tasks if len(above) else 0.0
        high = (int(below[0]) - 1 + self.tasks) * STEP / self.tasks if len(below) else top
        return max(low, 0.0), min(high, top)
