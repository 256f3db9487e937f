"""Which repair arm would meet the gates: every gate of the run, judged on what the arm answers about the same clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_mcr.core.case import NEUTRAL, Outcome, Verdict
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.gates import NOT_JUDGED, PASS, Gate, judge_gates
from pytest_mcr.core.hearing import Hearing, hearing_test
from pytest_mcr.core.metrics import OVERALL, Metric, measure
from pytest_mcr.core.repair_arms import AS_ASKED, PROMPT, Arm, parse_arm
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.core.repaired import Repaired

_UNREPAIRED: Final = ("joint", f"{PROMPT}{AS_ASKED}")
"""The run's own answers, which its gates judge anyway; the second is no arm that can be asked for."""


@dataclass(frozen=True, slots=True)
class ArmJudged:
    """What the gates say to one arm.

    Attributes:
        arm: as it was asked for.
        chosen: with the options that were chosen for it.
        met: gates that pass.
        judged: gates that could be judged on an arm's answers.
        blocked: the others of these.
        left_out: gates that an arm's answers cannot tell (confidence, other suites, the placebo).
        passes: forward passes of the model an answer.
        drop: what the arm costs in faithful accuracy, with its interval; None where it was not measured.
    """

    arm: str
    chosen: str
    met: int
    judged: int
    blocked: tuple[str, ...]
    left_out: int
    passes: int
    drop: Metric | None

    @property
    def meets_all(self) -> bool:
        """Whether every gate that could be judged passes."""
        return self.judged > 0 and not self.blocked

    @property
    def cost(self) -> float:
        """The faithful drop for sorting; unknown is dearest."""
        return float("inf") if self.drop is None or self.drop.value is None else self.drop.value


def judge_arms(
    cases: Sequence[RepairCase],
    repairs: Repaired,
    gates: Sequence[Gate],
    labels: Mapping[tuple[str, str], str | None],
    *,
    least_clusters: int = 0,
    mrs_alpha: float = 0.8,
    seed: int = 0,
) -> tuple[ArmJudged, ...]:
    """Judge every arm but the unrepaired one: those that meet all gates first, the cheapest of them first.

    Arms whose options were chosen are judged on the clips that they were not chosen on.

    Args:
        cases: clips with their branches' scores.
        repairs: the comparison of the arms on them.
        gates: of the run.
        labels: the text's label, by (sample, condition).
        least_clusters: eligible clusters that a profile asks of every task.
        mrs_alpha: weight of the adversarial ratio in MRS.
        seed: of the hearing test.
    """
    kept = set(repairs.selection.get("test", ())) if repairs.selection else {case.sample for case in cases}
    used = [case for case in cases if case.sample in kept]
    plain = [gate for gate in gates if METRICS[gate.metric].suite == "bench" and not METRICS[gate.metric].scores]
    heard: dict[tuple[Outcome, ...], Mapping[str, Hearing]] = {}  # most arms answer neutral cases alike
    found = []
    for name in repairs.names:
        if name in _UNREPAIRED or (arm := _chosen(name, repairs.selection)) is None:
            continue
        outcomes = [outcome for case in used for outcome in outcomes_of(case, arm, labels)]
        if not outcomes or all(outcome.verdict is Verdict.ERROR for outcome in outcomes):
            continue
        table = measure(outcomes, mrs_alpha=mrs_alpha)
        neutral = tuple(outcome for outcome in outcomes if outcome.condition == NEUTRAL)
        if neutral not in heard:
            heard[neutral] = hearing_test(neutral, seed=seed)
        results = judge_gates(plain, table, hearing=heard[neutral], least_clusters=least_clusters)
        judged = [result for result in results if result.verdict != NOT_JUDGED]
        blocked = tuple(result.expr for result in judged if result.verdict != PASS)
        left_out = len(gates) - len(plain) + len(results) - len(judged)
        met = len(judged) - len(blocked)
        found.append(ArmJudged(name, arm.text, met, len(judged), blocked, left_out, arm.passes, _drop(repairs, name)))
    return tuple(sorted(found, key=lambda one: (len(one.blocked), one.cost, one.passes, one.arm)))


def _chosen(name: str, selection: dict[str, Any]) -> Arm | None:
    """The arm with its chosen options; None where every choice costs more than the budget."""
    told = selection.get("arms", {}).get(name) if selection else None
    if told is None:
        return parse_arm(name)
    return None if told["chosen"] is None else parse_arm(str(told["chosen"]))


def outcomes_of(case: RepairCase, arm: Arm, labels: Mapping[tuple[str, str], str | None]) -> Iterator[Outcome]:
    """What an arm makes of a clip, as outcomes of its conditions."""
    for condition in case.conditions:
        given, label = case.given(arm, condition), labels.get((case.sample, condition))
        if given.missing is not None:
            verdict = Verdict.ERROR
        elif given.right:
            verdict = Verdict.AUDIO
        else:
            wrong = Verdict.TEXT if given.answer == label else Verdict.OTHER
            verdict = Verdict.UNPARSED if given.answer is None else wrong
        yield Outcome(
            sample=case.sample, task=case.task, condition=condition, cluster=case.cluster, gold=case.gold,
            text_label=label, answer=given.answer, verdict=verdict, confidence=None, best=None, k=len(case.candidates),
        )  # fmt: skip


def _drop(repairs: Repaired, name: str) -> Metric | None:
    rows = [row for row in repairs.rows if row.metric == "drop" and row.task == OVERALL and row.extra["arm"] == name]
    return rows[0] if rows else None
