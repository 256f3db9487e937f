"""One number with its interval: rates and ratios of a task, and means of numbers that share clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.betting import ratio_limits
from pytest_mcr.core.intervals import Limits, correlation, mean_limits, rate_limits
from pytest_mcr.core.panel import Floats, Mask, Panel

NOTHING_WRONG: Final = "no wrong answers"
"""Note of a number that is undefined because the model made no mistake."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A number of a task, or a mean over tasks.

    Attributes:
        value: None where undefined; then ``note`` says why.
        n: cases or eligible samples behind it.
        clusters: eligible clusters behind it.
        vacuous: undefined because nothing was wrong.
        step: by how much the value moves when one clip's answer changes in its favour; None where no such step exists.
        influence: what each cluster adds to the error of the value, shape (clusters,), sum 0.
        share: each cluster's weight in the value, shape (clusters,), sum 1.
    """

    value: float | None
    limits: Limits | None
    n: int
    clusters: int
    influence: Floats
    share: Floats
    note: str | None = None
    vacuous: bool = False
    step: float | None = None

    def noted(self, note: str | None) -> Estimate:
        """The same number with one more note."""
        return self if not note else replace(self, note=f"{self.note}; {note}" if self.note else note)

    def scaled(self, factor: float, shift: float) -> Estimate:
        """The estimate of ``factor * x + shift``, factor positive."""
        if self.value is None or self.limits is None:
            return self
        return replace(
            self,
            value=factor * self.value + shift,
            limits=self.limits.scaled(factor, shift),
            influence=factor * self.influence,
            step=None if self.step is None else factor * self.step,
        )


def undefined(panel: Panel, note: str, n: int = 0, *, vacuous: bool = False) -> Estimate:
    """A number that does not exist, with the reason."""
    nothing = np.zeros(panel.clusters)
    return Estimate(None, None, n, 0, nothing, nothing, note, vacuous)


def rate(panel: Panel, hits: Mask, trials: Mask, *, empty: str, vacuous: bool = False) -> Estimate:
    """Share of the trials that are hits, with the clustered Wilson interval.

    Args:
        panel: the task.
        hits: by sample.
        trials: by sample; the denominator.
        empty: reason given when there are no trials.
        vacuous: no trials means that nothing was wrong.
    """
    a, b = panel.per_cluster(hits & trials), panel.per_cluster(trials)
    total = int(b.sum())
    if not total:
        return undefined(panel, empty, vacuous=vacuous)
    value = float(a.sum() / total)
    eligible = b > 0
    return Estimate(
        value=value,
        limits=rate_limits(a[eligible], b[eligible]),
        n=total,
        clusters=int(eligible.sum()),
        influence=(a - value * b) / total,
        share=b / total,
        step=1 / total,
    )


def ratio(
    panel: Panel,
    num: NDArray[np.generic],
    den: NDArray[np.generic],
    among: Mask,
    *,
    corners: tuple[tuple[float, float], ...],
    span: tuple[float, float],
    empty: str,
) -> Estimate:
    """Ratio of two sums over samples, with the betting interval.

    Args:
        panel: the task.
        num: numerator by sample.
        den: denominator by sample.
        among: the samples that take part.
        corners: the extreme (num, den) of one sample.
        span: least and largest possible value; an upper end of infinity is replaced by the number of samples, the
            largest ratio that so many samples can give.
        empty: reason given when the denominator is 0.
    """
    units = panel.per_cluster(among)
    a, b = panel.per_cluster(np.where(among, num, 0)), panel.per_cluster(np.where(among, den, 0))
    total = float(b.sum())
    if total <= 0:
        return undefined(panel, empty, int(units.sum()))
    present = units > 0
    value = float(a.sum()) / total
    ends = (span[0], min(span[1], float(max(units.sum(), 1))))
    return Estimate(
        value=value,
        limits=ratio_limits(a[present], b[present], units[present], corners=corners, span=ends),
        n=int(units.sum()),
        clusters=int(present.sum()),
        influence=(a - value * b) / total,
        share=b / total,
        step=1 / total,
    )


def mean(parts: Sequence[Estimate]) -> Estimate:
    """Unweighted mean of defined estimates that may share clips.

    Clips shared by several parts make them dependent: see `intervals.correlation` and `intervals.mean_limits`.
    """
    values = np.array([part.value for part in parts], dtype=np.float64)
    limits = [part.limits for part in parts if part.limits is not None]
    influence = np.stack([part.influence for part in parts])
    share = np.stack([part.share for part in parts])
    steps = [part.step for part in parts if part.step is not None]
    return Estimate(
        value=float(values.mean()),
        limits=mean_limits(values, limits, correlation(influence, share)),
        n=sum(part.n for part in parts),
        clusters=int((share > 0).any(0).sum()),
        influence=influence.mean(0),
        share=share.mean(0),
        step=max(steps) / len(parts) if len(steps) == len(parts) else None,
    )
