"""One gate in words: how far it is from a pass, and what stands between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest_mcr.core.gates import FAIL, INVALID, NOT_JUDGED, PASS, UNDECIDED, WAIVED, GateResult
from pytest_mcr.core.grammar import Gate, parse_gate
from pytest_mcr.core.metrics import Metric, Table
from pytest_mcr.errors import OptionError
from pytest_mcr.report.wording import apart, count, safe
from pytest_mcr.run.against import FLAG

LIMITS: Final = {"<=": "at most", ">=": "at least", "<": "below", ">": "above"}
GATE_ORDER: Final = (INVALID, FAIL, UNDECIDED, WAIVED, NOT_JUDGED, PASS)
"""What spoils the run comes first, then what blocks it."""


def ordered(gates: Sequence[GateResult]) -> list[GateResult]:
    """Gates with what blocks first, else in the profile's order."""
    return sorted(gates, key=lambda gate: GATE_ORDER.index(gate.verdict))


def is_comparison(result: GateResult) -> bool:
    """Whether a gate compares with an earlier run."""
    return result.gate == FLAG


def gate_of(result: GateResult) -> Gate | None:
    """The gate behind a result; None for the least number of clips, which is no expression of the grammar."""
    try:
        return parse_gate(result.expr)
    except OptionError:
        return None


def row_of(result: GateResult, table: Table) -> Metric | None:
    """The number that a gate was judged on."""
    gate = gate_of(result)
    return None if gate is None else table.get(gate.metric, gate.condition, result.task)


def distance_sentence(result: GateResult, table: Table) -> str:
    """A failed gate: where the number is, where it may be, how many clips lie between."""
    gate = gate_of(result)
    if gate is None or result.value is None:
        return f"{result.expr}: {result.reason}"
    value, threshold = apart(result.value, gate.threshold)
    name = result.expr.split(f" {gate.op} ")[0]
    bound = " with its 95 % bound" if gate.at95 else ""
    return f"{name} is {value}, allowed {LIMITS[gate.op]} {threshold}{bound}{clips_sentence(result, table)}"


def clips_sentence(result: GateResult, table: Table) -> str:
    """How many clips would have to change, of how many; answers, where a clip gave several."""
    row = row_of(result, table)
    if result.distance is None or row is None:
        return ""
    return f": {result.distance} of {count(row.n, 'clip' if row.n == row.clusters else 'answer')} would have to change"


def gate_remark(result: GateResult, table: Table) -> str:
    """The second line of a gate: what stands between it and a pass; empty when the numbers say it all."""
    if result.verdict == FAIL and result.value is not None:
        return clips_sentence(result, table).removeprefix(": ") or safe(result.reason, 400)
    if result.verdict == PASS and result.value is not None:
        return ""
    gate, row = gate_of(result), row_of(result, table)
    if result.verdict == UNDECIDED and gate is not None and row is not None:
        bound = row.lower95 if gate.upward else row.upper95
        shown = "unknown" if bound is None else apart(bound, gate.threshold)[0]
        return f"95 % bound {shown} is outside; {result.reason.rpartition('; ')[2]}"
    return safe(result.reason, 400)
