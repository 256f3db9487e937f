"""The hearing test: does the model's neutral accuracy need the right audio?

A number about text influence means nothing for a model that does not hear: what it never had, no text can take away.
So its neutral answers are compared with the same answers against gold permuted over clips. A constant answer, a
guess, and answers shifted by a row all score as well on permuted gold as on their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pytest_mcr.core.case import NEUTRAL, Outcome, Verdict
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.metrics import OVERALL, Metric, Table

LEVEL: Final = 0.01
PERMUTATIONS: Final = 2000
NOT_SHOWN: Final = "hearing not shown"
_BLOCK: Final = 250_000
"""Permuted entries held in memory at once."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Whether a task's answers were shown to depend on the right clip.

    Attributes:
        p: permutation p value, None without answers.
        accuracy: neutral accuracy.
        expected: mean accuracy of the same answers on permuted gold: what needs no ears.
        n: neutral answers, errors left out.
        reason: one line.
    """

    task: str
    shown: bool
    p: float | None
    accuracy: float | None
    expected: float | None
    n: int
    reason: str


def hearing_test(outcomes: Sequence[Outcome], *, seed: int = 0, permutations: int = PERMUTATIONS) -> dict[str, Hearing]:
    """Test each task; the result does not depend on the order of the outcomes.

    Gold moves by clip: the clips are put in a random order, each clip's gold answers stay together in a random order of
    their own, and the whole sequence is laid against the answers. Clips of equally many samples so exchange their gold
    as blocks; unequal ones may straddle. (The order within a clip is random because a file may ask every clip one yes
    and one no question: with a fixed order no exchange of clips would change anything.)

    ``p = (1 + #{permuted accuracy >= accuracy}) / (1 + permutations)`` (Phipson and Smyth, Stat. Appl. Genet. Mol.
    Biol. 9, 2010), hearing is shown when p < `LEVEL`.

    Args:
        outcomes: of all tasks and conditions; only neutral ones without error are used.
        seed: of the permutations.
        permutations: their number, at least 100 for p to be able to fall below `LEVEL`.
    """
    tasks = sorted({outcome.task for outcome in outcomes})
    return {task: _test(task, outcomes, seed, permutations) for task in tasks}


def _test(task: str, outcomes: Sequence[Outcome], seed: int, permutations: int) -> Hearing:
    rows = [o for o in outcomes if o.task == task and o.condition == NEUTRAL and o.verdict != Verdict.ERROR]
    if not rows:
        return Hearing(task, False, None, None, None, 0, "no neutral answers")
    rows.sort(key=lambda o: (o.cluster, o.sample))
    labels = {label: code for code, label in enumerate(sorted({o.gold for o in rows}))}
    gold = np.array([labels[o.gold] for o in rows])
    answer = np.array([_code(o, labels) for o in rows])
    clusters = np.unique([o.cluster for o in rows], return_inverse=True)[1]
    hits = int((answer == gold).sum())
    permuted = _permuted_hits(answer, gold, clusters, np.random.default_rng(seed), permutations)
    p = (1 + int((permuted >= hits).sum())) / (1 + permutations)
    accuracy, expected, n = hits / len(rows), float(permuted.mean()) / len(rows), len(rows)
    compared = f"neutral accuracy {accuracy:.2f} on {n} answers, {expected:.2f} on permuted gold (p = {p:.2g})"
    return Hearing(task, p < LEVEL, p, accuracy, expected, n, compared if p < LEVEL else f"{NOT_SHOWN}: {compared}")


def _code(outcome: Outcome, labels: Mapping[str, int]) -> int:
    """The answer as the code of a gold label; -1 for any other answer and for none."""
    if outcome.verdict == Verdict.AUDIO:
        return labels[outcome.gold]
    return -1 if outcome.answer is None or outcome.answer == outcome.gold else labels.get(outcome.answer, -1)


def _permuted_hits(
    answer: np.ndarray, gold: np.ndarray, clusters: np.ndarray, rng: np.random.Generator, permutations: int
) -> np.ndarray:
    """Right answers under each permutation, shape (permutations,)."""
    counts: list[np.ndarray] = []
    block = max(1, _BLOCK // len(gold))
    for start in range(0, permutations, block):
        rounds = min(block, permutations - start)
        keys = rng.random((rounds, int(clusters.max()) + 1))
        within = rng.permuted(np.tile(np.arange(len(gold)), (rounds, 1)), axis=1)
        by_clip = np.argsort(np.take_along_axis(keys, clusters[within], axis=1), axis=1, kind="stable")
        order = np.take_along_axis(within, by_clip, axis=1)
        counts.append((gold[order] == answer).sum(1))
    return np.concatenate(counts)


def annotate(table: Table, hearing: Mapping[str, Hearing]) -> Table:
    """Note `NOT_SHOWN` on every number that means nothing without hearing, in its task and in the overall row."""
    silent = [task for task in table.tasks if task not in hearing or not hearing[task].shown]
    if not silent:
        return table
    overall = NOT_SHOWN if len(silent) == len(table.tasks) else f"{NOT_SHOWN} in {', '.join(silent)}"
    notes = dict.fromkeys(silent, NOT_SHOWN) | {OVERALL: overall}

    def change(row: Metric) -> Metric:
        note = notes.get(row.task) if METRICS[row.metric].hearing else None
        if note is None:
            return row
        return replace(row, note=f"{note}; {row.note}" if row.note else note)

    return table.mapped(change)
