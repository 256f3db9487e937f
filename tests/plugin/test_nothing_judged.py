"""A profile whose gates could not be judged, not one of them, is no pass."""

from __future__ import annotations

from pathlib import Path

from tests.plugin.conftest import Runner


def test_a_profile_that_judged_nothing_is_invalid(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-suite", "dominance", "--mcr-profile", "strict")
    text = " ".join(ran.text.split())
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    [reason] = ran.results["reasons"]
    assert reason.startswith("profile strict: none of 10 gates was judged (dominance.")
    assert "rests on 20 clips, a profile judges it on 100" in reason
    assert "type --mcr-profile report" in reason
    assert "was measured, but none of 10 gates could be judged" in text
    assert set(ran.gates.values()) == {"not_judged"}
    assert len(ran.results["gates_not_judged"]) >= 10


def test_under_report_it_is_measured(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-suite", "dominance", "--mcr-profile", "report")
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert "MEASURED: " in ran.text


def test_a_suite_that_a_profile_does_not_gate_is_measured_and_says_so(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-suite", "dominance")
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert "profile release sets no gate on dominance, so none was judged." in " ".join(ran.text.split())
