"""Judging gates: pass, fail, undecided, invalid or not judged, with the reason and the number of clips that decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, PLACEBO
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.distance import clips_to_pass, needed_size
from pytest_mcr.core.grammar import EACH, Gate, needs, parse_gate, require_companions
from pytest_mcr.core.hearing import NOT_SHOWN, Hearing
from pytest_mcr.core.metrics import OVERALL, Metric, Table

__all__ = [
    "FAIL",
    "INVALID",
    "NOT_JUDGED",
    "PASS",
    "UNDECIDED",
    "WAIVED",
    "Gate",
    "GateResult",
    "judge_clusters",
    "judge_gate",
    "judge_gates",
    "needs",
    "parse_gate",
    "require_companions",
]

PASS: Final = "pass"
FAIL: Final = "fail"
UNDECIDED: Final = "undecided"
INVALID: Final = "invalid"
NOT_JUDGED: Final = "not_judged"
WAIVED: Final = "waived"


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of a gate, for one task or over all.

    Attributes:
        expr: the gate as it was judged; an ``each.`` gate names the task here.
        verdict: ``pass``, ``fail``, ``undecided``, ``invalid``, ``not_judged`` or ``waived``.
        reason: one line.
        distance: how many clips' answers must change for the gate to pass; None for a gate that passes and where no
            such number exists.
        task: the task, or `OVERALL`.
        gate: the expression as it was asked for, or the flag that asked for it.
        waiver: owner, reason, expires and the verdict it was, of a waived gate.
    """

    expr: str
    value: float | None
    low: float | None
    high: float | None
    verdict: str
    reason: str
    distance: int | None
    task: str
    gate: str
    waiver: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, object]:
        """The row of ``results.json``."""
        return {
            "expr": self.expr,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "verdict": self.verdict,
            "reason": self.reason,
        } | ({} if self.waiver is None else {"waiver": dict(self.waiver)})


def judge_gates(
    gates: Iterable[Gate], table: Table, *, hearing: Mapping[str, Hearing], least_clusters: int = 0
) -> tuple[GateResult, ...]:
    """Judge the gates of a run in their order, the eligible clusters last.

    Args:
        gates: of a profile, or explicit.
        table: the run's numbers.
        hearing: by task.
        least_clusters: eligible clusters that a profile asks of every task; 0 for none.
    """
    results = [result for gate in gates for result in judge_gate(gate, table, hearing=hearing)]
    return (*results, judge_clusters(table, least_clusters)) if least_clusters else tuple(results)


def judge_gate(gate: Gate, table: Table, *, hearing: Mapping[str, Hearing]) -> tuple[GateResult, ...]:
    """Judge one gate: one result, or one a task for ``each.``."""
    gates = [gate.of(task) for task in table.tasks] if gate.each else [gate]
    return tuple(replace(_judge(one, table, hearing), gate=gate.expr) for one in gates)


def _judge(gate: Gate, table: Table, hearing: Mapping[str, Hearing]) -> GateResult:
    task = gate.task or OVERALL
    row = table.get(gate.metric, gate.condition, task)
    verdict, reason, distance = _absent(gate, table) if row is None else _judge_row(gate, row, table, hearing)
    return GateResult(
        expr=gate.expr,
        value=None if row is None else row.value,
        low=None if row is None else row.low,
        high=None if row is None else row.high,
        verdict=verdict,
        reason=reason,
        distance=distance,
        task=task,
        gate=gate.expr,
    )


Judgement = tuple[str, str, int | None]


def _absent(gate: Gate, table: Table) -> Judgement:
    """Nothing was measured: a condition is not in the design, the placebo was not run, or another suite was not."""
    missing = sorted(needs(gate) - set(table.conditions))
    if gate.task is not None and gate.task not in table.tasks:
        return INVALID, f"no case of task {gate.task} was reported", None
    suite, lenient = METRICS[gate.metric].suite, INVALID if gate.explicit else NOT_JUDGED
    if suite != "bench" and not (missing and table.conditions):
        return lenient, f"the {suite} suite did not measure it", None
    if missing or gate.condition == PLACEBO or gate.metric == "tir_excess":
        return lenient, f"needs {', '.join(missing) or PLACEBO}, which the run does not have", None
    return INVALID, f"{gate.task or 'some task'} lacks a condition that {gate.metric} needs", None


def _judge_row(gate: Gate, row: Metric, table: Table, hearing: Mapping[str, Hearing]) -> Judgement:
    spec = METRICS[gate.metric]
    if row.clusters < spec.least and not gate.explicit:
        return NOT_JUDGED, f"rests on {row.clusters} clips, a profile judges it on {spec.least}", None
    tasks = table.tasks if gate.task is None else (gate.task,)
    silent = [task for task in tasks if task not in hearing or not hearing[task].shown]
    if spec.hearing and silent:
        return INVALID, f"{NOT_SHOWN} in {', '.join(silent)}", None
    if row.value is None:
        return _judge_undefined(gate, row)
    if row.bounds is not None and gate.holds(row.bounds[0]) != gate.holds(row.bounds[1]):
        low, high = row.bounds
        return INVALID, f"unparsed answers decide it: between {low:.3f} and {high:.3f} as they are read", None
    return _judge_value(gate, row, row.value, table)


def _judge_undefined(gate: Gate, row: Metric) -> Judgement:
    why = row.note or "undefined"
    if gate.explicit:
        return INVALID, f"undefined: {why}", None
    if row.vacuous:
        return PASS, f"nothing to hold against it: {why}", None
    spec = METRICS[gate.metric]
    return NOT_JUDGED if spec.scores or spec.suite != "bench" else INVALID, f"undefined: {why}", None


def _judge_value(gate: Gate, row: Metric, value: float, table: Table) -> Judgement:
    wanted = f"wanted {gate.op} {gate.threshold:g}"
    if not gate.holds(value):
        distance = clips_to_pass(gate, row, table)
        return FAIL, f"{value:.3f}, {wanted}{_must_change(distance)}", distance
    if not gate.at95:
        return PASS, f"{value:.3f}, {wanted}", None
    bound = row.lower95 if gate.upward else row.upper95
    if bound is not None and gate.holds(bound):
        return PASS, f"{value:.3f}, 95 % bound {bound:.3f}, {wanted}", None
    distance = clips_to_pass(gate, row, table)
    size = needed_size(gate, row)
    more = "no number of clips decides a value at its threshold" if size is None else f"needs about n = {size}"
    shown = "unknown" if bound is None else f"{bound:.3f}"
    return UNDECIDED, f"{value:.3f} is inside, its 95 % bound {shown} is not, {wanted}; {more}, has {row.n}", distance


def _must_change(distance: int | None) -> str:
    if distance is None:
        return ""
    return f"; {distance} {'clip' if distance == 1 else 'clips'} must change"


def judge_clusters(table: Table, least: int) -> GateResult:
    """Whether every task has enough eligible clusters: clips that the model hears and that have an adversarial text."""
    expr = f"{EACH}.eligible clusters >= {least}"
    counts: dict[str, int] = {}
    lacks: list[str] = []
    for task in table.tasks:
        row = table.get("tir", ADVERSARIAL, task)
        if row is None:
            return GateResult(
                expr, None, None, None, NOT_JUDGED,
                f"{task} has no neutral and adversarial answers to pair", None, OVERALL, expr,
            )  # fmt: skip
        counts[task] = row.clusters
        if row.clusters < least:
            lacks.append(f"{task} {_more_clips(table, task, row.clusters, least)}")
    fewest = float(min(counts.values())) if counts else None
    reason = (
        f"needs more clips: {', '.join(lacks)}"
        if lacks
        else f"at least {min(counts.values(), default=0)} in every task"
    )
    verdict = UNDECIDED if lacks or not counts else PASS
    return GateResult(expr, fewest, None, None, verdict, reason, None, OVERALL, expr)


def _more_clips(table: Table, task: str, eligible: int, least: int) -> str:
    """How many more clips a task needs, at the rate at which its clips have turned out eligible."""
    heard = table.get("accuracy", NEUTRAL, task)
    if not eligible or heard is None:
        return f"has no eligible clip of {least}"
    share = eligible / max(heard.clusters, eligible)
    return f"about {-int(-(least - eligible) // share)}"


def failing(results: Sequence[GateResult]) -> tuple[GateResult, ...]:
    """The results that turn a run red or INVALID."""
    return tuple(result for result in results if result.verdict in (FAIL, UNDECIDED, INVALID))
