"""Two confidences of the same answers compared: calibration measures under weights, and intervals by clip.

Every measure takes weights of shape (draws, cases), so that one call gives its value on the data and on each draw of a
bootstrap over clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.calibration import BINS, equal_width
from pytest_mcr.core.clusters import Clusters, Floats, Mask
from pytest_mcr.core.logistic import clamped

DRAWS: Final = 1000
_BLOCK: Final = 100
"""Draws at a time, so that memory stays flat."""

Measure = Callable[[Floats, Mask, Floats], Floats]


def ece(confidence: Floats, right: Mask, weights: Floats) -> Floats:
    """Expected calibration error over 15 bins of equal width (Guo et al., ICML 2017)."""
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), equal_width(confidence)] = confidence - right
    found: Floats = np.abs(weights @ gaps).sum(-1) / weights.sum(-1)
    return found


def brier(confidence: Floats, right: Mask, weights: Floats) -> Floats:
    """Mean squared difference of confidence and correctness."""
    found: Floats = weights @ (confidence - right) ** 2 / weights.sum(-1)
    return found


def nll(confidence: Floats, right: Mask, weights: Floats) -> Floats:
    """Mean log-loss in nats, confidences kept 1e-6 away from 0 and 1."""
    kept = clamped(confidence)
    found: Floats = weights @ -np.log(np.where(right, kept, 1 - kept)) / weights.sum(-1)
    return found


def aurc(confidence: Floats, right: Mask, weights: Floats) -> Floats:
    """Area under the risk-coverage curve: mean error rate of the k surest answers, over all k; ties in mean order."""
    order = np.argsort(-confidence, kind="stable")
    starts = np.flatnonzero(np.diff(confidence[order], prepend=np.inf))
    weight = weights[:, order]
    wrong = weight * ~right[order]
    sizes = np.diff(np.append(starts, len(order)))
    block_weight = np.add.reduceat(weight, starts, axis=1)
    block_wrong = np.add.reduceat(wrong, starts, axis=1)
    share = np.divide(block_wrong, block_weight, out=np.zeros_like(block_wrong), where=block_weight > 0)
    errors = np.cumsum(weight * np.repeat(share, sizes, axis=1), axis=1)
    covered = np.cumsum(weight, axis=1)
    risk = np.divide(errors, covered, out=np.zeros_like(errors), where=covered > 0)
    found: Floats = (weight * risk).sum(-1) / weight.sum(-1)
    return found


def auroc(confidence: Floats, right: Mask, weights: Floats) -> Floats:
    """Probability that a right answer is surer than a wrong one, ties by half; NaN where a draw holds one kind only."""
    order = np.argsort(confidence, kind="stable")
    starts = np.flatnonzero(np.diff(confidence[order], prepend=-np.inf))
    weight = weights[:, order]
    up = np.add.reduceat(weight * right[order], starts, axis=1)
    down = np.add.reduceat(weight * ~right[order], starts, axis=1)
    pairs = up.sum(-1) * down.sum(-1)
    below = np.cumsum(down, axis=1) - down / 2
    found: Floats = np.divide((up * below).sum(-1), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return found


MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {"ece": ece, "brier": brier, "nll": nll, "aurc": aurc, "auroc": auroc}
)
"""By name; less is better in each but AUROC."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A measure of two confidences, and their difference.

    Attributes:
        before: of the first; NaN where undefined (AUROC of one class).
        after: of the second.
        low: lower end of the 95 % interval of after - before; None for a single clip or where undefined.
        high: its upper end.
    """

    before: float
    after: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> float:
        """``after - before``: below 0 the second is better."""
        return self.after - self.before


def compare(
    measure: Measure,
    before: Floats,
    after: Floats,
    right: Mask,
    clips: Clusters,
    *,
    weights: Floats | None = None,
    seed: int = 0,
) -> Compared:
    """Compare two confidences of the same answers, with the percentile interval of a paired bootstrap over clips.

    Both are measured on the same draw, so that what a draw does to both cancels.

    Args:
        measure: of `MEASURES`.
        before: confidences, shape (n,), in [0, 1].
        after: the others.
        right: shape (n,).
        clips: the cases' clips; each draw takes as many clips as there are, with replacement.
        weights: of the cases, shape (n,); None for one each.
        seed: of the draws.
    """
    own = np.ones(len(right)) if weights is None else weights
    whole = own[None, :]
    present = np.flatnonzero(clips.per_cluster(np.ones(len(right))) > 0)
    low = high = None
    if len(present) > 1:
        differences = _drawn(measure, before, after, right, clips, own, present, seed)
        known = differences[~np.isnan(differences)]
        if len(known):
            low, high = (float(end) for end in np.quantile(known, [0.025, 0.975]))
    return Compared(float(measure(before, right, whole)[0]), float(measure(after, right, whole)[0]), low, high)


def _drawn(
    measure: Measure,
    before: Floats,
    after: Floats,
    right: Mask,
    clips: Clusters,
    own: Floats,
    present: NDArray[np.intp],
    seed: int,
) -> Floats:
    rng = np.random.default_rng([seed, len(present)])
    found = []
    for _ in range(DRAWS // _BLOCK):
        times = np.zeros((_BLOCK, clips.clusters))
        times[:, present] = rng.multinomial(len(present), np.full(len(present), 1 / len(present)), size=_BLOCK)
        weights = times[:, clips.cluster] * own
        found.append(measure(after, right, weights) - measure(before, right, weights))
    return np.concatenate(found)
