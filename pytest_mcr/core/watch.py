"""Gates watched while a run goes on: which are decided, when, and with which intervals.

A gate passes once its claim's opposite is rejected at level 0.05, and fails once the claim itself is rejected at 0.05
over the number of gates, so that some gate is failed wrongly in at most 5 of 100 runs. A run passes when every gate
does, which needs no correction. Both hold at every stopping time, on any number of clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_mcr.core.case import NEUTRAL
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.gates import FAIL, PASS
from pytest_mcr.core.grammar import Gate
from pytest_mcr.core.intervals import Limits
from pytest_mcr.core.sequential import ABOVE, BELOW, Floats, Mean, Process, ceil_of, floor_of, grid, limits_of, rejects
from pytest_mcr.core.sequential_parts import LINEAR, UNBOUNDED, Answers, Reading, eligible, parts, readings

LEVEL: Final = 0.05
HEARING_LEVEL: Final = 0.01
LEAST_ELIGIBLE: Final = 30
"""Clips that the model hears and that a text contradicts, which each task must have shown before a run may end."""
TOPS: Final = {True: 2.0, False: 1.0}
"""Largest candidate of ratios without and with a largest value."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One gate for one task, or over the mean of all.

    Attributes:
        expr: the gate as it is judged.
        tasks: whose ratios it is about.
        thresholds: by task, on the scale of the ratio (a skill's is one of accuracy).
    """

    expr: str
    gate: Gate
    tasks: tuple[str, ...]
    thresholds: tuple[float, ...]

    @property
    def threshold(self) -> float:
        """Of the mean over its tasks."""
        return sum(self.thresholds) / len(self.thresholds)


class Watch:
    """Takes clips in a fixed order and says which gates they have decided.

    Args:
        gates: to judge.
        chance: accuracy that needs no ears, by task, known from the data before anything is asked.
        alpha: weight of the adversarial ratio in MRS.
        shared: tasks have clips in common.
        least: eligible clips that every task must have.
        paired: the run has neutral and adversarial answers.

    Attributes:
        undecidable: gates that cannot be judged clip by clip.
        decided: verdict and number of clips by gate.
        clips: taken so far, by task.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        chance: Mapping[str, float],
        *,
        alpha: float,
        shared: bool,
        least: int,
        paired: bool = True,
    ) -> None:
        self.tasks = tuple(sorted(chance))
        self.chance = chance
        self.alpha = alpha
        self._paired = paired
        self.least = max(least, LEAST_ELIGIBLE)
        self.undecidable = [gate.expr for gate in gates if not self._is_linear(gate)]
        self.claims = [claim for gate in gates if self._is_linear(gate) for claim in self._claims(gate)]
        self.decided: dict[str, tuple[str, int]] = {}
        self.clips = dict.fromkeys(self.tasks, 0)
        self.eligible = dict.fromkeys(self.tasks, 0)
        self.mean_ended = False  # clips in common were found too late: evidence of tasks cannot be multiplied on
        self._hearing = any(METRICS[claim.gate.metric].hearing for claim in self.claims)
        wanted = {(c.gate.metric, c.gate.condition) for c in self.claims} | {("accuracy", NEUTRAL)}
        self.book = Book(self.tasks, wanted, alpha=alpha, shared=shared)

    def _is_linear(self, gate: Gate) -> bool:
        """Whether clips tell about a gate one by one; a mean skill of tasks with different chances is no such ratio."""
        mean = gate.task is None and not gate.each
        return gate.metric in LINEAR and not (gate.metric == "skill" and mean and len({*self.chance.values()}) > 1)

    def _claims(self, gate: Gate) -> list[Claim]:
        ones = [gate.of(task) for task in self.tasks] if gate.each else [gate]
        return [self._claim(one) for one in ones if one.task is None or one.task in self.tasks]

    def _claim(self, gate: Gate) -> Claim:
        tasks = self.tasks if gate.task is None else (gate.task,)
        chances = [self.chance[task] if gate.metric == "skill" else 0.0 for task in tasks]
        return Claim(gate.expr, gate, tasks, tuple(zero + gate.threshold * (1 - zero) for zero in chances))

    def take(self, task: str, answers: Sequence[Answers]) -> None:
        """Bet on one clip: the answers of all its samples in a task."""
        self.clips[task] += 1
        self.eligible[task] += any(eligible(one, paired=self._paired) for one in answers)
        self.book.take(task, answers)

    def look(self) -> None:
        """Note which gates are decided now; a decision stays."""
        fail = LEVEL / max(1, len(self.claims))
        for claim in self.claims:
            if claim.expr in self.decided:
                continue
            inside, outside = self._evidence(claim)
            clips = sum(self.clips[task] for task in claim.tasks)
            if inside >= rejects(LEVEL):
                self.decided[claim.expr] = PASS, clips
            elif outside >= rejects(fail):
                self.decided[claim.expr] = FAIL, clips

    def _evidence(self, claim: Claim) -> tuple[float, float]:
        """Log-capitals against the value being outside, and against its being inside."""
        metric, condition = claim.gate.metric, claim.gate.condition
        if len(claim.tasks) == 1:
            now = self.book.now(metric, condition, claim.tasks[0])
            last = now.shape[-1] - 1
            below = float(now[BELOW, min(max(floor_of(claim.threshold), 0), last)])
            top = ceil_of(claim.threshold)
            above = float(now[ABOVE, max(top, 0)]) if top <= last else float("-inf")
        elif self.mean_ended:
            return float("-inf"), float("-inf")
        else:
            above, below = self._mean_evidence(claim)
        return (above, below) if claim.gate.upward else (below, above)

    def _mean_evidence(self, claim: Claim) -> tuple[float, float]:
        """The same of a mean: looked at only where the plainest way to make it up is nearly rejected."""
        metric, condition = claim.gate.metric, claim.gate.condition
        ratios = [self.book.now(metric, condition, task) for task in claim.tasks]
        place = min(max(floor_of(claim.threshold), 0), ratios[0].shape[-1] - 1)
        plain = np.sum([now[:, place] for now in ratios], axis=0)
        if plain.max() < rejects(LEVEL) - 1:
            return float("-inf"), float("-inf")
        mean = self.book.mean(metric, condition)
        mean.look(ratios)
        return mean.at_most(claim.threshold), mean.at_least(claim.threshold)

    @property
    def verdict(self) -> str | None:
        """``pass`` when every gate is, ``fail`` when one is; None as long as the run has to go on."""
        if not self.claims or min(self.eligible.values()) < self.least or not self._heard():
            return None
        verdicts = {verdict for verdict, _ in self.decided.values()}
        if FAIL in verdicts:
            return FAIL
        return PASS if len(self.decided) == len(self.claims) and not self.undecidable else None

    def _heard(self) -> bool:
        """Whether every task's neutral accuracy is above chance, where a gate means nothing otherwise."""
        if not self._hearing:
            return True
        for task in self.tasks:
            now = self.book.now("accuracy", NEUTRAL, task)
            place = min(ceil_of(self.chance[task]), now.shape[-1] - 1)
            if now[ABOVE, place] < rejects(HEARING_LEVEL):
                return False
        return True


class Book:
    """The processes of the ratios of some metrics, by task.

    Args:
        tasks: by name.
        wanted: metrics with their conditions.
        alpha: weight of the adversarial ratio in MRS.
        shared: tasks have clips in common.
    """

    def __init__(
        self, tasks: Sequence[str], wanted: set[tuple[str, str | None]], *, alpha: float, shared: bool
    ) -> None:
        self.tasks = tuple(tasks)
        self._alpha = alpha
        self._shared = shared
        self._readings = {key: readings(*key, alpha) for key in sorted(wanted, key=str)}
        self._processes: dict[tuple[str, Reading, bool], Process] = {}
        self._means: dict[tuple[str, str | None], Mean] = {}
        for (metric, _), found in self._readings.items():
            for task in self.tasks:
                for reading in found:
                    key = (task, reading, metric in UNBOUNDED)
                    if key not in self._processes:
                        self._processes[key] = Process(reading.corners, grid(TOPS[key[2]]))
        self._best: dict[tuple[str, str | None, str], Floats] = {}

    def take(self, task: str, answers: Sequence[Answers]) -> None:
        """Bet on one clip, on the mean over its samples."""
        for (owner, reading, _), process in self._processes.items():
            if owner == task:
                found = np.array([parts(reading, one, self._alpha) for one in answers]).mean(0)
                process.take(found[0], found[1])

    def now(self, metric: str, condition: str | None, task: str) -> Floats:
        """Log-capitals of a metric, shape (2, C).

        Capped MRS is the least of three ratios and 1: it is larger than a candidate only if all are, and its being
        smaller is told by the plain ratio, which it never exceeds.
        """
        found = [
            self._processes[task, reading, metric in UNBOUNDED].now for reading in self._readings[metric, condition]
        ]
        if len(found) == 1:
            return found[0]
        above = np.min([now[ABOVE] for now in found], axis=0)
        above[-1] = min(above[-1], 0.0)  # nothing is larger than 1
        return np.stack([above, found[0][BELOW]])

    def mean(self, metric: str, condition: str | None) -> Mean:
        """The evidence about the mean over tasks."""
        key = (metric, condition)
        if key not in self._means:
            bounded = metric not in UNBOUNDED
            candidates = len(grid(TOPS[not bounded]))
            self._means[key] = Mean(len(self.tasks), candidates, shared=self._shared, bounded=bounded)
        return self._means[key]

    def note(self) -> None:
        """Remember the largest evidence so far, by metric and task, for `limits`."""
        for metric, condition in self._readings:
            for task in self.tasks:
                key, now = (metric, condition, task), self.now(metric, condition, task)
                self._best[key] = np.maximum(self._best[key], now) if key in self._best else now.copy()

    def look(self) -> None:
        """Remember the largest evidence about the means over tasks."""
        for metric, condition in self._readings:
            self.mean(metric, condition).look([self.now(metric, condition, task) for task in self.tasks])

    def limits(self, metric: str, condition: str | None, task: str | None, value: float, top: float) -> Limits | None:
        """The interval of a task's ratio, or of the mean over tasks; None where it was not followed."""
        if (metric, condition) not in self._readings:
            return None
        if task is None:
            return self.mean(metric, condition).limits(top, value)
        best = self._best.get((metric, condition, task))
        return None if best is None else limits_of(best, top, value)
