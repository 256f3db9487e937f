"""Ratios of one task: normalised accuracy, the Modal Robustness Score, excess influence over the placebo floor."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pytest_mcr.core.betting import DIFFERENCE, RATIO
from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO
from pytest_mcr.core.estimates import Estimate, mean_of, ratio
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.panel import Panel
from pytest_mcr.core.rates import NOTHING_RIGHT, Estimates

INFINITE: Final = (0.0, float("inf"))


def ratios(panel: Panel, alpha: float) -> Estimates:
    """``normalized_accuracy``, ``mrs``, ``mrs_uncapped`` and ``tir_excess``, each over the samples that have all parts.

    Args:
        panel: the task.
        alpha: weight of the adversarial ratio in MRS.
    """
    found: Estimates = {}
    if NEUTRAL not in panel.cells:
        return found
    neutral = panel.cells[NEUTRAL]
    for condition in (FAITHFUL, ADVERSARIAL, IRRELEVANT):
        if condition in panel.cells:
            cell = panel.cells[condition]
            found["normalized_accuracy", condition, ()] = ratio(
                panel,
                cell.right,
                neutral.right,
                neutral.ok & cell.ok,
                corners=RATIO,
                span=INFINITE,
                empty=NOTHING_RIGHT,
            )
    if ADVERSARIAL in panel.cells and IRRELEVANT in panel.cells:
        found["mrs", None, ()], found["mrs_uncapped", None, ()] = _mrs(panel, alpha)
    if ADVERSARIAL in panel.cells and PLACEBO in panel.cells:
        found["tir_excess", ADVERSARIAL, ()] = _excess(panel)
    return found


def _mrs(panel: Panel, alpha: float) -> tuple[Estimate, Estimate]:
    """MRS = alpha * adv/neu + (1 - alpha) * irr/neu, with each ratio capped at 1, and without the caps.

    Capping at 1 is a minimum: capped MRS is the least of four plain ratios over the neutral accuracy, in which ``adv``
    or ``irr`` or both or neither are replaced by ``neu``. So its lower limit is the least of their lower limits (an
    intersection-union argument: if the least true ratio lay below all of them, its own interval would miss too), with
    no correction; and an upper limit of any one of them is an upper limit of the least: the uncapped one serves. It is
    wider than it need be only where irrelevant or adversarial accuracy exceeds neutral accuracy.
    """
    neutral, adversarial, irrelevant = (panel.cells[c] for c in (NEUTRAL, ADVERSARIAL, IRRELEVANT))
    among = neutral.ok & adversarial.ok & irrelevant.ok
    beta = 1 - alpha
    heard, adv, irr = (cell.right.astype(np.float64) for cell in (neutral, adversarial, irrelevant))
    readings = [
        ratio(panel, num, neutral.right, among, corners=corners, span=INFINITE, empty=NOTHING_RIGHT)
        for num, corners in (
            (alpha * adv + beta * irr, RATIO),
            (alpha * adv + beta * heard, ((0.0, 0.0), (alpha, 0.0), (beta, 1.0), (1.0, 1.0))),
            (alpha * heard + beta * irr, ((0.0, 0.0), (beta, 0.0), (alpha, 1.0), (1.0, 1.0))),
        )
    ]
    raw = readings[0]
    if raw.value is None or raw.limits is None:
        return raw, raw
    rights = float((heard * among).sum())
    # The step of an adversarial answer; of an irrelevant one where the adversarial ratio is capped or weighs nothing.
    step = (alpha if alpha and float((adv * among).sum()) < rights else beta) / rights or None
    uncapped = replace(raw, step=step)
    whole = Limits(1.0, 1.0, 1.0, 1.0)
    limits = [x.limits for x in readings if x.limits is not None] + [whole]
    least = min(readings, key=lambda x: np.inf if x.value is None else x.value)
    if least.value is None or least.value >= 1:  # both ratios are capped: MRS is 1 whatever the clips
        least = replace(raw, value=1.0, influence=np.zeros(panel.clusters))
    capped = replace(
        least,
        limits=Limits(
            low=min(x.low for x in limits),
            high=raw.limits.capped(1.0).high,
            lower95=min(x.lower95 for x in limits),
            upper95=raw.limits.capped(1.0).upper95,
        ),
        step=step,
    )
    return capped, uncapped


def _excess(panel: Panel) -> Estimate:
    """tir[adversarial] - tir[placebo] over the samples that have both, by pairs."""
    neutral, adversarial, placebo = (panel.cells[c] for c in (NEUTRAL, ADVERSARIAL, PLACEBO))
    eligible = neutral.ok & adversarial.ok & placebo.ok & neutral.right
    difference = placebo.right.astype(np.float64) - adversarial.right
    return mean_of(panel, difference, eligible, corners=DIFFERENCE, span=(-1.0, 1.0), empty=NOTHING_RIGHT)
