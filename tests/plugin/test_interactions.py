"""Together with pytest's own options and with other plugins, each in the three modes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.plugin.conftest import Runner

GATE = ("--mcr-gate", "accuracy[adversarial] >= 0.5")
REPORT = ("--mcr-profile", "report")
ERROR = "oracle:crasher?case=SER-0003-faithful"


def test_lf_after_a_failed_gate_reruns_everything(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    assert mcr("oracle:text-follower", data, *GATE, *mode).code == 1
    again = mcr("oracle:text-follower", data, *GATE, "--lf", *mode)
    assert (again.code, again.results["counts"]["cases"]) == (1, 96)


def test_lf_forgets_a_gate_that_passes_again(mcr: Runner, data: Path) -> None:
    mcr("oracle:text-follower", data, *GATE)
    fixed = mcr("oracle:listener", data, *GATE, "--lf")
    assert (fixed.code, fixed.results["counts"]["cases"]) == (0, 96)
    assert "rerun previous 1 failure" in fixed.text or "known failures not in selected tests" in fixed.text
    assert "no previously failed tests" in mcr("oracle:listener", data, *GATE, "--lf").text


def test_lf_after_an_error_reruns_the_case_as_partial(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    assert mcr(ERROR, data, *GATE, *mode).code == 1
    again = mcr("oracle:listener", data, *GATE, "--lf", *mode)
    assert (again.code, again.results["verdict"]) == (8, "partial")
    assert [case["id"] for case in again.cases] == ["SER-0003-faithful"]


def test_ff_reorders_and_changes_no_number(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    first = mcr(ERROR, data, *GATE, *mode)
    again = mcr(ERROR, data, *GATE, "--ff", *mode)
    assert (again.code, again.results["verdict"]) == (1, "fail")
    assert again.results["metrics"] == first.results["metrics"]
    assert [case["id"] for case in again.cases] == [case["id"] for case in first.cases]


@pytest.mark.parametrize("option", ["-x", "--maxfail=2"])
def test_stopping_at_an_error_is_partial(mcr: Runner, data: Path, option: str, mode: Sequence[str]) -> None:
    ran = mcr("oracle:crasher", data, *GATE, option, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "partial")
    assert ran.results["reasons"][0].startswith("the run ended early: stopping after ")
    assert ran.results["gates"] == []
    assert 0 < ran.results["counts"]["cases"] < 96


def test_x_does_not_stop_at_wrong_answers(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, *REPORT, "-x")
    assert (ran.code, len(ran.cases)) == (0, 96)


def test_junit_has_one_testcase_a_case(mcr: Runner, data: Path, mode: Sequence[str], pytester: pytest.Pytester) -> None:
    mcr(ERROR, data, *REPORT, "--junitxml", "junit.xml", *mode)
    root = ElementTree.parse(pytester.path / "junit.xml").getroot()
    cases = list(root.iter("testcase"))
    assert len(cases) == 96
    assert {case.get("classname") for case in cases} == {"mcr.test_mcr_bench"}
    assert [case.get("name") for case in cases if len(case)] == ["test_mcr_bench[SER-0003-faithful]"]
    assert not [case for case in cases if case.find("properties") is not None]


@pytest.mark.usefixtures("factories")
def test_a_rerun_that_succeeds_counts(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("models:Recovers?times=1", data, *GATE, "--reruns", "1", *mode)
    assert (ran.code, ran.results["verdict"]) == (0, "pass"), ran.text
    assert ran.results["counts"]["errors"] == 0
    assert ran.results["canary"]["verdict"] == "pass"
    assert "1 rerun" in ran.result.outlines[-1]


@pytest.mark.usefixtures("factories")
def test_a_rerun_that_fails_again_is_an_error(mcr: Runner, data: Path) -> None:
    ran = mcr("models:Recovers?times=2", data, *GATE, "--reruns", "1")
    assert (ran.code, ran.results["counts"]["errors"]) == (1, 1)
    ran = mcr("models:Recovers?times=2", data, *GATE, "--reruns", "2")
    assert (ran.code, ran.results["counts"]["errors"]) == (0, 0)


def test_a_failed_canary_is_not_argued_with(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:deaf", data, *GATE, "--reruns", "2", *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"], ran.cases) == (8, "invalid", [])
    assert ran.results["canary"]["verdict"] == "fail"


@pytest.mark.parametrize(
    "blocked", ["xdist", "cacheprovider", "rerunfailures", "randomly", "junitxml", "hypothesispytest"]
)
def test_without_another_plugin(mcr: Runner, data: Path, blocked: str) -> None:
    ran = mcr("oracle:text-follower", data, *GATE, "-p", f"no:{blocked}")
    assert (ran.code, ran.results["verdict"], len(ran.cases)) == (1, "fail", 96)
    ran.result.assert_outcomes(passed=96, failed=1)


def test_capture_off_and_quiet(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, *GATE, "-s", "-q")
    assert (ran.code, len(ran.cases)) == (0, 96)


def test_shuffled_items(mcr: Runner, data: Path, pytester: pytest.Pytester, mode: Sequence[str]) -> None:
    straight = mcr("oracle:noisy?p=0.6", data, *REPORT)
    pytester.makeconftest("import random\ndef pytest_collection_modifyitems(items): random.Random(7).shuffle(items)")
    ran = mcr("oracle:noisy?p=0.6", data, *REPORT, *mode)
    assert (ran.code, ran.results["metrics"]) == (0, straight.results["metrics"])
    assert [case["id"] for case in ran.cases] == [case["id"] for case in straight.cases]
