"""Waived gates and comparisons in words; what a results file holds never reaches a terminal as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_mcr.core.gates import UNDECIDED, WAIVED, GateResult
from pytest_mcr.report.sentences import headline
from pytest_mcr.report.terminal import summary
from pytest_mcr.run.former_cases import FormerRun
from pytest_mcr.run.record import RunRecord
from pytest_mcr.run.references import BASELINE, Against, Asked, Reference, differences
from tests.unit.records import lab_like, listener, run

HOSTILE = "x\x1b[2J\u202e<b>\n"


def waived(record: RunRecord, count: int, **changes: str) -> RunRecord:
    """The record with its first so many gates waived."""
    waiver = {"owner": "Ada", "expires": "2026-12-24", "reason": "known", "was": "fail", **changes}
    gates = [
        replace(gate, verdict=WAIVED, waiver=waiver) if place < count else gate
        for place, gate in enumerate(record.judgement.gates)
    ]
    return replace(record, judgement=replace(record.judgement, gates=tuple(gates)))


def test_waived_gates_come_first_and_share_a_line(tmp_path: Path) -> None:
    found = headline(waived(run(tmp_path, listener), 2))
    assert found.word == "WAIVED"
    assert "does not meet 2 of 21 gates of profile release; Ada waived them; 19 others are met." in found.sentence
    assert found.reasons == (
        "WAIVED by Ada until 2026-12-24: known: AQA.skill[neutral] >= 0.25@95 (FAIL), "
        "SER.skill[neutral] >= 0.25@95 (FAIL)",
    )


def test_a_waiver_beside_an_undecided_gate_does_not_make_it_a_failure(tmp_path: Path) -> None:
    record = run(tmp_path, listener, sizes={"AQA": 60}, gates=["accuracy[neutral] >= 0.5", "mrs >= 0.999@95"])
    assert headline(record).word == "UNDECIDED"
    found = headline(waived(record, 1))
    assert (found.word, len(found.reasons)) == ("UNDECIDED", 1)
    assert {gate.verdict for gate in waived(record, 1).judgement.gates} == {WAIVED, UNDECIDED}


def test_a_waived_gate_is_in_the_table(tmp_path: Path) -> None:
    lines = summary(waived(run(tmp_path, lab_like), 1, reason=HOSTILE), width=100, color=False)
    assert any(line.strip().startswith("WAIVED  ") for line in lines)
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


def former(**results: Any) -> FormerRun:
    facts = {"run": {"id": HOSTILE}, "model": {"spec": HOSTILE}, "verdict": HOSTILE, "reasons": [HOSTILE], **results}
    return FormerRun(Path("results.json"), facts, {})


def test_what_a_results_file_says_is_made_safe() -> None:
    asked = Asked("d" * 64, HOSTILE, HOSTILE, True, frozenset(), frozenset([HOSTILE]))
    against = Against((Reference(BASELINE, former()),), asked=asked)
    lines = [*against.header(), *differences(asked, replace(asked, template="paper v1", tasks=frozenset()))]
    assert len(lines) == 4
    assert not any(char in line for line in lines for char in "\x1b\u202e\n")


def test_a_gate_that_is_waived_keeps_its_own_reason() -> None:
    gate = GateResult("mrs >= 0.9", 0.5, 0.4, 0.6, WAIVED, "why", None, "*", "mrs >= 0.9", {"owner": "Ada"})
    assert gate.to_json()["waiver"] == {"owner": "Ada"}
