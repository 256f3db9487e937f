"""A run against its baseline and its anchor: comparisons, and the gates that they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_mcr.core.case import Outcome
from pytest_mcr.core.comparison import PASS as CELL_PASS
from pytest_mcr.core.comparison import REGRESSED, Cell, Comparison
from pytest_mcr.core.gates import FAIL, INVALID, PASS, UNDECIDED, GateResult
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.core.noninferiority import compare
from pytest_mcr.run.references import Against, Asked, Reference

FLAG: Final = "--mcr-baseline"
"""What asked for these gates: `GateResult.gate`."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A reference and what became of it.

    Attributes:
        comparison: None where the runs cannot be compared.
        differences: why they cannot.
    """

    reference: Reference
    comparison: Comparison | None
    differences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The entry of ``baseline`` in the results."""
        compared = {"verdict": "invalid"} if self.comparison is None else self.comparison.to_json()
        return self.reference.to_json() | {"differences": list(self.differences)} | compared


def compared_with(against: Against, outcomes: Sequence[Outcome]) -> tuple[Compared, ...]:
    """Compare a whole run with its references."""
    found = []
    for reference in against.references:
        assert against.asked is not None
        differences = tuple(reference.differences(against.asked) or unanswered(against.asked, outcomes))
        comparison = None
        if not differences:
            before = reference.run.outcomes.values()
            comparison = compare(before, outcomes, against.margins, against.planned)
        found.append(Compared(reference, comparison, differences))
    return tuple(found)


def unanswered(asked: Asked, outcomes: Sequence[Outcome]) -> list[str]:
    """Why a run that lacks answers of its own is compared with nothing: which are there may depend on what they say."""
    lost = asked.cases - {(outcome.sample, outcome.condition) for outcome in outcomes}
    if len(lost) == len(asked.cases):
        return ["no case was answered; add the suite bench to --mcr-suite"]
    return [f"{len(lost)} of {len(asked.cases)} cases were not answered, e.g. {'-'.join(min(lost))}"] if lost else []


def gates_against(compared: Sequence[Compared]) -> list[GateResult]:
    """A gate for every cell of every comparison, and one INVALID for a reference that cannot be compared."""
    gates = []
    for one in compared:
        role = one.reference.role
        if one.comparison is None:
            reason = f"cannot be compared with {one.reference.run.path}: {'; '.join(one.differences)}"
            gates.append(GateResult(unknown_gate(role), None, None, None, INVALID, reason, None, OVERALL, FLAG))
        else:
            gates += [_gate(role, cell) for cell in one.comparison.cells]
    return gates


def unknown_gate(role: str) -> str:
    """What stands for the gates of a reference that was not compared."""
    return f"accuracy vs {role}"


def _gate(role: str, cell: Cell) -> GateResult:
    verdict = {CELL_PASS: PASS, REGRESSED: FAIL}.get(cell.verdict, UNDECIDED)
    short = math.ceil((-cell.margin - cell.change) * cell.n - 1e-9)
    return GateResult(
        expr=f"{cell.name} vs {role} >= {-cell.margin:g}@95",
        value=cell.change,
        low=cell.low,
        high=cell.high,
        verdict=verdict,
        reason=cell.reason,
        distance=short if verdict == FAIL else None,
        task=cell.task,
        gate=FLAG,
    )
