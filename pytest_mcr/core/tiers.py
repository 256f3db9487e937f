"""Tiers: nested sizes of a run, and what each can tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from types import MappingProxyType
from typing import Final

TIERS: Final[Mapping[str, int | None]] = MappingProxyType({"smoke": 40, "gate": 200, "full": None})
"""Samples a task, None for all; the first of the seeded order, so that each tier holds the one before.

smoke: the least on which a model that hears nearly everything has the 30 eligible clips that ``release`` asks for.
gate: the 150 that ``strict`` asks for at a neutral accuracy of 0.75, and the 198 on which a loss of 0.05 against a
baseline shows (`paired_effect`).
"""
POWER: Final = 0.8
LEVEL: Final = 0.05
DISCORDANCE: Final = 0.08
"""Share of clips on which two versions of a model differ in rightness, where no pair was measured."""
_QUANTILES: Final = NormalDist().inv_cdf(1 - LEVEL) + NormalDist().inv_cdf(POWER)


def gate_effect(clips: Sequence[int], rate: float = 0.5) -> float:
    """Least distance of a rate from a threshold that a ``@95`` gate tells with a power of 0.8.

    ``(z_.95 + z_.8) * sqrt(p (1 - p) * sum(1 / n_t)) / T``: the normal approximation for the unweighted mean of T
    tasks' rates (Cochran, Sampling Techniques, 1977); 0.5 is the rate at which it is largest.

    Args:
        clips: of each task, at least 1.
        rate: true rate of every task.
    """
    return _QUANTILES * math.sqrt(rate * (1 - rate) * sum(1 / n for n in clips)) / len(clips)


def paired_effect(clips: Sequence[int], discordance: float = DISCORDANCE) -> float:
    """Least loss of accuracy against a baseline on the same clips that shows with a power of 0.8.

    ``(z_.95 + z_.8) * sqrt(d * sum(1 / n_t)) / T``, d the share of clips on which the two differ: for one task
    ``n = 6.18 d / margin^2``.
    """
    return _QUANTILES * math.sqrt(discordance * sum(1 / n for n in clips)) / len(clips)
