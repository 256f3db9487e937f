"""What a text does to calibration: the same number with the text less without it, on the same clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pytest_mcr.core.calibration import ece, equal_width
from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL
from pytest_mcr.core.confidence import auroc, overconfidence
from pytest_mcr.core.estimates import Estimate, undefined
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.panel import Panel
from pytest_mcr.core.rates import Estimates
from pytest_mcr.core.scored import has_confidence, scored
from pytest_mcr.core.scoring import brier
from pytest_mcr.core.upward import Reaches, of_gaps

TEXTS: Final = (FAITHFUL, ADVERSARIAL, IRRELEVANT)
NO_PAIRS: Final = "no clip has a confidence with and without the text"

RANKED: Final = {"overconfidence_shift": overconfidence, "auroc_shift": auroc}


def shifts(panel: Panel) -> tuple[Estimates, Reaches]:
    """``overconfidence_shift``, ``auroc_shift``, ``ece_shift`` and ``brier_shift`` of each text, and their reach.

    Both sides are over the samples that have a confidence under both; their number is n.
    """
    found: Estimates = {}
    reaches: Reaches = {}
    for condition in TEXTS:
        if NEUTRAL not in panel.cells or condition not in panel.cells:
            continue
        both = has_confidence(panel.cells[NEUTRAL]) & has_confidence(panel.cells[condition])
        if not both.any():
            found |= {
                (name, condition, ()): undefined(panel, NO_PAIRS) for name in (*RANKED, "ece_shift", "brier_shift")
            }
            continue
        sides = panel.cells[condition], panel.cells[NEUTRAL]
        pairs = {name: [measured(panel, side, both) for side in sides] for name, measured in RANKED.items()}
        rows = [scored(panel, side, both) for side in (condition, NEUTRAL)]
        bins = [equal_width(side.confidence) for side in rows]
        pairs["ece_shift"] = [ece(side, codes) for side, codes in zip(rows, bins, strict=True)]
        pairs["brier_shift"] = [brier(side) for side in rows]
        for name, (one, other) in pairs.items():
            found[name, condition, ()] = difference(one, other, condition, int(both.sum()))
        reaches["ece_shift", condition, ()] = of_gaps(rows[0], bins[0]), of_gaps(rows[1], bins[1])
    return found, reaches


def difference(one: Estimate, other: Estimate, condition: str, n: int) -> Estimate:
    """``one - other`` of two numbers on the same clips.

    The limits are recovered from the numbers' own (Zou, Psychol. Methods 12, 2007):
    ``low = d - sqrt((x - l_x)^2 + (u_y - y)^2 - 2 r (x - l_x)(u_y - y))``, likewise above, r the correlation between
    clips; 0 where one of them shows no variance.

    Args:
        one: with the text.
        other: without.
        condition: of the text, for the reason.
        n: samples with both.
    """
    if one.value is None or one.limits is None:
        return replace(one, value=None, limits=None, note=f"{one.note} in {condition}", step=None)
    if other.value is None or other.limits is None:
        return replace(one, value=None, limits=None, note=f"{other.note} in {NEUTRAL}", vacuous=False, step=None)
    r = _correlation(one, other)
    a, b = one.limits, other.limits

    def reach(mine: float, its: float) -> float:
        return float(np.sqrt(max(mine**2 + its**2 - 2 * r * mine * its, 0.0)))

    value = one.value - other.value
    return replace(
        one,
        value=value,
        limits=Limits(
            low=value - reach(one.value - a.low, b.high - other.value),
            high=value + reach(a.high - one.value, other.value - b.low),
            lower95=value - reach(one.value - a.lower95, b.upper95 - other.value),
            upper95=value + reach(a.upper95 - one.value, other.value - b.lower95),
        ),
        n=n,
        influence=one.influence - other.influence,
        share=(one.share + other.share) / 2,
        note=None,
        step=None,
        is_rate=False,
    )


def _correlation(one: Estimate, other: Estimate) -> float:
    product = float(one.influence @ other.influence)
    scale = float(np.sqrt((one.influence @ one.influence) * (other.influence @ other.influence)))
    return product / scale if scale > 1e-12 else 0.0
