"""Exit codes as documented: 0, 1, 2 (see test_xdist.py), 4, 5 and 8; 8 beats 1; results.json always agrees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

HEARS = "accuracy[adversarial] >= 0.5"
"""A gate that a listener passes and a text-follower fails."""


def test_0_every_gate_met(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data, "--mcr-gate", HEARS, *mode)
    assert (ran.code, ran.results["verdict"], ran.results["reasons"]) == (0, "pass", [])
    ran.result.assert_outcomes(passed=97)
    assert "PASS: oracle:listener" in ran.text


def test_1_a_gate_failed(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-gate", HEARS, *mode)
    assert (ran.code, ran.results["verdict"]) == (1, "fail")
    ran.result.assert_outcomes(passed=96, failed=1)
    assert ran.results["reasons"][0].startswith(f"gate {HEARS}: 0.000")


def test_1_a_gate_is_undecided(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-gate", "accuracy[adversarial] >= 0.99@95")
    assert (ran.code, ran.results["verdict"]) == (1, "fail")
    assert ran.gates == {"accuracy[adversarial] >= 0.99@95": "undecided"}
    assert "UNDECIDED" in ran.text


def test_1_a_case_had_an_error(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:crasher?case=AQA-0003-faithful", data, "--mcr-gate", HEARS, *mode)
    assert (ran.code, ran.results["verdict"], ran.results["reasons"]) == (1, "fail", ["1 case had an error"])
    assert ran.results["counts"]["errors"] == 1
    ran.result.assert_outcomes(passed=96, failed=1)


def test_4_nothing_can_be_measured(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    mcr("oracle:listner", data, *mode).refused("oracle", "'listner'", "did you mean listener?")


def test_5_no_case_selected(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data, "-k", "nothing", *mode)
    assert ran.code == 5
    assert sum("no case was selected" in line for line in ran.result.outlines) == 1
    assert not any(line.startswith("PARTIAL") for line in ran.result.outlines)
    assert ran.results["verdict"] == "partial"
    assert ran.cases == []


def test_8_the_model_does_not_hear(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:deaf", data, "--mcr-profile", "report")
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["reasons"][0].startswith("canary: ")


def test_8_a_part_of_the_cases(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data, "-k", "AQA", "--mcr-gate", HEARS, *mode)
    assert (ran.code, ran.results["verdict"]) == (8, "partial")
    assert ran.results["reasons"] == ["48 of 96 cases were selected (-k, -m, --lf, ids or paths)"]
    assert ran.results["gates"] == []
    assert HEARS in ran.results["gates_not_judged"]


def test_a_part_is_fine_under_report(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "-k", "AQA", "--mcr-profile", "report")
    assert (ran.code, ran.results["verdict"]) == (0, "partial")


def test_8_beats_a_failed_gate(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    undefined = "tir[faithful] <= 0.5"  # nothing was wrong in neutral
    ran = mcr("oracle:text-follower", data, "--mcr-gate", HEARS, "--mcr-gate", undefined, *mode)
    assert ran.gates == {HEARS: "fail", undefined: "invalid"}
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")


def test_8_beats_an_error(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:crasher?case=AQA-0003-faithful", data, "-k", "AQA")
    assert ran.results["counts"]["errors"] == 1
    assert (ran.code, ran.results["verdict"]) == (8, "partial")


def test_report_measures_and_judges_nothing(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-profile", "report")
    assert (ran.code, ran.results["verdict"], ran.results["gates"]) == (0, "pass", [])
    assert ran.metric("accuracy", "adversarial") == 0.0


def test_same_code_and_files_without_a_terminal(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-gate", HEARS, "-p", "no:terminal", *mode)
    assert (ran.code, ran.results["verdict"], ran.gates) == (1, "fail", {HEARS: "fail"})
    assert len(ran.cases) == 96


def test_invalid_without_a_terminal(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:constant", data, "-p", "no:terminal")
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")


def test_a_failed_gate_turns_the_last_line_red(
    mcr: Runner, data: Path, mode: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    ran = mcr("oracle:text-follower", data, "--mcr-gate", HEARS, "--color", "yes", *mode)
    assert "\x1b[31m" in ran.result.outlines[-1], ran.result.outlines[-1]
    assert "1 failed" in ran.result.outlines[-1]
