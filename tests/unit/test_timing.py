"""Timing: shares that add up, and an estimate that follows the pace."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import NEUTRAL, PLACEBO
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.journal import Journal
from pytest_mcr.run.ledger import Ledger
from pytest_mcr.run.process import STAGES, Process
from pytest_mcr.run.timing import duration, remaining, timing_of
from tests.unit.outcomes import RIGHT, planted


@given(st.dictionaries(st.sampled_from(STAGES), st.floats(0, 10)), st.floats(0, 10))
def test_shares_add_up_to_one(stages: dict[str, float], idle: float) -> None:
    process = Process({})
    for stage, seconds in stages.items():
        process.spend(stage, seconds)
    measuring = sum(stages.values()) + idle
    process.seconds["measuring"] = measuring
    ledger = Ledger(Journal(Path("never-written")), processes={"gw0": {"seconds": process.seconds}})
    share = timing_of(Evidence(ledger, [], None, 1, 1.0))["share"]
    assert set(share) == {*STAGES, "idle"}
    if measuring:
        assert sum(share.values()) == pytest.approx(1.0, abs=1e-3)
    else:
        assert set(share.values()) == {None}


def test_a_control_is_no_case_and_its_time_is_its_cases(tmp_path: Path) -> None:
    ledger = Ledger(Journal(tmp_path / "cases.part"))
    for condition in (NEUTRAL, PLACEBO):
        ledger.take(planted(0, condition, RIGHT), {"id": f"VSC-0000-{condition}", "seconds": 0.5, "cached": True})
    timing = timing_of(Evidence(ledger, [], None, 0, 2.0))
    assert (timing["cases"], timing["cases_per_second"]) == (0.5, 0.5)
    assert ledger.counts({("VSC-0000", NEUTRAL)})["cached"] == 1
    ledger.journal.publish(tmp_path / "cases.jsonl", [])


@given(st.integers(1, 100), st.integers(0, 100), st.floats(0.01, 100), st.integers(1, 8))
def test_the_pace_goes_on(done: int, more: int, computing: float, workers: int) -> None:
    left = remaining(done, more, computing, workers)
    assert left == pytest.approx(more * computing / done / workers)


def test_no_estimate_before_the_first_case() -> None:
    assert remaining(0, 10, 0.0, 1) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (89, "89 s"), (91, "2 min"), (3000, "50 min"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
