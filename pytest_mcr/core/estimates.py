"""One number with its interval: rates and ratios of a task, and means of numbers that share clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.betting import ratio_limits
from pytest_mcr.core.clusters import Clustered, Floats, Mask
from pytest_mcr.core.intervals import Limits, correlation, mean_limits, pooled_limits, rate_limits

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
        is_rate: a proportion, or a mean of proportions.
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
    is_rate: bool = False

    def noted(self, note: str | None) -> Estimate:
        """The same number with one more note."""
        return self if not note else replace(self, note=f"{self.note}; {note}" if self.note else note)

    def above(self, zero: float) -> Estimate:
        """The estimate of ``(x - zero) / (1 - zero)``, zero below 1."""
        if self.value is None or self.limits is None:
            return self
        return replace(
            self,
            value=(self.value - zero) / (1 - zero),
            limits=self.limits.above(zero),
            influence=self.influence / (1 - zero),
            step=None if self.step is None else self.step / (1 - zero),
            is_rate=False,
        )


def undefined(panel: Clustered, note: str, n: int = 0, *, vacuous: bool = False) -> Estimate:
    """A number that does not exist, with the reason."""
    nothing = np.zeros(panel.clusters)
    return Estimate(None, None, n, 0, nothing, nothing, note, vacuous)


def rate(panel: Clustered, hits: Mask, trials: Mask, *, empty: str, vacuous: bool = False) -> Estimate:
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
        is_rate=True,
    )


def ratio(
    panel: Clustered,
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
        share=units / units.sum(),
        step=1 / total,
    )


def mean_of(
    panel: Clustered,
    values: NDArray[np.generic],
    counted: Mask,
    *,
    corners: tuple[tuple[float, float], ...],
    span: tuple[float, float],
    empty: str,
) -> Estimate:
    """Mean of a bounded value over the counted samples, with the betting interval.

    A clip's samples are its units whether they are counted or not, because who counts is random too (it may depend on
    the answer); the number of samples and clusters reported is of those that count.
    """
    everyone = np.ones(len(counted), dtype=np.bool_)
    found = ratio(panel, np.where(counted, values, 0), counted, everyone, corners=corners, span=span, empty=empty)
    eligible, n = panel.per_cluster(counted), int(counted.sum())
    return replace(found, n=n, clusters=int((eligible > 0).sum()), share=eligible / max(n, 1), step=None)


def mean(parts: Sequence[Estimate]) -> Estimate:
    """Unweighted mean of defined estimates that may share clips.

    Clips shared by several parts make them dependent: see `intervals.correlation` and `intervals.mean_limits`. A mean
    of rates gets the outer of that interval and of `intervals.pooled_limits`: the first is too narrow towards the edge
    that all rates are near, the second where a rate of 0 or 1 hides its own variance.
    """
    values = np.array([part.value for part in parts], dtype=np.float64)
    influence = np.stack([part.influence for part in parts])
    share = np.stack([part.share for part in parts])
    limits = mean_limits(values, [p.limits for p in parts if p.limits is not None], correlation(influence, share))
    clusters = int((share > 0).any(0).sum())
    rates = all(part.is_rate for part in parts)
    if rates:
        fewest = min(part.clusters for part in parts)
        limits = limits.outer(pooled_limits(float(values.mean()), influence.mean(0), clusters, fewest))
    steps = [part.step for part in parts if part.step is not None]
    return Estimate(
        value=float(values.mean()),
        limits=limits,
        n=sum(part.n for part in parts),
        clusters=clusters,
        influence=influence.mean(0),
        share=share.mean(0),
        step=max(steps) / len(parts) if len(steps) == len(parts) else None,
        is_rate=rates,
    )
