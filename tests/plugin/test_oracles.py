"""Planted models end to end: every verdict and metric is known in closed form, in all three modes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner


def test_listener_passes_release_on_forty_clips(mcr: Runner, data40: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data40, *mode)
    assert ran.code == 0, ran.text
    assert ran.results["verdict"] == "pass"
    assert ran.results["counts"] == {"cases": 320, "errors": 0, "unparsed": 0, "flagged": 0, "cached": 0}
    assert ran.metric("accuracy", "adversarial") == 1.0
    assert ran.metric("tir", "adversarial") == 0.0
    assert ran.metric("mrs", None) == 1.0
    assert len(ran.cases) == 320


def test_text_follower_fails(mcr: Runner, data40: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:text-follower", data40, *mode)
    assert ran.code == 1, ran.text
    assert ran.results["verdict"] == "fail"
    assert ran.metric("accuracy", "neutral") == 1.0
    assert ran.metric("accuracy", "faithful") == 1.0
    assert ran.metric("accuracy", "adversarial") == 0.0
    assert ran.metric("tir", "adversarial") == 1.0
    assert ran.metric("text_follow", "adversarial") == 1.0
    assert ran.metric("tdr", "adversarial") == 1.0


def test_listener_is_undecided_under_strict(mcr: Runner, data40: Path) -> None:
    ran = mcr("oracle:listener", data40, "--mcr-profile", "strict")
    assert ran.code == 1, ran.text
    assert any(gate["verdict"] == "undecided" for gate in ran.results["gates"])
    assert not any(gate["verdict"] == "fail" for gate in ran.results["gates"])


@pytest.mark.parametrize("name", ["deaf", "constant", "mute"])
def test_what_does_not_hear_is_invalid(mcr: Runner, data40: Path, name: str) -> None:
    ran = mcr(f"oracle:{name}", data40)
    assert ran.code == 8, ran.text
    assert ran.results["verdict"] == "invalid"
    assert ran.results["canary"]["verdict"] == "fail"
