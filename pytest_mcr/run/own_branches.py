"""Branches that a plain run has asked anyway: J is each case's own answer and A its clip's neutral one.

So rules on these two (hard switch, self-gated, GACL) can be judged without another question to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pytest_mcr.core.case import CONDITIONS, NEUTRAL, Sample
from pytest_mcr.core.repair_arms import Arm, arms_of
from pytest_mcr.core.repair_cases import RepairCase, slot
from pytest_mcr.run.ledger import Ledger

KNOWN: Final = ("joint", "audio")


def own_arms() -> tuple[Arm, ...]:
    """The arms of a plain run of the mitigation suite that need no other branch, the controls first."""
    return tuple(arm for arm in arms_of(()) if set(arm.branches) <= set(KNOWN))


def own_cases(ledger: Ledger, samples: Mapping[str, Sample]) -> Iterator[RepairCase]:
    """The clips with a closed answer set whose neutral case has scores, each with what was asked about it.

    Args:
        ledger: of the run; its journal holds the scores.
        samples: by id.
    """
    for name, sample in samples.items():
        conditions = tuple(condition for condition in CONDITIONS if (name, condition) in ledger.outcomes)
        if not sample.candidates or NEUTRAL not in conditions:
            continue
        scores: dict[str, dict[str, float] | None] = {}
        errors: dict[str, str] = {}
        for condition in conditions:
            record: dict[str, Any] = ledger.journal.read(f"{name}-{condition}")
            place = slot("joint", condition)
            if record["error"] is not None:
                errors[place] = str(record["error"])
            else:
                scores[place] = record["scores"]
        if scores.get("audio") is not None or "audio" in errors:
            cluster = ledger.outcomes[name, NEUTRAL].cluster
            yield RepairCase(
                name, sample.task, cluster, cluster, sample.gold, sample.candidates, conditions, scores, {}, {}, errors
            )
