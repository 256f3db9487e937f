"""``--mcr-tier`` and ``--mcr-plan``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner


def test_a_tier_is_a_seeded_part_and_says_so(mcr: Runner, data40: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data40, "--mcr-tier", "smoke", *mode)
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert ran.results["run"]["tier"] == ran.results["settings"]["tier"] == "smoke"
    assert ran.results["counts"]["cases"] == 320
    assert "answers by text, tier smoke)" in " ".join(ran.text.split())


def test_a_run_without_a_tier(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-profile", "report")
    assert "tier" not in ran.results["run"]
    assert ", tier " not in ran.text


def test_a_tier_beside_a_limit(mcr: Runner, data: Path) -> None:
    mcr("oracle:listener", data, "--mcr-tier", "gate", "--mcr-limit", "5").refused(
        "--mcr-tier gate and --mcr-limit 5", "give one of them"
    )


def test_an_unknown_tier(mcr: Runner, data: Path) -> None:
    mcr("oracle:listener", data, "--mcr-tier", "gates").refused("--mcr-tier", "'gates'", "did you mean gate?")


def test_a_plan_asks_nothing_and_leaves_nothing(
    mcr: Runner, data40: Path, mode: Sequence[str], pytester: pytest.Pytester
) -> None:
    before = set(pytester.path.rglob("*"))
    ran = mcr("oracle:crasher?how=exit", data40, "--mcr-plan", "--mcr-profile", "strict", *mode)
    ran.clean()
    assert ran.code == 0
    lines = ran.result.outlines
    assert lines[0].startswith("mcr plan: oracle:crasher?how=exit on custom data in ")
    assert [line.split()[0] for line in lines[2:5]] == ["smoke", "gate", "full"]
    assert all(line.endswith("unknown") for line in lines[2:5])
    assert "each.eligible clusters >= 150" in lines[-1]
    assert not any("test session starts" in line for line in lines)
    assert set(pytester.path.rglob("*")) == before


def test_a_plan_knows_the_pace_of_the_last_run(mcr: Runner, data40: Path) -> None:
    mcr("oracle:slow?seconds=0.002", data40, "--mcr-profile", "report")
    ran = mcr("oracle:slow?seconds=0.002", data40, "--mcr-plan", "--mcr-tier", "smoke")
    (row,) = [line for line in ran.result.outlines if line.strip().startswith("smoke") and "about" in line]
    assert row.split()[:5] == ["smoke", "2", "x", "40", "320"]


def test_a_plan_refuses_what_the_run_would(mcr: Runner, data: Path) -> None:
    mcr("oracle:listner", data, "--mcr-plan").refused("'listner'", "did you mean listener?")
    mcr("oracle:listener", data, "--mcr-plan", "--mcr-gate", "mrz >= 1").refused("mrz", "did you mean 'mrs'?")


def test_a_plan_needs_a_model(mcr: Runner, pytester: pytest.Pytester) -> None:
    mcr(None, None, "--mcr-plan").refused("--mcr-plan needs a model", "--mcr-model lab")
    pytester.makeini("[pytest]\nmcr_plan = yes\n")
    pytester.makepyfile("def test_mine(): pass")
    assert mcr(None, None).code == 0  # an ini default is inert without a model
