"""The repeat audit of an endpoint: do the questions that decide its gates get the same answer twice?

A server may batch, cache or be replaced while it is measured. So up to 200 cases are asked a second time in the same
run, never from the cache. More than 2 % that answer otherwise make the run INVALID: its numbers would not come again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pytest_mcr.core.case import Case
from pytest_mcr.core.grammar import needs, parse_gate
from pytest_mcr.models.resolve import kind
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.batch_audit import audit_subset
from pytest_mcr.run.settings import REPORT, Settings

REPEATED: Final = 200
"""Cases a run (all that decide, if it has fewer)."""
MOST: Final = 0.02
"""Share of the repeated cases that may answer otherwise; one case always may."""


def repeated_cases(settings: Settings, spec: Spec, cases: Sequence[Case]) -> frozenset[str]:
    """Ids of the cases that are asked twice: by turns one of each task and condition that a gate reads.

    Empty for a model that is no endpoint, and for a run that gates nothing.
    """
    if kind(spec) != "endpoint":
        return frozenset()
    conditions = deciding_conditions(settings)
    read = [case for case in cases if conditions is None or case.condition in conditions]
    return audit_subset(read, settings.seed, REPEATED)


def deciding_conditions(settings: Settings) -> frozenset[str] | None:
    """The conditions whose answers decide a gate; None for all: a profile's gates and a comparison read every one."""
    if settings.baseline is not None or (settings.gates is None and settings.profile != REPORT):
        return None
    given = (*(settings.gates or ()), *settings.add_gates)
    return frozenset().union(*(needs(parse_gate(text)) for text in given))


def repeat_report(compared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The finding, for ``audit.repeat`` of the results.

    Args:
        compared: fields of `pytest_mcr.run.batch_audit.Compared`, one mapping a case, in any order.
    """
    if not compared:
        return {"verdict": "not_applicable", "detail": "no case was asked twice", "cases": 0}
    rows = sorted(compared, key=lambda row: str(row["id"]))
    silent = [row for row in rows if row["problem"] is not None]
    answered = [row for row in rows if row["problem"] is None]
    differ = [row["id"] for row in answered if row["flip"]]
    rate = len(differ) / len(answered) if answered else None
    failed = len(differ) > max(MOST * len(answered), 1) or not answered
    detail = f"{len(differ)} of {len(answered)} cases that decide the gates were answered otherwise the second time"
    if failed and answered:
        detail += f"; at most {MOST:.0%} are allowed, e.g. {differ[0]}"
    if silent:
        detail += f"; {len(silent)} gave no second answer ({silent[0]['problem']})"
    return {
        "verdict": "fail" if failed else "pass",
        "detail": detail,
        "cases": len(answered),
        "disagreement": rate,
        "allowed": MOST,
        "differ": differ,
    }
