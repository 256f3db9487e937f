"""Gates on the command line: which are judged, which are not, and what they are as tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_mcr.core.profiles import load_profile
from pytest_mcr.data.shipped import suite
from tests.plugin.conftest import Runner

ACCURACY, TIR = "accuracy[adversarial] >= 0.5", "tir[adversarial] <= 0.3"
RELEASE = [gate.expr for gate in load_profile(suite("profiles.toml"), "release").gates]


def test_gate_replaces_the_profile_and_lists_what_it_dropped(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-gate", ACCURACY, "--mcr-gate", TIR)
    assert ran.gates == {ACCURACY: "fail", TIR: "fail"}
    assert ran.results["gates_not_judged"] == RELEASE
    assert f"{len(RELEASE)} gates: {RELEASE[0]}" in ran.text


def test_add_gate_adds(mcr: Runner, data40: Path) -> None:
    added = "SER.accuracy[irrelevant] > 0.99"
    ran = mcr("oracle:listener", data40, "--mcr-add-gate", added)
    assert ran.code == 0
    assert ran.gates[added] == "pass"
    assert ran.gates["mrs >= 0.75@95"] == "pass"
    assert ran.results["gates_not_judged"] == []


def test_gates_in_the_ini_and_a_flag_that_wins(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    pytester.makeini("[pytest]\nmcr_gate =\n    accuracy[adversarial] >= 0.5\n    tir[adversarial] <= 0.3\n")
    assert mcr("oracle:listener", data).gates == {ACCURACY: "pass", TIR: "pass"}
    assert mcr("oracle:listener", data, "--mcr-gate", "mrs >= 0.9").gates == {"mrs >= 0.9": "pass"}


def test_shorthands(mcr: Runner, data: Path) -> None:
    words = [
        "--mcr-min-accuracy",
        "0.5",
        "--mcr-min-accuracy",
        "faithful=0.9",
        "--mcr-max-tir",
        "0.3",
        "--mcr-min-mrs",
        "0.7",
    ]
    ran = mcr("oracle:listener", data, *words)
    assert ran.code == 0
    assert ran.gates == {ACCURACY: "pass", "accuracy[faithful] >= 0.9": "pass", TIR: "pass", "mrs >= 0.7": "pass"}
    assert ran.results["gates_not_judged"] == RELEASE


def test_each_is_one_gate_a_task(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-gate", "each.accuracy[neutral] >= 0.9")
    assert ran.gates == {"AQA.accuracy[neutral] >= 0.9": "pass", "SER.accuracy[neutral] >= 0.9": "pass"}


def test_explicit_gate_needs_its_condition(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-conditions", "neutral,faithful", "--mcr-gate", TIR)
    ran.refused(TIR, "adversarial", "--mcr-conditions")


def test_profile_gate_without_its_condition_is_not_judged(mcr: Runner, data40: Path) -> None:
    ran = mcr("oracle:listener", data40, "--mcr-conditions", "neutral,faithful")
    assert ran.code == 0, ran.text
    assert ran.gates["accuracy[faithful] >= 0.88@95"] == "pass"
    assert ran.gates["accuracy[adversarial] >= 0.50@95"] == "not_judged"
    assert "accuracy[adversarial] >= 0.50@95" in ran.results["gates_not_judged"]
    assert ran.results["verdict"] == "pass"


def test_undefined_metric_of_an_explicit_gate_is_invalid(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-gate", "tir[faithful] <= 0.5")
    assert ran.code == 8
    assert ran.gates == {"tir[faithful] <= 0.5": "invalid"}
    assert "undefined" in ran.results["gates"][0]["reason"]


def test_undefined_metric_of_a_profile_gate_passes_where_nothing_was_wrong(mcr: Runner, data40: Path) -> None:
    ran = mcr("oracle:listener", data40, "--mcr-suite", "bench,confidence", "--mcr-profile", "strict")
    assert ran.gates["overconfidence[adversarial] <= 0.40"] in ("pass", "not_judged"), ran.gates


def test_overconfidence_is_gated_only_beside_its_ranking(mcr: Runner, data: Path) -> None:
    gate = ("--mcr-gate", "overconfidence[adversarial] <= 0.5")
    ran = mcr("oracle:listener", data, "--mcr-suite", "bench,confidence", *gate)
    ran.refused("overconfidence[adversarial] <= 0.5", "auroc[adversarial]", "--mcr-add-gate")


def test_gate_on_hearing_that_is_not_shown_is_invalid(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    gates = ("--mcr-gate", TIR, "--mcr-gate", "accuracy[neutral] <= 1")
    ran = mcr("oracle:shifted", data, "--mcr-tasks", "AQA", *gates, *mode)
    assert ran.gates == {TIR: "invalid", "accuracy[neutral] <= 1": "pass"}
    assert ran.code == 8
    assert "hearing not shown" in ran.text


def test_hearing_not_shown_under_report_is_said(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:shifted?scores=no", data, "--mcr-profile", "report", "--mcr-tasks", "AQA")
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert "hearing not shown in AQA" in ran.text
    assert "hearing not shown" in next(
        row["note"] for row in ran.results["metrics"] if (row["metric"], row["condition"]) == ("tir", "adversarial")
    )


def test_gates_are_testcases_in_junit(mcr: Runner, data: Path, mode: Sequence[str], pytester: pytest.Pytester) -> None:
    gates = ("--mcr-gate", ACCURACY, "--mcr-gate", "accuracy[neutral] >= 0.5")
    mcr("oracle:text-follower", data, *gates, "--junitxml", "junit.xml", *mode)
    suite_element = ElementTree.parse(pytester.path / "junit.xml").getroot()[0]
    counts = {key: suite_element.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "98", "failures": "1", "errors": "0", "skipped": "0"}
    by_name = {str(case.get("name")): case for case in suite_element.iter("testcase")}
    failure = by_name[f"gate[{ACCURACY}]"].find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith(f"FAIL: {ACCURACY}: 0.000")
    assert by_name["gate[accuracy[neutral] >= 0.5]"].find("failure") is None
    assert not [case for case in by_name.values() if case.find("properties") is not None]
    stated = {str(prop.get("name")): prop.get("value") for prop in suite_element.iter("property")}
    assert stated["mcr.verdict"] == "fail"
    assert stated["mcr.model"] == "oracle:text-follower"
    assert stated["mcr.dataset"] == "custom"


def test_not_judged_gates_are_skipped_tests(mcr: Runner, data40: Path, pytester: pytest.Pytester) -> None:
    ran = mcr("oracle:listener", data40, "--mcr-conditions", "neutral,faithful", "--junitxml", "junit.xml")
    not_judged = sum(verdict == "not_judged" for verdict in ran.gates.values())
    assert not_judged > 0
    suite_element = ElementTree.parse(pytester.path / "junit.xml").getroot()[0]
    assert suite_element.get("skipped") == str(not_judged)


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("tir[adversarial] <=", ("tir[adversarial] <=",)),
        ("tir[adversarial] = 0.3", ("tir[adversarial] = 0.3",)),
        ("tr[adversarial] <= 0.3", ("'tr'", "tir")),
        ("tir[adverse] <= 0.3", ("adverse", "adversarial")),
        ("tir <= 0.3", ("tir <= 0.3", "condition")),
        ("mrs[neutral] >= 0.3", ("mrs",)),
        ("VSC.tir[adversarial] <= 0.3", ("VSC", "AQA, SER")),
        ("tir[adversarial] <= nan", ("nan",)),
        ("tir[adversarial] <= 0.3@90", ("0.3@90",)),
        ("", ("",)),
    ],
)
def test_a_gate_that_cannot_be_understood(mcr: Runner, data: Path, expr: str, words: tuple[str, ...]) -> None:
    mcr("oracle:listener", data, "--mcr-gate", expr).refused(*words)
