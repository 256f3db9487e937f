"""The repeat audit: which cases decide, and when two answers that differ are too many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.core.case import CONDITIONS, Case, Sample
from pytest_mcr.core.margins import Margins
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.run.batch_audit import Compared, packed
from pytest_mcr.run.repeat_audit import REPEATED, deciding_conditions, repeat_report, repeated_cases
from pytest_mcr.run.settings import Settings
from tests.unit.records import run

ENDPOINT = "openai:http://127.0.0.1:9/v1#m"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a plain run under the release profile."""
    known: dict[str, Any] = dict(run(tmp_path, sizes={"AQA": 4}).settings) | {"margin": Margins()}
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
    return Settings(invocation_dir=tmp_path, **values)


def cases(count: int) -> list[Case]:
    texts = dict.fromkeys(CONDITIONS[1:], "text")
    samples = [Sample(f"{task}-{n:04d}", task, "a", "?", "yes", texts) for task in ("AQA", "SER") for n in range(count)]
    return [Case(sample, condition) for sample in samples for condition in CONDITIONS]


def rows(count: int, flips: int, silent: int = 0) -> list[dict[str, Any]]:
    found = [Compared(f"AQA-{n:04d}-neutral", n < flips, None, None, None, again=True) for n in range(count)]
    lost = [Compared(f"SER-{n:04d}-neutral", True, None, None, "timed out", again=True) for n in range(silent)]
    return [packed(one) for one in found + lost]


def test_all_cases_of_a_small_run_and_a_stratified_part_of_a_large_one(settings: Settings) -> None:
    spec = parse_spec(ENDPOINT, invocation_dir=settings.invocation_dir)
    assert repeated_cases(settings, spec, cases(8)) == {case.id for case in cases(8)}
    chosen = repeated_cases(settings, spec, cases(400))
    assert len(chosen) == REPEATED
    strata = {(case.sample.task, case.condition) for case in cases(400)}
    counts = [sum(name.startswith(task) and name.endswith(condition) for name in chosen) for task, condition in strata]
    assert counts == [REPEATED // 8] * 8
    assert repeated_cases(settings, spec, cases(400)) == chosen
    assert repeated_cases(replace(settings, seed=1), spec, cases(400)) != chosen


def test_only_of_endpoints_and_only_what_gates_read(settings: Settings) -> None:
    oracle = parse_spec("oracle:listener", invocation_dir=settings.invocation_dir)
    assert repeated_cases(settings, oracle, cases(8)) == frozenset()
    assert deciding_conditions(settings) is None
    report = replace(settings, profile="report")
    assert deciding_conditions(report) == frozenset()
    assert deciding_conditions(replace(report, baseline=Path("x"))) is None
    given = replace(settings, gates=("tir[adversarial] <= 0.3", "accuracy[faithful] >= 0.5"))
    assert deciding_conditions(given) == frozenset({"neutral", "adversarial", "faithful"})


@pytest.mark.parametrize(
    ("count", "flips", "verdict"),
    [(200, 0, "pass"), (200, 4, "pass"), (200, 5, "fail"), (20, 1, "pass"), (20, 2, "fail")],
)
def test_two_per_cent_may_differ_and_one_case_always(count: int, flips: int, verdict: str) -> None:
    found = repeat_report(rows(count, flips))
    assert (found["verdict"], found["cases"], len(found["differ"])) == (verdict, count, flips)
    assert found["disagreement"] == flips / count
    assert ("at most 2% are allowed, e.g. AQA-0000-neutral" in found["detail"]) == (verdict == "fail")


def test_a_case_without_a_second_answer_is_no_agreement() -> None:
    found = repeat_report(rows(100, 0, silent=3))
    assert (found["verdict"], found["cases"], found["disagreement"]) == ("pass", 100, 0)
    assert "3 gave no second answer (timed out)" in found["detail"]
    found = repeat_report(rows(0, 0, silent=3))
    assert (found["verdict"], found["disagreement"]) == ("fail", None)


def test_nothing_repeated_is_not_applicable() -> None:
    assert repeat_report([])["verdict"] == "not_applicable"
