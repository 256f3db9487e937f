"""How to waive a gate: blocks for ``waivers.toml``, one a gate, for one model on one dataset and a limited time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from pytest_mcr.core.gates import FAIL, INVALID, UNDECIDED, GateResult
from pytest_mcr.report.wording import count, quoted_text
from pytest_mcr.run.record import RunRecord

DAYS: Final = 90
"""Longest life of a waiver."""
BLOCKS_SHOWN: Final = 12


def waivable(record: RunRecord) -> list[GateResult]:
    """Gates that somebody may answer for; never where anything is INVALID."""
    if record.judgement.verdict != "fail" or record.model.get("fingerprint") is None:
        return []
    return [gate for gate in record.judgement.gates if gate.verdict in (FAIL, UNDECIDED)]


def waiver_lines(record: RunRecord) -> Iterator[str]:
    """What a waiver takes, or why there is nothing to waive."""
    judgement = record.judgement
    gates = waivable(record)
    if judgement.verdict == INVALID:
        yield "INVALID is never waived: what cannot be trusted has to be measured again"
    elif judgement.verdict != "fail":
        yield "nothing to waive"
    elif record.model.get("fingerprint") is None:
        yield "a waiver is for one model, and this one has no fingerprint"
    elif not gates:
        yield "nothing to waive: no gate blocks, and errors of cases are not waived"
    else:
        yield (
            f"add to waivers.toml, one block a gate, and fill in owner and reason; each is for this model on this "
            f"data and ends after {DAYS} days at most"
        )
        if len(gates) > BLOCKS_SHOWN:
            yield f"the first {BLOCKS_SHOWN} of {count(len(gates), 'gate')}:"


def waiver_blocks(record: RunRecord) -> Iterator[str]:
    """The lines of the blocks."""
    for number, gate in enumerate(waivable(record)[:BLOCKS_SHOWN]):
        if number:
            yield ""
        yield from block(record, gate)


def block(record: RunRecord, gate: GateResult) -> Iterator[str]:
    """One block of TOML."""
    yield "[[waiver]]"
    yield f"gate = {quoted_text(gate.expr)}"
    yield f"model = {quoted_text(str(record.model['fingerprint']))}"
    yield f"dataset = {quoted_text(str(record.dataset['digest']))}"
    yield 'owner = ""  # who answers for it'
    yield 'reason = ""'
    yield f"expires = {last_day(record)}"


def last_day(record: RunRecord) -> str:
    """The last day on which a waiver written on the day of the run may hold."""
    started = datetime.fromisoformat(str(record.run["started"]))
    return (started + timedelta(days=DAYS)).date().isoformat()
