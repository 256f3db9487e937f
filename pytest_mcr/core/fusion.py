"""Fusion numbers of every model with scores: margins, quadrants, Shapley values, text share, balance point, TPR."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pytest_mcr.core.averages import mean_value, weighted_share
from pytest_mcr.core.balance import balance_point
from pytest_mcr.core.branches import (
    BRANCHES,
    LETTERS,
    FusionTrial,
    Quadrant,
    best,
    entropy,
    quadrant,
    relative_uncertainty,
    shapley,
)
from pytest_mcr.core.clusters import Clusters, Floats, Mask, clustered, roster
from pytest_mcr.core.estimates import Estimate, rate, undefined
from pytest_mcr.core.metrics import Metric, rows_of
from pytest_mcr.core.rates import Estimates

PREFIX: Final = "dominance."
ADDITIVE: Final = ("joint", "audio", "text", "silence")
WITHOUT_AUDIO: Final = ("joint", "audio", "text_alone", "nothing")
_IDLE: Final = "neither audio nor text moves the margin"


@dataclass(frozen=True, slots=True, eq=False)
class Branches:
    """The trials of one task as arrays, one entry a sample.

    Attributes:
        clips: the samples' clusters.
        margins: by branch, in nats; NaN where the branch or the text's label is missing.
        present: by branch, the samples that have its scores.
        labelled: the samples whose text label is known.
        entropies: by branch A and T, in nats; NaN where missing.
        answers: by branch J, A and T, the best-scored candidate; None where missing or tied.
    """

    clips: Clusters
    margins: dict[str, Floats]
    present: dict[str, Mask]
    labelled: Mask
    entropies: dict[str, Floats]
    answers: dict[str, list[str | None]]

    def having(self, names: Sequence[str]) -> Mask:
        """The samples that have all these branches."""
        every: Mask = np.logical_and.reduce([self.present[name] for name in names])
        return every

    def missing(self, names: Sequence[str], *, labels: bool = True) -> str | None:
        """What is missing for a number over these branches, as a note."""
        lost = [f"branch {LETTERS[x]} missing on {k}" for x in names if (k := int((~self.present[x]).sum()))]
        if labels and (unknown := int((~self.labelled).sum())):
            lost.append(f"text label unknown on {unknown}")
        return f"{', '.join(lost)} of {len(self.labelled)} samples" if lost else None


def fusion_rows(trials: Iterable[FusionTrial]) -> list[Metric]:
    """The rows ``dominance.*`` per task and over tasks, in the order of the catalogue.

    ============================ ===================================================================================
    ``margin_audio``             mean M_A = s_A(y_a) - s_A(y_t), nats; like the rest over the samples with A and J
    ``margin_joint``             mean M_J
    ``displacement``             mean M_A - M_J, the pull of the text
    ``robust`` ... ``rescued``   shares of the four `Quadrant`s, sum 1
    ``phi_audio``, ``phi_text``  mean Shapley values, nats, signed; ``interaction`` beside them
    ``text_share``               sum |phi_T| / sum (|phi_A| + |phi_T|), with T and 0 over silence
    ``text_share_none``          the same with T and 0 without any audio
    ``balance_point``            dH at which the text is followed half of the time
    ``tpr``                      Text Preference Ratio over the samples whose answers to A and T differ
    ============================ ===================================================================================

    Shares have Wilson's interval on the effective size, means Student's over clusters (see `averages`), each clustered
    by clip; the row over tasks is the mean of the tasks' values. A sample that lacks a branch leaves the numbers that
    need it, and their note counts it.

    Args:
        trials: at most one a sample; any order.

    Raises:
        ValueError: a sample was given twice.
    """
    tasks: dict[str, list[FusionTrial]] = {}
    for trial in sorted(trials, key=lambda t: (t.task, t.sample)):
        known = tasks.setdefault(trial.task, [])
        if known and known[-1].sample == trial.sample:
            raise ValueError(f"sample {trial.sample} of task {trial.task} was given twice")
        known.append(trial)
    among = roster(trial.cluster for kept in tasks.values() for trial in kept)
    found = [fusion_estimates(branches(kept, clustered([t.cluster for t in kept], among))) for kept in tasks.values()]
    return _with_spread(rows_of(list(tasks), found))


def branches(trials: Sequence[FusionTrial], clips: Clusters) -> Branches:
    """The trials of one task as arrays."""
    scores = {name: [trial.branch(name) for trial in trials] for name in BRANCHES}
    return Branches(
        clips=clips,
        margins={name: np.array([trial.margin(name) for trial in trials]) for name in BRANCHES},
        present={name: np.array([s is not None for s in kept], dtype=np.bool_) for name, kept in scores.items()},
        labelled=np.array([trial.text_label is not None for trial in trials], dtype=np.bool_),
        entropies={
            name: np.array([np.nan if s is None else entropy(s) for s in scores[name]]) for name in ("audio", "text")
        },
        answers={name: [None if s is None else best(s) for s in scores[name]] for name in ("joint", "audio", "text")},
    )


def fusion_estimates(task: Branches) -> Estimates:
    """Every number of one task, by name."""
    named = _margins(task) | _shapley(task)
    named |= {"text_share": _text_share(task, ADDITIVE), "text_share_none": _text_share(task, WITHOUT_AUDIO)}
    named |= {"balance_point": _balance(task), "tpr": _tpr(task)}
    return {(PREFIX + name, None, ()): estimate for name, estimate in named.items()}


def _margins(task: Branches) -> dict[str, Estimate]:
    names = ("joint", "audio")
    counted, lost = task.having(names) & task.labelled, task.missing(names)
    empty = lost or "no samples"
    audio, joint = task.margins["audio"], task.margins["joint"]
    means = {"margin_audio": audio, "margin_joint": joint, "displacement": audio - joint}
    found = {name: mean_value(task.clips, values, counted, empty=empty) for name, values in means.items()}
    kinds = np.array([quadrant(a, j) for a, j in zip(audio, joint, strict=True)])
    found |= {kind.value: rate(task.clips, kinds == kind.value, counted, empty=empty) for kind in Quadrant}
    return {name: _counting(estimate, lost) for name, estimate in found.items()}


def _shapley(task: Branches) -> dict[str, Estimate]:
    counted, lost = task.having(ADDITIVE) & task.labelled, task.missing(ADDITIVE)
    split = shapley(*(task.margins[name] for name in ADDITIVE))
    values = {"phi_audio": split.audio, "phi_text": split.text, "interaction": split.interaction}
    return {
        name: _counting(mean_value(task.clips, value, counted, empty=lost or "no samples"), lost)
        for name, value in values.items()
    }


def _text_share(task: Branches, names: Sequence[str]) -> Estimate:
    """Ratio of sums, so that clips on which nothing moves weigh nothing; absolute values, so that none cancel."""
    counted, lost = task.having(names) & task.labelled, task.missing(names)
    split = shapley(*(task.margins[name] for name in names))
    text, audio = np.abs(split.text), np.abs(split.audio)
    empty = _IDLE if counted.any() else lost or "no samples"
    return _counting(weighted_share(task.clips, text, audio + text, counted, empty=empty), lost)


def _balance(task: Branches) -> Estimate:
    names = ("joint", "audio", "text")
    complete, lost = task.having(names) & task.labelled, task.missing(names)
    if not complete.any():
        return undefined(task.clips, lost or "no samples")
    audio, text = task.entropies["audio"], task.entropies["text"]
    certain = complete & (audio + text <= 0)
    counted = complete & ~certain
    uncertainty = np.zeros(len(counted))
    uncertainty[counted] = relative_uncertainty(audio[counted], text[counted])
    found = balance_point(task.clips, uncertainty, task.margins["joint"] <= 0, counted)
    sure = int(certain.sum())
    return _counting(found, lost).noted(f"no uncertainty at all on {sure} samples" if sure else None)


def _tpr(task: Branches) -> Estimate:
    """Text answers / (text + audio answers), as arXiv 2503.02199: by the model's own answers to T and to A."""
    names = ("joint", "audio", "text")
    complete, lost = task.having(names), task.missing(names, labels=False)
    triples = list(zip(*(task.answers[name] for name in names), strict=True))
    differ = np.array([a is not None and t is not None and a != t for _, a, t in triples], dtype=np.bool_)
    audio = np.array([j is not None and j == a for j, a, _ in triples], dtype=np.bool_)
    text = np.array([j is not None and j == t for j, _, t in triples], dtype=np.bool_)
    reasons = ("no joint answer is either of them" if differ.any() else "audio and text alone give the same answers",)
    empty = reasons[0] if complete.any() else lost or "no samples"
    return _counting(rate(task.clips, text, complete & differ & (audio | text), empty=empty), lost)


def _counting(estimate: Estimate, lost: str | None) -> Estimate:
    """The estimate with a note on what is missing, unless that is already the reason it is undefined."""
    return estimate if estimate.note == lost else estimate.noted(lost)


def _with_spread(rows: list[Metric]) -> list[Metric]:
    """Say at each text share how far the one without audio lies from it: a wide spread means that neither holds."""
    silence, none = (PREFIX + name for name in ("text_share", "text_share_none"))
    bare = {row.task: row.value for row in rows if row.metric == none}
    spread: list[Metric] = []
    for row in rows:
        other = bare.get(row.task)
        if row.metric == silence and row.value is not None and other is not None:
            note = f"silence/none spread {abs(row.value - other):.3f}"
            row = replace(row, note=f"{row.note}; {note}" if row.note else note)
        spread.append(row)
    return spread
