"""Tests of "the second model is worse" on the same clips: McNemar's, a sign-flip permutation by clip, Holm's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

Floats = NDArray[np.float64]

ENUMERATED: Final = 14
"""Clips that differ up to which all sign patterns are tried."""
DRAWS: Final = 20_000
_BLOCK: Final = 2_000
_SLACK: Final = 1e-12


def mcnemar_worse(losses: int, gains: int) -> float:
    """Exact one-sided p-value of McNemar's test: P(X >= losses), X binomial(losses + gains, 1/2).

    McNemar, Psychometrika 12 (1947), in its exact form.

    Args:
        losses: pairs that only the first model gets right.
        gains: pairs that only the second gets right.
    """
    return float(bdtr(gains, losses + gains, 0.5)) if losses + gains else 1.0


def sign_flip_worse(differences: Floats, seed: int = 0) -> float:
    """One-sided p-value of a sum of paired differences by clip, under exchange of the two models clip by clip.

    Fisher, The Design of Experiments (1935), 21. All patterns of signs for few clips, else seeded draws with the
    observed pattern as one of them, so that the p-value is valid.

    Args:
        differences: second less first, what each clip adds to the number, shape (G,); the order does not matter.
        seed: of the draws.
    """
    moved = np.sort(differences[np.abs(differences) > _SLACK])
    if not len(moved):
        return 1.0
    observed = float(moved.sum()) + _SLACK
    if len(moved) <= ENUMERATED:
        signs = 1 - 2 * ((np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1)
        return float(np.mean(signs @ moved <= observed))
    rng = np.random.default_rng([seed, len(moved)])
    hits = 0
    for _ in range(DRAWS // _BLOCK):
        signs = 1 - 2 * rng.integers(0, 2, size=(_BLOCK, len(moved)), dtype=np.int8)
        hits += int(np.count_nonzero(signs @ moved <= observed))
    return (1 + hits) / (1 + DRAWS)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: below alpha for any is an error with probability alpha at most.

    Holm, Scand. J. Stat. 6 (1979): the k-th smallest of m times (m - k + 1), made monotone, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values, dtype=np.float64)[order] * (len(p_values) - np.arange(len(p_values)))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in adjusted]
