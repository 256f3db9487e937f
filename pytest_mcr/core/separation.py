"""How well scores tell classes apart: AUROC over folds, differences and ratios of AUROCs, with intervals by cluster.

A cluster is what no fold may divide: clips that share texts. Scores of different folds come from different fits and
are never ranked against each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pytest_mcr.core.clusters import Clusters, Codes, Floats
from pytest_mcr.core.confidence import placements
from pytest_mcr.core.estimates import Estimate, undefined
from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED, Limits, wilson

CHANCE: Final = 0.5
ONE_CLASS: Final = "only one class"


def area(clusters: Clusters, scores: Floats, classes: Codes, folds: Codes, *, units: int) -> Estimate:
    """AUROC, ties by half; of several classes the unweighted mean of one against the rest (Hand and Till's macro form).

    Within a fold Mann-Whitney's; folds count by their rows. Variance between clusters from the placement values (DeLong
    et al., Biometrics 44, 1988; clustered: Obuchowski, Biometrics 53, 1997), the interval Wilson's on the effective
    size A(1-A)/V, at most `units`; where V is 0 the number of clusters.

    Args:
        clusters: of the rows, numbered over all tasks; no cluster is in two folds.
        scores: higher for class 1, shape (n,); or one column a class, shape (n, K).
        classes: 0 to K-1, shape (n,).
        folds: shape (n,).
        units: clips behind the rows.
    """
    present = np.unique(classes)
    if len(present) < 2:
        return undefined(clusters, ONE_CLASS, len(classes))
    columns = scores[:, None] if scores.ndim == 1 else scores
    sides = [(columns[:, 0], classes == present[1])] if columns.shape[1] == 1 else [
        (columns[:, code], classes == code) for code in present
    ]  # fmt: skip
    parts = [part for score, side in sides if (part := _one_area(clusters, score, side, folds)) is not None]
    if not parts:
        return undefined(clusters, "no fold has two classes", len(classes))
    value = float(np.mean([part[0] for part in parts]))
    influence = np.mean([part[1] for part in parts], axis=0)
    rows = clusters.per_cluster(np.ones(len(classes)))
    count = int((rows > 0).sum())
    return Estimate(
        value=value,
        limits=_limits(value, float((influence**2).sum()), count, units),
        n=len(classes),
        clusters=count,
        influence=influence,
        share=rows / len(classes),
    )


def _one_area(clusters: Clusters, score: Floats, side: NDArray[np.bool_], folds: Codes) -> tuple[float, Floats] | None:
    """AUROC of one class against the rest and what each cluster adds to its error; None where no fold has both."""
    spread = np.zeros(len(score))
    total, rows = 0.0, 0
    for fold in np.unique(folds):
        among = folds == fold
        inside, outside = among & side, among & ~side
        if not inside.any() or not outside.any():
            continue
        above, below = placements(score[inside], score[outside]), 1 - placements(score[outside], score[inside])
        own, size = float(above.mean()), int(among.sum())
        spread[inside] = (above - own) * size / len(above)
        spread[outside] = (below - own) * size / len(below)
        total, rows = total + own * size, rows + size
    return (total / rows, clusters.per_cluster(spread / rows)) if rows else None


def difference(one: Estimate, other: Estimate) -> Estimate:
    """``one - other`` of the same clusters, an `other` below chance counting as chance.

    A baseline below chance is bad luck and no reason to think better of `one`. The interval is MOVER's (Zou and Donner,
    Stat. Med. 27, 2008) from the two intervals and their correlation.
    """
    for missing in (one, other):
        if missing.value is None or missing.limits is None:
            return missing
    assert one.value is not None
    assert one.limits is not None
    floor = at_least_chance(other)
    assert floor.value is not None
    assert floor.limits is not None
    rho = _correlation(one.influence, floor.influence)
    a = np.abs(one.value - _ends(one.limits))
    b = np.abs(floor.value - _ends(floor.limits)[[1, 0, 3, 2]])
    reach = np.sqrt(np.maximum(a**2 + b**2 - 2 * rho * a * b, 0.0)) * (-1, 1, -1, 1)
    value = one.value - floor.value
    return replace(
        one,
        value=value,
        limits=Limits(*map(float, value + reach)),
        influence=one.influence - floor.influence,
    )


def retained(joint: Estimate, alone: Estimate, baseline: Estimate) -> Estimate:
    """``(joint - baseline) / (alone - baseline)``, with MOVER's interval of a ratio (Donner and Zou, 2012).

    The two differences count as independent, which errs on the wide side: they share clips and baseline. Undefined
    unless `alone` is above the baseline for sure: a share of nothing says nothing.
    """
    whole, part = difference(alone, baseline), difference(joint, baseline)
    for missing in (part, whole):
        if missing.value is None or missing.limits is None:
            return missing
    assert part.value is not None
    assert whole.value is not None
    assert whole.limits is not None
    assert part.limits is not None
    if whole.limits.low <= 0:
        why = "the clip alone does not show its label beyond the text baseline for sure"
        return replace(part, value=None, limits=None, note=why)
    value = part.value / whole.value
    influence = (part.influence - value * whole.influence) / whole.value
    ends = [
        _ratio_end(part.value, end, whole.value, other, sign)
        for end, other, sign in zip(_ends(part.limits), _ends(whole.limits)[[1, 0, 3, 2]], (-1, 1, -1, 1), strict=True)
    ]
    return replace(part, value=value, limits=Limits(*ends), influence=influence)


def _ratio_end(top: float, end: float, bottom: float, other: float, sign: int) -> float:
    """One end of MOVER's interval of ``top / bottom``: `end` is that of the top, `other` the opposite of the bottom."""
    square = max(0.0, (top * bottom) ** 2 - end * other * (2 * top - end) * (2 * bottom - other))
    return float((top * bottom + sign * np.sqrt(square)) / (other * (2 * bottom - other)))


def at_least_chance(estimate: Estimate) -> Estimate:
    """The estimate with its limits, none below chance."""
    if estimate.value is None or estimate.limits is None:
        return estimate
    limits = Limits(*np.maximum(_ends(estimate.limits), CHANCE).tolist())
    if estimate.value >= CHANCE:
        return replace(estimate, limits=limits)
    return replace(estimate, value=CHANCE, limits=limits, influence=np.zeros_like(estimate.influence))


def _correlation(one: Floats, other: Floats) -> float:
    """Of two errors; none where one shows no variance, because dependence narrows a difference."""
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale > 1e-18 else 0.0


def _ends(limits: Limits) -> Floats:
    return np.array([limits.low, limits.high, limits.lower95, limits.upper95])


def _limits(value: float, squares: float, clusters: int, units: int) -> Limits:
    if clusters < 2:
        return Limits(0.0, 1.0, 0.0, 1.0)
    variance = clusters / (clusters - 1) * squares
    inside = 0 < value < 1 and variance > 0
    size = min(value * (1 - value) / variance, units) if inside else clusters
    ends = [float(end) for level in (TWO_SIDED, ONE_SIDED) for end in wilson(value, size, stdtrit(clusters - 1, level))]
    return Limits(*ends)
