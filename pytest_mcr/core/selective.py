"""Selective prediction: how many errors are left when only the most confident answers are given."""

from __future__ import annotations

from typing import Final

import numpy as np

from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.estimates import Estimate, rate
from pytest_mcr.core.intervals import spread_limits
from pytest_mcr.core.rates import Estimates
from pytest_mcr.core.scored import Scored

COVERAGES: Final = tuple(k / 10 for k in range(1, 11))


def bounded(rows: Scored, value: float, terms: Floats) -> Estimate:
    """A number in [0, 1] with Wilson's interval on its effective size.

    Args:
        rows: the answers.
        value: the number.
        terms: what each answer adds to it, to first order; mean equal to the number. The variance between clips gives
            the effective size value(1-value)/V, at most the number of clips; without any variance it is that number.
    """
    units = rows.clips.per_cluster(np.ones(len(rows)))
    influence = (rows.clips.per_cluster(terms) - value * units) / len(rows)
    clusters = int((units > 0).sum())
    return Estimate(
        value, spread_limits(value, influence, clusters, clusters), len(rows), clusters, influence, units / len(rows)
    )  # fmt: skip


def aurc(rows: Scored) -> Estimate:
    """Area under the risk-coverage curve: the mean over k of the share of wrong among the k most confident answers.

    Geifman and El-Yaniv, NeurIPS 2017. It is ``mean(wrong * weight)``, the weight of the i-th most confident answer
    ``1/i + ... + 1/n``; equal confidences share the mean of their weights, as if their order were drawn. It depends on
    the ranks of the confidences alone, and on accuracy: 0 only where nothing is wrong. Influence: the answer's own
    term, and that of its rank on the others'.
    """
    order = np.argsort(-rows.confidence, kind="stable")
    wrong = 1 - rows.right[order]
    places = np.arange(1, len(rows) + 1)
    _, first, group = np.unique(-rows.confidence[order], return_index=True, return_inverse=True)
    sizes = np.bincount(group)
    harmonic = np.cumsum((1 / places)[::-1])[::-1]
    weight = (np.add.reduceat(harmonic, first) / sizes)[group]
    value = min(float((wrong * weight).mean()), 1.0)
    # An answer of rank u lowers the weight -log(coverage) of every answer at or below it in confidence.
    lowered = np.cumsum((wrong / (first + (sizes + 1) / 2)[group])[::-1])[::-1]
    shared = (np.add.reduceat(lowered, first) / sizes)[group]
    terms = np.empty(len(rows))
    terms[order] = wrong * weight - shared + wrong.mean()
    return bounded(rows, value, terms + (value - terms.mean())).noted(rows.note)


def risks(rows: Scored, condition: str) -> Estimates:
    """``risk``: share of wrong among the most confident answers, at tenths of coverage; ties stay together."""
    ordered = np.sort(rows.confidence)[::-1]
    found: Estimates = {}
    for coverage in COVERAGES:
        least = ordered[int(np.ceil(coverage * len(rows) - 1e-9)) - 1]
        kept = rows.confidence >= least
        extra = (("coverage", f"{kept.mean():.3f}"),)
        found["risk", condition, extra] = rate(rows.clips, rows.right == 0, kept, empty="no answers")
    return found
