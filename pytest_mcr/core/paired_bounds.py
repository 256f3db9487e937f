"""Bounds of the difference of two paired proportions: exact, so that no clip that differs is no proof of no difference.

Two models answer the same n clips. Some clips only the first gets right (*losses*, probability q), some only the second
(*gains*, probability q + d); the rest says nothing about d. A bound of d inverts the exact unconditional test of
``d <= d0``: tables are ordered by the score statistic (Tango, Stat. Med. 17, 1998), and the p-value is the largest
probability, over the unknown q, of a table as extreme as the one seen (Barnard, Biometrika 34, 1947; for paired data
Hsueh, Liu and Chen, Biometrics 57, 2001). Only q in its 99.9 % interval are searched, at the price of 0.001 on the
p-value (Berger and Boos, J. Am. Stat. Assoc. 89, 1994). With no clip that differs, the bound of 60 clips is -0.049:
the rule of three.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, gammaln, ndtri

Floats = NDArray[np.float64]

GAMMA: Final = 0.001
"""Chance that the searched interval misses q; added to the p-value."""
GRID: Final = 16
"""Values of q that are searched."""
NEGLIGIBLE: Final = 1e-10
TINY: Final = 1e-12
TOLERANCE: Final = 1e-4
"""Of a bound; it errs outward."""


def score(losses: Floats, gains: Floats, n: float, difference: float) -> Floats:
    """Tango's score statistic of ``d = difference``; larger speaks for a larger d.

    Tango, Stat. Med. 17 (1998), eq. 5: ``(c - b - n d0) / sqrt(n (2 q + d0 (1 - d0)))``, q the probability of a loss
    that fits best under d0.

    Args:
        losses: clips that only the first model gets right, any shape.
        gains: clips that only the second gets right.
        n: clips.
        difference: d0, between -1 and 1.
    """
    half = (2 * n - gains + losses) * difference - gains - losses
    product = -losses * difference * (1 - difference)
    q = (np.sqrt(np.maximum(half**2 - 8 * n * product, 0.0)) - half) / (4 * n)
    spread = np.maximum(n * (2 * q + difference * (1 - difference)), TINY)
    found: Floats = (gains - losses - n * difference) / np.sqrt(spread)
    return found


def p_value(losses: int, gains: int, n: int, difference: float) -> float:
    """Exact p-value of ``d <= difference`` against larger.

    Args:
        losses: clips that only the first model gets right.
        gains: clips that only the second gets right.
        n: clips, at least losses + gains.
        difference: between -1 and 1.
    """
    nuisance = _searched(losses + gains, n, difference)
    if not len(nuisance):
        return GAMMA
    lost = _plausible(nuisance, n)
    needed = _least_gains(lost, n, difference, _scalar_score(losses, gains, n, difference))
    rest = n - lost
    with np.errstate(divide="ignore", invalid="ignore"):
        # q and the chance of a gain where there is no loss, shape (GRID, 1)
        q = nuisance[:, None]
        gain = np.clip(np.nan_to_num((q + difference) / (1 - q)), 0.0, 1.0)
        log = gammaln(n + 1) - gammaln(lost + 1) - gammaln(rest + 1)
        log = log + np.where(lost > 0, lost * np.log(q), 0.0) + np.where(rest > 0, rest * np.log1p(-q), 0.0)
        tail = betainc(np.maximum(needed, 1.0), np.maximum(rest - needed + 1, 1.0), gain)
    tail = np.where(needed <= 0, 1.0, np.where(needed > rest, 0.0, tail))
    return min(float((np.exp(log) * tail).sum(-1).max()) + GAMMA, 1.0)


@lru_cache(maxsize=4096)
def lower_bound(losses: int, gains: int, n: int, level: float) -> float:
    """One-sided lower bound of the difference (second less first).

    Args:
        losses: clips that only the first model gets right.
        gains: clips that only the second gets right.
        n: clips.
        level: coverage, e.g. 0.95.

    Returns:
        In [-1, 1]; -1 without clips. The upper bound is minus the lower bound with losses and gains exchanged.
    """
    alpha = 1 - level
    if n < 1 or alpha <= GAMMA:
        return -1.0
    value = (gains - losses) / n
    reach = max(-float(ndtri(alpha)) * math.sqrt(max(losses + gains, 1)) / n, 1 / n)
    low, high = -1.0, value
    guess = value - reach  # bisection begins around the normal bound
    while guess > -1 and p_value(losses, gains, n, guess) > alpha:
        high, reach = guess, 1.6 * reach
        guess = value - reach
    low = max(guess, -1.0)
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        if p_value(losses, gains, n, middle) > alpha:
            high = middle
        else:
            low = middle
    return low


def _scalar_score(losses: int, gains: int, n: int, difference: float) -> float:
    return float(score(np.array(float(losses)), np.array(float(gains)), n, difference))


def _searched(discordant: int, n: int, difference: float) -> Floats:
    """Values of q that fit the number of clips that differ, and the hypothesis; empty where none does."""
    low = 0.0 if discordant == 0 else float(betaincinv(discordant, n - discordant + 1, GAMMA / 2))
    high = 1.0 if discordant == n else float(betaincinv(discordant + 1, n - discordant, 1 - GAMMA / 2))
    first, last = max((low - difference) / 2, -difference, 0.0), min((high - difference) / 2, (1 - difference) / 2, 1.0)
    return np.linspace(first, last, GRID) if first <= last else np.empty(0)


def _plausible(nuisance: Floats, n: int) -> Floats:
    """Numbers of losses that are not negligible under any of the searched q, by Bernstein's inequality."""
    room = -math.log(NEGLIGIBLE)
    low, high = float(nuisance[0]) * n, float(nuisance[-1]) * n
    below, above = (math.sqrt(2 * room * mean) + room for mean in (low, high))
    return np.arange(max(math.floor(low - below), 0), min(math.ceil(high + above), n) + 1, dtype=np.float64)


def _least_gains(lost: Floats, n: int, difference: float, seen: float) -> Floats:
    """Least number of gains, for each number of losses, that is as extreme as what was seen; n + 1 where none is."""
    low, high = np.full(lost.shape, -1.0), n - lost + 1
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        extreme = score(lost, middle, n, difference) >= seen - 1e-9
        open_ = high - low > 1
        low, high = np.where(open_ & ~extreme, middle, low), np.where(open_ & extreme, middle, high)
    return np.where(high > n - lost, n + 1.0, high)
