"""Rates of one task: accuracy and its relatives, text influence, text following."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO
from pytest_mcr.core.clusters import Mask
from pytest_mcr.core.estimates import NOTHING_WRONG, Estimate, mean, rate, undefined
from pytest_mcr.core.panel import UNKNOWN, Panel

Key = tuple[str, str | None, tuple[tuple[str, str], ...]]
"""Metric, condition, extra keys: what a row is found by within its task."""
Estimates = dict[Key, Estimate]

KNOWN_LABELS: Final = 0.8
"""Least share of known text labels for `text_follow` and `tdr`."""
NO_ANSWERS: Final = "no answers"
NO_PAIRS: Final = "no paired samples"
NOTHING_RIGHT: Final = "no right neutral answers"


def accuracies(panel: Panel) -> Estimates:
    """``accuracy`` and its bounds, ``balanced_accuracy``, ``skill``, ``flagged``, ``unparsed``, ``macro_accuracy``.

    Errors leave the denominator (they count in ``accuracy_worst`` and ``accuracy_best`` only); flagged and unparsed
    answers stay in it and are not right.
    """
    found: Estimates = {}
    for condition in CONDITIONS:
        if condition not in panel.cells:
            continue
        cell = panel.cells[condition]
        accuracy = rate(panel, cell.right, cell.ok, empty=NO_ANSWERS)
        found["accuracy", condition, ()] = accuracy
        found["accuracy_worst", condition, ()] = rate(panel, cell.right, cell.seen, empty=NO_ANSWERS)
        lenient = cell.right | cell.unparsed | (cell.seen & ~cell.ok)
        found["accuracy_best", condition, ()] = rate(panel, lenient, cell.seen, empty=NO_ANSWERS)
        found["balanced_accuracy", condition, ()] = _balanced(panel, cell.right, cell.ok)
        found["skill", condition, ()] = _skill(panel, accuracy)
        found["flagged", condition, ()] = rate(panel, cell.flagged, cell.ok, empty=NO_ANSWERS)
        found["unparsed", condition, ()] = rate(panel, cell.unparsed, cell.ok, empty=NO_ANSWERS)
    texts = [found.get(("accuracy", c, ())) for c in (FAITHFUL, ADVERSARIAL, IRRELEVANT)]
    present = [x for x in texts if x is not None]
    if len(present) == len(texts):
        whole = all(x.value is not None for x in present)
        found["macro_accuracy", None, ()] = mean(present) if whole else undefined(panel, NO_ANSWERS)
    return found


def _balanced(panel: Panel, right: Mask, ok: Mask) -> Estimate:
    """Mean recall over the gold answers that occur."""
    if not panel.closed:
        return undefined(panel, "open-ended: no answer classes")
    if not ok.any():
        return undefined(panel, NO_ANSWERS)
    recalls = [rate(panel, right, ok & (panel.gold == code), empty=NO_ANSWERS) for code in np.unique(panel.gold[ok])]
    return mean(recalls)


def _skill(panel: Panel, accuracy: Estimate) -> Estimate:
    """(accuracy - chance) / (1 - chance); chance is a constant of the data, so the interval is transformed with it."""
    if 1 - panel.chance < 1e-9:
        return undefined(panel, "every gold answer is the same", accuracy.n)
    return accuracy.above(panel.chance)


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """Who counts and who hits in a Text Influence Rate: masks by sample."""

    pairs: Mask
    eligible: Mask
    hits: Mask
    note: str | None
    empty: str
    vacuous: bool = False

    def over(self, panel: Panel, within: Mask | None = None) -> Estimate:
        """The rate over the eligible samples, within a slice."""
        if within is not None:
            return rate(panel, self.hits, self.eligible & within, empty=self.empty)
        return rate(panel, self.hits, self.eligible, empty=self.empty, vacuous=self.vacuous).noted(self.note)


def influence(panel: Panel, condition: str) -> Influence:
    """The masks of ``tir[condition]``; a sample with an error on either side is no pair.

    ``adversarial`` and ``placebo``: right in neutral, then not right. ``faithful``: wrong in neutral, then right.
    ``irrelevant``: rightness differs, over all pairs. (arXiv 2508.15407 names the rates; their denominators there are
    ambiguous, so ``tir_all`` gives the other reading.) An unparsed neutral answer is neither right nor wrong and so not
    eligible; the note counts it.
    """
    neutral, cell = panel.cells[NEUTRAL], panel.cells[condition]
    pairs = neutral.ok & cell.ok
    if condition == IRRELEVANT:
        return Influence(pairs, pairs, pairs & (neutral.right != cell.right), None, NO_PAIRS)
    silent = int((pairs & neutral.unparsed).sum())
    note = f"{silent} unparsed neutral {'answer is' if silent == 1 else 'answers are'} not eligible" if silent else None
    if condition == FAITHFUL:
        wrong = pairs & ~neutral.right
        clean = bool(pairs.any()) and not wrong.any()
        empty = NOTHING_WRONG if clean else NO_PAIRS if not pairs.any() else "no wrong neutral answer is parsed"
        eligible = wrong & ~neutral.unparsed
        return Influence(pairs, eligible, eligible & cell.right, note, empty, vacuous=clean)
    eligible = pairs & neutral.right
    return Influence(pairs, eligible, eligible & ~cell.right, note, NOTHING_RIGHT if pairs.any() else NO_PAIRS)


def influences(panel: Panel) -> Estimates:
    """``tir``, ``tir_all``, ``flip`` and ``harm`` of each condition, ``tir`` also by gold and by text label."""
    found: Estimates = {}
    if NEUTRAL not in panel.cells:
        return found
    neutral = panel.cells[NEUTRAL]
    for condition in (FAITHFUL, ADVERSARIAL, IRRELEVANT, PLACEBO):
        if condition not in panel.cells:
            continue
        masks, cell = influence(panel, condition), panel.cells[condition]
        found["tir", condition, ()] = masks.over(panel)
        found["tir_all", condition, ()] = rate(panel, masks.hits, masks.pairs, empty=NO_PAIRS)
        if condition == PLACEBO:
            continue
        differs = neutral.answer != cell.answer
        found["flip", condition, ()] = rate(panel, differs, masks.pairs, empty=NO_PAIRS)
        kept = masks.pairs & neutral.right
        found["harm", condition, ()] = rate(panel, ~cell.right, kept, empty=NOTHING_RIGHT)
        for extra, within in _slices(panel, condition):
            if (masks.eligible & within).any():
                found["tir", condition, extra] = masks.over(panel, within)
    return found


def _slices(panel: Panel, condition: str) -> list[tuple[tuple[tuple[str, str], ...], Mask]]:
    """The samples by gold and by text label; none for an open-ended task."""
    if not panel.closed:
        return []
    cell = panel.cells[condition]
    gold = [((("gold", panel.labels[code]),), panel.gold == code) for code in np.unique(panel.gold)]
    known = np.unique(cell.label[cell.label != UNKNOWN])
    return [*gold, *(((("text_label", panel.labels[code]),), cell.label == code) for code in known)]


def following(panel: Panel) -> Estimates:
    """``text_follow`` (also by gold and by text label) and ``tdr``.

    ``text_follow`` = text verdicts / answers to texts with a known label, unparsed and flagged included. ``tdr`` =
    text / (text + audio) verdicts (Text Dominance Ratio, arXiv 2602.11488). Both are undefined when fewer than
    `KNOWN_LABELS` of the answered cases have a known text label: the rest could never count as following.
    """
    found: Estimates = {}
    for condition in (ADVERSARIAL, IRRELEVANT):
        if condition not in panel.cells:
            continue
        cell = panel.cells[condition]
        known = cell.ok & (cell.label != UNKNOWN)
        answers = int(cell.ok.sum())
        share = float(known.sum() / answers) if answers else 0.0
        reason = f"text label known for {100 * share:.0f} %" if answers else NO_ANSWERS
        committed = cell.ok & (cell.text | cell.right)
        for metric, trials in (("text_follow", known), ("tdr", committed)):
            if metric == "tdr" and condition != ADVERSARIAL:
                continue
            if share < KNOWN_LABELS:
                found[metric, condition, ()] = undefined(panel, reason)
            else:
                found[metric, condition, ()] = rate(panel, cell.text, trials, empty="no text or audio answers")
        for extra, within in _slices(panel, condition):
            if (known & within).any():
                found["text_follow", condition, extra] = rate(panel, cell.text, known & within, empty=NO_ANSWERS)
    return found
