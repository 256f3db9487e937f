"""Confidence of one task: its mean, overconfidence, how well it ranks right above wrong, agreement with the scores."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from pytest_mcr.core.betting import MEAN
from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.clusters import Floats, Mask
from pytest_mcr.core.estimates import NOTHING_WRONG, Estimate, mean_of, rate, undefined
from pytest_mcr.core.intervals import spread_limits
from pytest_mcr.core.panel import UNKNOWN, Cell, Panel
from pytest_mcr.core.rates import NO_ANSWERS, Estimates

OVERCONFIDENT: Final = 0.85
"""Confidence above which a wrong answer counts as overconfident (arXiv 2508.15407)."""
LEAST_WRONG: Final = 20
FEW_WRONG: Final = f"fewer than {LEAST_WRONG} wrong answers"
NO_SCORES: Final = "the model gives no scores"
NOT_STATED: Final = "the model stated no confidence"
"""The same reason where confidence was asked for and not taken from scores."""


MEASURED: Final = frozenset({"mean_confidence", "overconfidence", "auroc", "agreement"})
"""Numbers of the confidence suite that the benchmark's cases give in every run."""


def measured(metric: str, suites: Collection[str]) -> bool:
    """Whether these suites measure a metric of the catalogue."""
    return METRICS[metric].suite in suites or (metric in MEASURED and "bench" in suites)


def confidences(panel: Panel) -> Estimates:
    """``mean_confidence`` (also of right and of wrong answers), ``overconfidence``, ``auroc``, ``agreement``.

    Confidence is that of the given answer, so flagged, unparsed and failed cases have none.
    """
    found: Estimates = {}
    for condition in CONDITIONS:
        if condition not in panel.cells:
            continue
        cell = panel.cells[condition]
        scored = cell.answered & ~np.isnan(cell.confidence)
        empty = NO_SCORES if cell.answered.any() else NO_ANSWERS
        found["mean_confidence", condition, ()] = _mean_confidence(panel, cell, scored, empty)
        for name, within in (("right", scored & cell.right), ("wrong", scored & ~cell.right)):
            if scored.any():
                kept = _mean_confidence(panel, cell, within, f"no {name} answers")
                found["mean_confidence", condition, (("answers", name),)] = kept
        found["overconfidence", condition, ()] = overconfidence(panel, cell, scored, empty)
        found["auroc", condition, ()] = auroc(panel, cell, scored, empty)
        ranked = cell.answered & (cell.best != UNKNOWN)
        found["agreement", condition, ()] = rate(panel, cell.answer == cell.best, ranked, empty=empty)
    return found


def _mean_confidence(panel: Panel, cell: Cell, counted: Mask, empty: str) -> Estimate:
    return mean_of(panel, cell.confidence, counted, corners=MEAN, span=(0.0, 1.0), empty=empty)


def _without_wrong(panel: Panel, cell: Cell, scored: Mask, empty: str) -> Estimate | None:
    """Why a number about wrong answers does not exist, None when there are some with a confidence."""
    if cell.answered.any() and not (cell.answered & ~cell.right).any():
        return undefined(panel, NOTHING_WRONG, vacuous=True)
    if not (scored & ~cell.right).any():
        return undefined(panel, empty)
    return None


def overconfidence(panel: Panel, cell: Cell, scored: Mask, empty: str = NO_SCORES) -> Estimate:
    """Share of wrong answers with confidence above `OVERCONFIDENT`; undefined below `LEAST_WRONG` wrong answers.

    Args:
        panel: the task.
        cell: one of its conditions.
        scored: the answers to count, all with a confidence.
        empty: reason given when there are none.
    """
    missing = _without_wrong(panel, cell, scored, empty)
    if missing is not None:
        return missing
    wrong = scored & ~cell.right
    if int(wrong.sum()) < LEAST_WRONG:
        sure = int((wrong & (cell.confidence > OVERCONFIDENT)).sum())
        return undefined(panel, f"{FEW_WRONG} ({sure} of {wrong.sum()} above {OVERCONFIDENT})", int(wrong.sum()))
    return rate(panel, cell.confidence > OVERCONFIDENT, wrong, empty=NOTHING_WRONG)


def placements(values: Floats, others: Floats) -> Floats:
    """For each value, the share of the others that lie below it, ties by half (Mann-Whitney)."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    share: Floats = below / (2 * len(others))
    return share


def auroc(panel: Panel, cell: Cell, scored: Mask, empty: str = NO_SCORES) -> Estimate:
    """Probability that a right answer is more confident than a wrong one, ties by half.

    Variance between clusters from the placement values (DeLong et al., Biometrics 44, 1988; clustered: Obuchowski,
    Biometrics 53, 1997). The interval is Wilson's on the effective size A(1-A)/V, at most the number of clusters, with
    Student's quantile of the rarer side's clusters minus 1; at 0 and 1 the size is that rarer side's clusters.
    """
    missing = _without_wrong(panel, cell, scored, empty)
    if missing is not None:
        return missing
    right, wrong = scored & cell.right, scored & ~cell.right
    if not right.any():
        return undefined(panel, "no right answers")
    influence = np.zeros(len(scored))
    influence[right] = placements(cell.confidence[right], cell.confidence[wrong])
    influence[wrong] = 1 - placements(cell.confidence[wrong], cell.confidence[right])
    value = float(influence[right].mean())
    weight = right / right.sum() + wrong / wrong.sum()
    spread = panel.per_cluster((influence - value) * weight)
    clusters = int((panel.per_cluster(scored) > 0).sum())
    rarer = min(int((panel.per_cluster(side) > 0).sum()) for side in (right, wrong))
    return Estimate(
        value=value,
        limits=spread_limits(value, spread, clusters, rarer),
        n=int(scored.sum()),
        clusters=clusters,
        influence=spread,
        share=panel.per_cluster(weight) / 2,
    )
