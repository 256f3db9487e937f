"""Outcomes as arrays: one panel a task, one cell a condition, samples in a fixed order.

The order in which outcomes arrive depends on workers, so everything is sorted here once; later sums then give the same
bytes on every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.case import CONDITIONS, PLACEBO, Outcome, Verdict
from pytest_mcr.core.chance import chance
from pytest_mcr.core.clusters import Clusters, Codes, Floats, Mask

UNKNOWN = -1
_SILENT = {Verdict.FLAGGED: -2, Verdict.UNPARSED: -3, Verdict.ERROR: -4}


@dataclass(frozen=True, slots=True)
class Cell:
    """A task under one condition; every array has one entry a sample of the task.

    Attributes:
        seen: the case was reported.
        ok: it was reported and is no error; all verdict masks lie inside it.
        right: verdict ``audio``; flagged and unparsed answers are not right.
        answer: code of the answer; flagged, unparsed and error have negative codes of their own.
        best: code of the best-scored candidate, `UNKNOWN` without scores.
        label: code of the text's label, `UNKNOWN` where unknown.
        confidence: confidence of the given answer, NaN where unknown.
        log_loss: -log p of the gold answer in nats, NaN where unknown.
        brier: squared distance of the candidates' probabilities from the gold answer, NaN where unknown.
    """

    seen: Mask
    ok: Mask
    right: Mask
    text: Mask
    flagged: Mask
    unparsed: Mask
    answer: Codes
    best: Codes
    label: Codes
    confidence: Floats
    log_loss: Floats
    brier: Floats

    @property
    def answered(self) -> Mask:
        """A label was given: neither flagged nor unparsed nor error."""
        return self.ok & ~self.flagged & ~self.unparsed


@dataclass(frozen=True, slots=True)
class Panel:
    """All outcomes of one task.

    Attributes:
        labels: the names behind the codes, sorted.
        gold: code of each sample's gold answer.
        cluster: each sample's cluster, numbered over all tasks.
        clusters: number of clusters over all tasks.
        chance: accuracy that needs no ears.
        closed: every sample has a closed answer set.
        cells: by condition, `PLACEBO` included; only the conditions that were reported.
    """

    task: str
    labels: tuple[str, ...]
    gold: Codes
    cluster: Codes
    clusters: int
    chance: float
    closed: bool
    cells: Mapping[str, Cell]

    def per_cluster(self, values: NDArray[np.generic]) -> Floats:
        """Sum a value by sample over each cluster; shape (clusters,)."""
        return Clusters(self.cluster, self.clusters).per_cluster(values)


def panels(outcomes: Iterable[Outcome]) -> tuple[Panel, ...]:
    """Sort outcomes into one panel a task, by name.

    Raises:
        ValueError: two outcomes for one case, or one sample with two golds or clusters.
    """
    tasks: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        tasks.setdefault(outcome.task, []).append(outcome)
    names = sorted({o.cluster for rows in tasks.values() for o in rows})
    codes = {name: code for code, name in enumerate(names)}
    return tuple(_panel(task, tasks[task], codes) for task in sorted(tasks))


def _panel(task: str, outcomes: Sequence[Outcome], clusters: Mapping[str, int]) -> Panel:
    samples: dict[str, Outcome] = {}
    # Answers first: an undecodable clip has no digest, so the cluster of an error is only a stand-in.
    for outcome in sorted(outcomes, key=lambda o: (o.verdict == Verdict.ERROR, o.condition)):
        known = samples.setdefault(outcome.sample, outcome)
        if known.gold != outcome.gold or (known.cluster != outcome.cluster and outcome.verdict != Verdict.ERROR):
            raise ValueError(f"sample {outcome.sample} has two golds or clusters: {known!r} and {outcome!r}")
    order = sorted(samples)
    rows = {name: row for row, name in enumerate(order)}
    labels = tuple(sorted({x for o in outcomes for x in (o.gold, o.answer, o.best, o.text_label) if x is not None}))
    codes = {label: code for code, label in enumerate(labels)}
    grouped: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        grouped.setdefault(outcome.condition, []).append(outcome)
    firsts = [samples[name] for name in order]
    return Panel(
        task=task,
        labels=labels,
        gold=np.array([codes[o.gold] for o in firsts], dtype=np.int64),
        cluster=np.array([clusters[o.cluster] for o in firsts], dtype=np.int64),
        clusters=len(clusters),
        chance=chance([o.gold for o in firsts], [o.k for o in firsts]),
        closed=all(o.k for o in firsts),
        cells={c: _cell(grouped[c], rows, codes) for c in (*CONDITIONS, PLACEBO) if c in grouped},
    )


def _cell(outcomes: Sequence[Outcome], rows: Mapping[str, int], codes: Mapping[str, int]) -> Cell:
    size = len(rows)
    masks = {verdict: np.zeros(size, dtype=np.bool_) for verdict in Verdict}
    seen = np.zeros(size, dtype=np.bool_)
    answer, best, label = (np.full(size, UNKNOWN, dtype=np.int64) for _ in range(3))
    confidence, log_loss, brier = (np.full(size, np.nan) for _ in range(3))
    for outcome in outcomes:
        row = rows[outcome.sample]
        if seen[row]:
            raise ValueError(f"case {outcome.sample}-{outcome.condition} was reported twice")
        seen[row] = True
        masks[outcome.verdict][row] = True
        silent = _SILENT.get(outcome.verdict)
        if silent is None and outcome.answer is not None:
            answer[row] = codes[outcome.answer]
        elif silent is not None:
            answer[row] = silent
        best[row] = UNKNOWN if outcome.best is None else codes[outcome.best]
        label[row] = UNKNOWN if outcome.text_label is None else codes[outcome.text_label]
        if outcome.confidence is not None and silent is None:
            confidence[row] = outcome.confidence
            log_loss[row] = np.nan if outcome.log_loss is None else outcome.log_loss
            brier[row] = np.nan if outcome.brier is None else outcome.brier
    return Cell(
        seen=seen,
        ok=seen & ~masks[Verdict.ERROR],
        right=masks[Verdict.AUDIO],
        text=masks[Verdict.TEXT],
        flagged=masks[Verdict.FLAGGED],
        unparsed=masks[Verdict.UNPARSED],
        answer=answer,
        best=best,
        label=label,
        confidence=confidence,
        log_loss=log_loss,
        brier=brier,
    )
