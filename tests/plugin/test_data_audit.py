"""``--mcr-audit``: flaws of the data are in the results; in strict nothing is asked on data that can mislead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner
from tests.support import folders

GATE = ("--mcr-gate", "accuracy[adversarial] >= 0.5")


@pytest.fixture(scope="session")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 samples, the second clip a copy of the first with another gold answer, and a leaking irrelevant text."""
    made = folders.records(12, ("SER",))
    made["SER"][3]["irrelevant"] = "She was happy all summer."
    root = folders.write(tmp_path_factory.mktemp("mcr") / "flawed", made)
    audio = root / "SER" / "audio"
    (audio / "ser-1.wav").write_bytes((audio / "ser-0.wav").read_bytes())
    return root


def test_strict_asks_nothing(mcr: Runner, flawed: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", flawed, *GATE, "--mcr-audit", "strict", *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.cases == []
    (reason,) = ran.results["reasons"]
    assert reason.startswith(
        "the data can mislead (--mcr-audit strict): SER: 1 of 12 irrelevant texts name a candidate"
    )
    assert f"(and 1 more); see them all with python -m pytest_mcr audit {flawed}" in reason
    assert [flaw["code"] for flaw in ran.results["audit"]["data"]] == ["irrelevant_names_answer", "two_golds"]
    assert "no case was selected" not in ran.text


def test_strict_is_silent_on_clean_data(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, *GATE, "--mcr-audit", "strict")
    assert (ran.code, ran.results["verdict"], ran.results["audit"]["data"]) == (0, "pass", [])


def test_a_warning_changes_no_verdict_and_is_shown(mcr: Runner, flawed: Path) -> None:
    ran = mcr("oracle:listener", flawed, *GATE)
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert "data audit  can mislead: SER: 1 of 12 irrelevant texts name a candidate" in ran.text


def test_a_bad_value(mcr: Runner, data: Path) -> None:
    mcr("oracle:listener", data, "--mcr-audit", "strikt").refused("--mcr-audit", "'strikt'", "did you mean strict?")
