"""Expected calibration error (ECE): confidence against the share of right answers, by bins of confidence.

``ECE = sum_b n_b/n * |right_b - confidence_b|`` (Naeini et al., AAAI 2015; Guo et al., ICML 2017). Three binnings:
equal width, equal mass, and the monotone sweep (Roelofs et al., AISTATS 2022). Chance alone makes the absolute values
positive, so the plug-in value is biased upward on few answers: `floor` says by how much, `upward` widens the interval.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pytest_mcr.core.clusters import Codes, Floats
from pytest_mcr.core.estimates import Estimate, rate, ratio
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.rates import Estimates
from pytest_mcr.core.scored import Scored
from pytest_mcr.core.upward import Reaches, of_gaps

BINS: Final = 15
"""Bins of equal width and of equal mass (as in Guo et al., 2017)."""
MOST_BINS: Final = 100
"""Where the monotone sweep stops."""
SIGNED: Final = ((-1.0, 1.0), (1.0, 1.0))
"""Corners of (num, den) of one answer whose value lies in [-1, 1]."""


def equal_width(confidence: Floats, bins: int = BINS) -> Codes:
    """The bin ``(k/bins, (k+1)/bins]`` of each confidence; 0 belongs to the first."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence).astype(np.int64)


def equal_mass(confidence: Floats, bins: int = BINS) -> Codes:
    """The bin between quantiles of each confidence; equal confidences share a bin, so bins may be uneven or empty."""
    edges = np.percentile(confidence, np.linspace(0, 1, bins + 1) * 100)[1:-1]
    return np.searchsorted(edges, confidence).astype(np.int64)


def sweep(rows: Scored) -> Codes:
    """Equal-mass bins, as many as keep the share of right answers from falling with confidence, at most `MOST_BINS`."""
    best = np.zeros(len(rows), dtype=np.int64)
    for bins in range(2, min(len(rows), MOST_BINS) + 1):
        codes = equal_mass(rows.confidence, bins)
        counts = np.bincount(codes, minlength=bins)
        hits = np.bincount(codes, weights=rows.right, minlength=bins)[counts > 0] / counts[counts > 0]
        if (np.diff(hits) < 0).any():
            break
        best = codes
    return best


def ece(rows: Scored, bins: Codes) -> Estimate:
    """The expected calibration error over these bins.

    With each bin's sign fixed, the ECE is a mean of ``sign_b * (right - confidence)``, so its interval is the betting
    one, valid for any number of clips. The signs come from the same answers: they can only make the value too large,
    so the lower end has to move down by what chance may have added (`upward.of_gaps`).

    Args:
        rows: at least one answer.
        bins: of each answer.
    """
    misses = rows.right - rows.confidence
    signs = np.sign(np.bincount(bins, weights=misses))
    everyone = np.ones(len(rows), dtype=np.bool_)
    found = ratio(
        rows.clips, signs[bins] * misses, everyone, everyone, corners=SIGNED, span=(-1.0, 1.0), empty="no answers"
    )
    return replace(found, step=None)


def floor(rows: Scored, bins: Codes) -> Estimate:
    """The ECE that a calibrated model with these confidences shows on so many independent answers, in expectation.

    Exact: the right answers of a bin are Poisson-binomial. It is a constant of the confidences, so its interval is the
    point.
    """
    expected = sum(_mean_miss(rows.confidence[bins == code]) for code in np.unique(bins)) / len(rows)
    units = rows.clips.per_cluster(np.ones(len(rows)))
    nothing = np.zeros_like(units)
    return Estimate(
        expected, Limits(*(expected,) * 4), len(rows), int((units > 0).sum()), nothing, units / units.sum()
    )  # fmt: skip


def _mean_miss(chances: Floats) -> float:
    """E|S - sum(p)| of a sum S of independent events with these chances."""
    mass = np.zeros(len(chances) + 1)
    mass[0] = 1.0
    for events, chance in enumerate(chances, start=1):
        mass[1 : events + 1] = mass[1 : events + 1] * (1 - chance) + mass[:events] * chance
        mass[0] *= 1 - chance
    return float(np.abs(np.arange(len(mass)) - chances.sum()) @ mass)


def errors_of(rows: Scored, condition: str) -> tuple[Estimates, Reaches]:
    """``ece``, ``ece_floor``, ``ece_mass`` and ``ece_adaptive`` of scored answers, at least one, and their reach."""
    width = equal_width(rows.confidence)
    bins = {"ece": width, "ece_mass": equal_mass(rows.confidence), "ece_adaptive": sweep(rows)}
    found = {name: ece(rows, codes) for name, codes in bins.items()} | {"ece_floor": floor(rows, width)}
    return (
        {(name, condition, ()): value.noted(rows.note) for name, value in found.items()},
        {(name, condition, ()): (of_gaps(rows, codes), 0.0) for name, codes in bins.items()},
    )


def reliability(rows: Scored, condition: str) -> Estimates:
    """``reliability``: share of right answers by bin of equal width; the bin and its mean confidence are keys."""
    codes, everyone = equal_width(rows.confidence), np.ones(len(rows), dtype=np.bool_)
    found: Estimates = {}
    for code in np.unique(codes):
        within = codes == code
        extra = (
            ("bin", f"{code / BINS:.3f}-{(code + 1) / BINS:.3f}"),
            ("confidence", f"{rows.confidence[within].mean():.6f}"),
        )
        found["reliability", condition, extra] = rate(rows.clips, rows.right > 0, everyone & within, empty="no answers")
    return found
