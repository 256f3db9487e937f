"""How far unparsed answers could move a number: the least and largest value over every way of reading them.

Each unparsed answer may be right or wrong, independently. The extremes are exact, not simulated. Flagged answers
are read (they commit to nothing), so they stay as they are; errors count only in ``accuracy_worst`` and ``_best``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Final

import numpy as np

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO
from pytest_mcr.core.clusters import Floats, Mask
from pytest_mcr.core.panel import Cell, Panel

Bounds = tuple[float, float]
Parts = tuple[Floats, Floats]

_TEXTS: Final = (FAITHFUL, ADVERSARIAL, IRRELEVANT)


def reading_bounds(panel: Panel, alpha: float) -> dict[tuple[str, str | None], Bounds]:
    """Least and largest value by (metric, condition), only where an unparsed answer takes part.

    Covers accuracy, skill, balanced and macro accuracy, normalised accuracy, TIR in all forms, harm and MRS. An end
    is infinite where the readings include a neutral accuracy of 0 under a right answer.
    """
    found: dict[tuple[str, str | None], Bounds | None] = {}
    for condition, cell in panel.cells.items():
        if condition in CONDITIONS and cell.unparsed.any():
            found |= _accuracy_bounds(panel, condition, cell)
    accuracies = [_accuracy_ends(panel.cells[c]) for c in _TEXTS if c in panel.cells]
    if len(accuracies) == len(_TEXTS) and any(panel.cells[c].unparsed.any() for c in _TEXTS):
        found["macro_accuracy", None] = _mean(accuracies)
    if NEUTRAL in panel.cells:
        found |= _paired_bounds(panel, alpha)
    return {key: bounds for key, bounds in found.items() if bounds is not None}


def _accuracy_ends(cell: Cell, within: Mask | None = None) -> Bounds | None:
    among = cell.ok if within is None else cell.ok & within
    n = int(among.sum())
    right, unparsed = int((among & cell.right).sum()), int((among & cell.unparsed).sum())
    return (right / n, (right + unparsed) / n) if n else None


def _mean(ends: list[Bounds | None]) -> Bounds | None:
    whole = [x for x in ends if x is not None]
    if len(whole) < len(ends) or not whole:
        return None
    return sum(x[0] for x in whole) / len(whole), sum(x[1] for x in whole) / len(whole)


def _accuracy_bounds(panel: Panel, condition: str, cell: Cell) -> dict[tuple[str, str | None], Bounds | None]:
    ends, left = _accuracy_ends(cell), 1 - panel.chance
    skill = None if ends is None or left < 1e-9 else ((ends[0] - panel.chance) / left, (ends[1] - panel.chance) / left)
    classes = [_accuracy_ends(cell, panel.gold == code) for code in np.unique(panel.gold[cell.ok])]
    return {
        ("accuracy", condition): ends,
        ("skill", condition): skill,
        ("balanced_accuracy", condition): _mean(classes) if panel.closed else None,
    }


def _paired_bounds(panel: Panel, alpha: float) -> dict[tuple[str, str | None], Bounds | None]:
    found: dict[tuple[str, str | None], Bounds | None] = {}

    def note(metric: str, condition: str | None, others: tuple[str, ...], parts: Callable[..., Parts]) -> None:
        cells = [panel.cells[c] for c in (NEUTRAL, *others) if c in panel.cells]
        among = np.logical_and.reduce([cell.ok for cell in cells])
        if len(cells) == 1 + len(others) and any((among & cell.unparsed).any() for cell in cells):
            found[metric, condition] = extreme_ratios(cells, among, parts)

    for condition in (FAITHFUL, ADVERSARIAL, IRRELEVANT, PLACEBO):
        note("tir", condition, (condition,), TIR_PARTS.get(condition, _lost))
        note("tir_all", condition, (condition,), _over_all(TIR_PARTS.get(condition, _lost)))
        if condition != PLACEBO:
            note("harm", condition, (condition,), _lost)
            note("normalized_accuracy", condition, (condition,), lambda n, c: (c, n))
    note("tir_excess", ADVERSARIAL, (ADVERSARIAL, PLACEBO), lambda n, a, p: (n * (p - a), n))
    others = (ADVERSARIAL, IRRELEVANT)
    note("mrs_uncapped", None, others, lambda n, a, i: (alpha * a + (1 - alpha) * i, n))
    if ("mrs_uncapped", None) in found:
        found["mrs", None] = _mrs_ends(panel, alpha)
    return found


def _lost(neutral: Floats, other: Floats) -> Parts:
    return neutral * (1 - other), neutral


def _won(neutral: Floats, other: Floats) -> Parts:
    return (1 - neutral) * other, 1 - neutral


def _changed(neutral: Floats, other: Floats) -> Parts:
    return np.abs(neutral - other), np.ones_like(neutral)


TIR_PARTS: Final[dict[str, Callable[[Floats, Floats], Parts]]] = {FAITHFUL: _won, IRRELEVANT: _changed}
"""Numerator and denominator of TIR for one reading of a sample's rightness (0 or 1); else lost of the heard."""


def _over_all(parts: Callable[[Floats, Floats], Parts]) -> Callable[[Floats, Floats], Parts]:
    return lambda neutral, other: (parts(neutral, other)[0], np.ones_like(neutral))


def extreme_ratios(cells: list[Cell], among: Mask, parts: Callable[..., Parts]) -> Bounds | None:
    """Least and largest ratio of sums over all readings of the unparsed answers.

    Every sample contributes one of its readings' (num, den) with den >= 0; the extreme of such a ratio of sums is found
    by Dinkelbach's iteration (Manag. Sci. 13, 1967): with the current ratio t, each sample picks the reading with the
    largest num - t den on its own, until nothing improves.

    Args:
        cells: one or more conditions.
        among: the samples that take part.
        parts: from each condition's rightness (float 0 or 1, shape (n,)) to num and den, shape (n,).

    Returns:
        None when no reading has a denominator.
    """
    readings = list(product((0.0, 1.0), repeat=len(cells)))
    size = int(among.sum())
    num, den, allowed = np.zeros((3, len(readings), size))
    for row, values in enumerate(readings):
        num[row], den[row] = parts(*(np.full(size, value) for value in values))
        fits = [(c.right[among] == bool(v)) | c.unparsed[among] for c, v in zip(cells, values, strict=True)]
        allowed[row] = np.logical_and.reduce(fits)
    if not size or not np.where(allowed > 0, den, 0).max(0).sum():
        return None
    return -_largest(-num, den, allowed > 0), _largest(num, den, allowed > 0)


def _largest(num: Floats, den: Floats, allowed: Mask) -> float:
    columns = np.arange(num.shape[1])
    pick = np.where(allowed, den, -1.0).argmax(0)
    while True:
        top, bottom = float(num[pick, columns].sum()), float(den[pick, columns].sum())
        if bottom == 0:  # right answers over a neutral accuracy of 0
            return math.inf
        value = top / bottom
        gain = np.where(allowed, num - value * den, -np.inf)
        better = gain.argmax(0)
        if float(gain[better, columns].sum()) <= 1e-9 * max(1.0, abs(top)):
            return value
        pick = better


def _mrs_ends(panel: Panel, alpha: float) -> Bounds | None:
    """Capped MRS rises with every right answer under a text and falls with every right neutral one, each on its own."""
    cells = [panel.cells[c] for c in (NEUTRAL, ADVERSARIAL, IRRELEVANT)]
    among = np.logical_and.reduce([cell.ok for cell in cells])
    least = [int((among & cell.right).sum()) for cell in cells]
    most = [int((among & (cell.right | cell.unparsed)).sum()) for cell in cells]
    if not most[0]:
        return None

    def score(neutral: int, adversarial: int, irrelevant: int) -> float:
        heard = max(neutral, 1)  # a reading with none right in neutral has no MRS; the next one has one
        return alpha * min(1.0, adversarial / heard) + (1 - alpha) * min(1.0, irrelevant / heard)

    return score(most[0], least[1], least[2]), score(least[0], most[1], most[2])
