"""All gates of a whole run: its own, those against earlier runs, and what a waiver makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mcr.core.case import Outcome
from pytest_mcr.core.gates import NOT_JUDGED, GateResult
from pytest_mcr.core.waivers import waived
from pytest_mcr.run.against import Compared, compared_with, gates_against, unknown_gate
from pytest_mcr.run.references import Against
from pytest_mcr.run.settings import REPORT


@dataclass(frozen=True, slots=True)
class Gated:
    """What became of the gates.

    Attributes:
        gates: the run's own first.
        compared: the run against each reference.
        notes: a line for each waiver that did nothing.
    """

    gates: tuple[GateResult, ...] = ()
    compared: tuple[Compared, ...] = ()
    notes: Sequence[str] = ()


def gate_all(
    own: Sequence[GateResult],
    outcomes: Sequence[Outcome],
    against: Against,
    profile: str,
    fingerprint: str | None,
    data: str,
) -> Gated:
    """Add the gates against earlier runs, and apply the waivers.

    Args:
        own: the run's own gates, judged.
        outcomes: of the run.
        against: references and waivers.
        profile: under ``report`` a comparison informs and gates nothing.
        fingerprint: of the model.
        data: digest of the dataset.
    """
    compared = compared_with(against, outcomes)
    gates = [*own, *(gates_against(compared) if profile != REPORT else ())]
    results, notes = waived(gates, against.waivers, model=fingerprint, dataset=data, today=against.today)
    return Gated(results, compared, notes)


def left_out(against: Against, profile: str) -> list[str]:
    """What stands for the comparisons of a run that is not judged."""
    return [unknown_gate(reference.role) for reference in against.references if profile != REPORT]


def nothing_judged(gates: Sequence[GateResult], profile: str) -> list[str]:
    """The reason why a run with gates of which none could be judged is INVALID: a release must not pass on nothing."""
    if not gates or any(gate.verdict != NOT_JUDGED for gate in gates):
        return []
    count = "its one gate was" if len(gates) == 1 else f"none of {len(gates)} gates was"
    return [
        f"profile {profile}: {count} judged ({gates[0].expr}: {gates[0].reason}); measure more, or type "
        f"--mcr-profile {REPORT} to gate nothing"
    ]
