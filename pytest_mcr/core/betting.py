"""Intervals of ratios by betting: invert tests of ``E[num - theta * den] = 0``.

A ratio such as adversarial over neutral accuracy has no sound normal interval where this benchmark lives: Fieller's and
the bootstrap's collapse when every clip agrees. A betting test needs no variance to be right. For each candidate
``theta`` a gambler who may not look ahead bets on ``z_g = num_g - theta * den_g``, clip by clip; if ``theta`` were
true, nobody could expect to gain, so a capital of ``1/alpha`` rejects it at level ``alpha`` for any number of clips
(Ville's inequality; Waudby-Smith and Ramdas, J. R. Stat. Soc. B 86, 2024, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED, Limits

Floats = NDArray[np.float64]

ORDERS: Final = 8
"""Seeded orders of the clips; the mean of their capitals is a valid capital and depends on luck less than one."""
LARGEST_BET: Final = 0.9
"""Share of the capital that one clip may cost at most."""
PRIOR: Final = 0.25
"""Variance assumed before the first clip, as a share of the squared range (the largest possible)."""
TOLERANCE: Final = 1e-5
TINY: Final = 1e-12

RATIO: Final = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
"""Corners of (num, den) of one sample when both lie in [0, 1]."""
MEAN: Final = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))
"""Corners when ``den`` says whether the sample counts and ``num`` is at most ``den``."""
DIFFERENCE: Final = ((0.0, 0.0), (-1.0, 1.0), (1.0, 1.0))
"""Corners of a paired difference over the samples that count."""


@dataclass(frozen=True, slots=True)
class Clips:
    """Running statistics of the clips in each order; arrays of shape (orders, G), scaled to one unit a clip."""

    num: Floats
    den: Floats
    spread: tuple[Floats, Floats, Floats]


def _running_spread(x: Floats, y: Floats) -> Floats:
    """Cumulative sum of products of deviations from the running means, before each clip; shape (orders, G)."""
    count = np.arange(1, x.shape[-1] + 1)
    products = (x - np.cumsum(x, -1) / count) * (y - np.cumsum(y, -1) / count)
    before = np.zeros_like(products)
    before[..., 1:] = np.cumsum(products, -1)[..., :-1]
    return before


def lay_out(num: Floats, den: Floats, orders: int = ORDERS) -> Clips:
    """Lay the clips out in seeded orders.

    Args:
        num: numerator by clip, in units of the largest clip, shape (..., G).
        den: denominator by clip, likewise.
        orders: number of orders.
    """
    rng = np.random.default_rng(0)
    order = np.stack([rng.permutation(num.shape[-1]) for _ in range(orders)])
    a, b = num[..., order], den[..., order]
    return Clips(a, b, (_running_spread(a, a), _running_spread(a, b), _running_spread(b, b)))


def log_capital(clips: Clips, theta: Floats, worst: Floats, width: Floats, side: Floats, level: float) -> Floats:
    """Log of the mean capital after all clips, bet against each candidate ratio.

    The bet before clip g is ``min(sqrt(2 log(1/alpha) / (G v)), LARGEST_BET / -worst)``, v the variance of the clips
    seen so far: the best one for a fixed number of clips when ``theta`` lies just outside the interval.

    Args:
        clips: arrays of shape (..., orders, G).
        theta: candidates, shape (..., 1, 1) or broadcastable.
        worst: least value that ``side * z`` can take at each candidate, negative.
        width: range of ``z`` at each candidate.
        side: +1 bets that the ratio is larger than theta, -1 that it is smaller.
        level: 1 - alpha of the test.

    Returns:
        Shape of theta without its last two axes.
    """
    count = clips.num.shape[-1]
    z = side * (clips.num - theta * clips.den)
    aa, ab, bb = clips.spread
    seen = np.arange(1, count + 1)
    variance = (PRIOR * width**2 + np.maximum(aa - 2 * theta * ab + theta**2 * bb, 0.0)) / seen
    bet = np.minimum(np.sqrt(-2 * np.log1p(-level) / (count * variance)), LARGEST_BET / -worst)
    capital = np.log1p(bet * z).sum(-1)
    mean: Floats = np.logaddexp.reduce(capital, axis=-1) - np.log(capital.shape[-1])
    return mean


def _columns(theta: Floats, worst: Floats, width: Floats, side: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Make room for orders and clips behind each candidate."""
    return theta[:, None, None], worst[:, None, None], width[:, None, None], side[:, None, None]


def ratio_limits(
    num: Floats, den: Floats, units: Floats, *, corners: tuple[tuple[float, float], ...], span: tuple[float, float]
) -> Limits:
    """Limits of ``sum(num) / sum(den)`` over clips.

    Args:
        num: numerator summed over each clip's samples, shape (G,).
        den: denominator summed likewise; its sum is positive.
        units: number of samples of each clip, at least 1, fixed by the design.
        corners: the extreme (num, den) that one sample can give.
        span: least and largest value the ratio can have; an end that cannot be excluded is returned as the limit.

    Returns:
        Two-sided 95 % limits (2.5 % a side) and one-sided 95 % bounds, outward within 1e-5 of the exact ends.
    """
    if len(num) < 2:
        return Limits(*(span[0], span[1]) * 2)
    largest = float(units.max())
    laid = lay_out(num / largest, den / largest)
    estimate = float(num.sum() / den.sum())
    sides = np.array([1.0, -1.0])
    ends: list[float] = []
    for level in (TWO_SIDED, ONE_SIDED):
        inner, outer = np.full(2, estimate), np.array(span)
        while np.any(np.abs(outer - inner) > TOLERANCE * (1 + np.abs(outer))):
            theta = (inner + outer) / 2
            values = np.stack([a - theta * b for a, b in corners])
            worst = np.minimum(np.where(sides > 0, values.min(0), -values.max(0)), -TINY)
            capital = log_capital(laid, *_columns(theta, worst, np.ptp(values, axis=0), sides), level)
            rejected = capital >= -np.log1p(-level)
            inner, outer = np.where(rejected, inner, theta), np.where(rejected, theta, outer)
        ends += [float(outer[0]), float(outer[1])]
    return Limits(*ends)
