"""What a calibration head is worth on clips it never saw: against raw and temperature-scaled confidence, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pytest_mcr.core.calibration import SIGNED
from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL
from pytest_mcr.core.clusters import Clusters, Floats, Mask, clustered, roster
from pytest_mcr.core.estimates import mean_of
from pytest_mcr.core.features import probability, tops
from pytest_mcr.core.head import Fitted, Target, eligible, fit_head, scaled, temperature_of, truth
from pytest_mcr.core.head_cases import HeadCase
from pytest_mcr.core.head_probe import Readout
from pytest_mcr.core.paired import MEASURES, Compared, compare

ALL: Final = "all"
PREVALENCES: Final = (0.01, 0.10, 0.33)
HELD_OUT, OPERATORS = "held-out clips", "unseen edits"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A head and the baseline that was fitted on the same cases."""

    head: Fitted
    temperature: float

    def baseline(self, cases: Sequence[HeadCase], temperature: float) -> Floats:
        """What confidence alone says of the target; of a conflict, that a doubtful answer has one."""
        if self.head.target == "correctness":
            return scaled(cases, temperature)
        best = [
            probability({k: s / temperature for k, s in case.scores.joint.items()}, tops(case.scores.joint))
            for case in cases
        ]
        return 1 - np.array(best)


def clips_of(cases: Iterable[HeadCase]) -> Clusters:
    """The cases' clips."""
    names = [case.cluster for case in cases]
    return clustered(names, roster(names))


def compared(pair: Pair, cases: Sequence[HeadCase], where: str, seed: int) -> list[Row]:
    """Each measure of the head against the baselines, by condition and over all of them.

    Args:
        pair: fitted on other clips than these.
        cases: to judge on.
        where: what is new about them.
        seed: of the bootstrap.
    """
    target = pair.head.target
    rows = []
    for condition in (*CONDITIONS, ALL):
        chosen = [c for c in eligible(target, cases) if condition in (ALL, c.condition)]
        if not chosen or (target == "conflict" and condition != ALL):
            continue
        right, clips = truth(target, chosen), clips_of(chosen)
        raw, cooled = pair.baseline(chosen, 1.0), pair.baseline(chosen, pair.temperature)
        learned = pair.head.probability(chosen)
        common = {"target": target, "where": where, "condition": condition, "n": len(chosen)}
        common |= {"clips": len(set(clips.cluster.tolist()))}
        for name, measure in MEASURES.items():
            if name == "aurc" and target == "conflict":
                continue  # no answer is held back for being a conflict
            against = compare(measure, cooled, learned, right, clips, seed=seed)
            plain = measure(raw, right, np.ones((1, len(chosen))))[0]
            rows.append(
                common | {"measure": name, "raw": known(float(plain))} | figures(against, "temperature", "head")
            )
    return rows


def figures(found: Compared, before: str, after: str) -> Row:
    """A comparison as part of a row."""
    return {
        before: known(found.before),
        after: known(found.after),
        "difference": known(found.difference),
        "low": found.low,
        "high": found.high,
    }


def known(value: float) -> float | None:
    """A number, None where it is undefined."""
    return None if math.isnan(value) else value


def gained(pair: Pair, probed: Fitted, cases: Sequence[HeadCase], where: str, seed: int) -> list[Row]:
    """Each measure of a head with a probe against the head without one, fitted on the same cases.

    Args:
        pair: without.
        probed: with.
        cases: to judge on, of other clips and texts.
        where: what is new about them.
        seed: of the bootstrap.
    """
    target, rows = probed.target, []
    for condition in (*CONDITIONS, ALL):
        chosen = [c for c in eligible(target, cases) if condition in (ALL, c.condition)]
        if not chosen or (target == "conflict" and condition != ALL):
            continue
        right, clips = truth(target, chosen), clips_of(chosen)
        before, after = pair.head.probability(chosen), probed.probability(chosen)
        for name, measure in MEASURES.items():
            if name == "aurc" and target == "conflict":
                continue
            found = figures(compare(measure, before, after, right, clips, seed=seed), "head", "probe")
            common = {"target": target, "where": where, "condition": condition, "measure": name, "n": len(chosen)}
            rows.append(
                common
                | {
                    "clips": len(set(clips.cluster.tolist())),
                    "layer": None if probed.probe is None else probed.probe.layer,
                }
                | found
            )
    return rows


def fit_pair(target: Target, cases: Sequence[HeadCase]) -> Pair:
    """A head and its baseline, both from these cases.

    Raises:
        ValueError: one class only.
    """
    return Pair(fit_head(target, cases), temperature_of(cases))


def unseen_tasks(
    target: Target, dev: Sequence[HeadCase], test: Sequence[HeadCase], seed: int, readout: Readout | None = None
) -> list[Row]:
    """Leave each task out of the fit and judge on its test clips; a task whose rest cannot be fitted says so."""
    tasks = sorted({case.task for case in test})
    rows: list[Row] = []
    for task in tasks if len(tasks) > 1 else ():
        try:
            others = [case for case in dev if case.task != task]
            pair = fit_pair(target, others)
            probed = None if readout is None else fit_head(target, others, readout=readout)
        except ValueError as error:
            rows.append({"target": target, "where": f"unseen task {task}", "note": str(error)})
            continue
        own = [case for case in test if case.task == task]
        rows += compared(pair, own, f"unseen task {task}", seed)
        rows += [] if probed is None else gained(pair, probed, own, f"unseen task {task}", seed)
    return rows


def at_prevalences(head: Fitted, cases: Sequence[HeadCase], seed: int) -> list[Row]:
    """A conflict head where conflicts are rarer than in the data.

    The test cases are reweighted so that conflicts make up the share, and the head's log-odds are shifted to it. The
    baseline is the share itself as the probability of every case.
    """
    chosen = eligible("conflict", cases)
    positive = truth("conflict", chosen)
    if not 0 < int(positive.sum()) < len(positive):
        return [{"target": "conflict", "where": "prevalence", "note": "the test clips hold one class only"}]
    clips, rows = clips_of(chosen), []
    for share in PREVALENCES:
        weights = np.where(positive, share / positive.sum(), (1 - share) / (~positive).sum())
        learned = head.probability(chosen, share)
        flat = np.full(len(chosen), share)
        fired = learned >= 0.5
        hit = float(weights[fired & positive].sum())
        row = {"target": "conflict", "where": "prevalence", "prevalence": share, "n": len(chosen)}
        row |= {"recall": hit / share, "precision": hit / float(weights[fired].sum()) if fired.any() else None}
        for name in ("ece", "brier", "nll"):
            found = compare(MEASURES[name], flat, learned, positive, clips, weights=weights, seed=seed)
            rows.append(row | {"measure": name} | figures(found, "base_rate", "head"))
    return rows


def choose_threshold(head: Fitted, dev: Sequence[HeadCase], budget: float) -> float | None:
    """The probability of conflict from which answers are taken from branch A.

    The one with the most right adversarial answers on the dev clips whose faithful accuracy drops by no more than the
    budget there; of equals the highest. None where none gains anything.

    Args:
        head: for conflict.
        dev: the clips to choose on.
        budget: largest drop of faithful accuracy, e.g. 0.05.
    """
    texts = {name: [c for c in dev if c.condition == name] for name in (ADVERSARIAL, FAITHFUL)}
    if not texts[ADVERSARIAL]:
        return None
    odds = {name: head.probability(cases) for name, cases in texts.items() if cases}
    gains = {name: _change(cases) for name, cases in texts.items()}
    best: tuple[float, float | None] = (0.0, None)
    for threshold in np.unique(np.concatenate(list(odds.values())))[::-1]:
        gain = float(gains[ADVERSARIAL][odds[ADVERSARIAL] >= threshold].sum())
        lost = -float(gains[FAITHFUL][odds[FAITHFUL] >= threshold].sum()) if FAITHFUL in odds else 0.0
        if lost <= budget * len(texts[FAITHFUL]) and gain > best[0]:
            best = (gain, float(threshold))
    return best[1]


def _change(cases: Sequence[HeadCase]) -> Floats:
    """What taking branch A's answer does to each case: 1 mends it, -1 breaks it."""
    return np.array([float(case.audio_right) - float(case.right) for case in cases])


def robustness(head: Fitted, threshold: float | None, test: Sequence[HeadCase]) -> list[Row]:
    """Accuracy of J, of the rule "when the head fires answer from A, else J", and of A always (the hard switch)."""
    rows: list[Row] = []
    for condition in CONDITIONS[1:]:
        cases = [case for case in test if case.condition == condition]
        if not cases:
            continue
        clips, change = clips_of(cases), _change(cases)
        fires: Mask = head.probability(cases) >= (math.inf if threshold is None else threshold)
        joint = float(np.mean([case.right for case in cases]))
        for rule, fired in (("head", fires), ("always A", np.ones(len(cases), dtype=np.bool_))):
            moves = np.where(fired, change, 0.0)
            everyone = np.ones(len(cases), dtype=np.bool_)
            moved = mean_of(clips, moves, everyone, corners=SIGNED, span=(-1.0, 1.0), empty="no cases")
            value = float(moves.mean())
            rows.append(
                {
                    "where": "robustness",
                    "rule": rule,
                    "condition": condition,
                    "n": len(cases),
                    "joint": joint,
                    "accuracy": joint + value,
                    "change": value,
                    "low": None if moved.limits is None else moved.limits.low,
                    "high": None if moved.limits is None else moved.limits.high,
                    "fired": float(fired.mean()),
                }
            )
    return rows
