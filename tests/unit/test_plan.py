"""Tiers and plans: nested sizes, effects that simulations confirm, gates that no answer could decide, a former pace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.profiles import load_profile
from pytest_mcr.core.tiers import TIERS, gate_effect, paired_effect
from pytest_mcr.data import release
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture, suite
from pytest_mcr.report.plan_words import plan_lines
from pytest_mcr.run.plan import Pace, former_pace, plan_tier
from pytest_mcr.run.settings import Settings

SETTINGS = Settings(
    invocation_dir=Path(), model="lab", data=None, tasks=None, conditions=None, limit=None, suites=("bench",),
    profile="strict", gates=None, add_gates=(), mrs_alpha=0.8, seed=0, prevalence=0.05, max_errors=0.01,
    max_unparsed=0.05, answer="generate", max_new_tokens=None, template="discretion", device="cpu", dtype="auto",
    cache=None, cache_size=0, batch_size=None, time_limit=None, out=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def mini() -> Dataset:
    return release.load(fixture("mini-mcr"))


def test_each_tier_holds_the_one_before(mini: Dataset) -> None:
    many = replace(
        mini,
        samples=tuple(
            replace(sample, id=f"{sample.task}-{place:04d}")
            for task in mini.tasks
            for place, sample in enumerate(5 * [s for s in mini.samples if s.task == task])
        ),
    )
    sizes = {tier: many.select(limit=limit, seed=3) for tier, limit in TIERS.items()}
    ids = {tier: {sample.id for sample in chosen.samples} for tier, chosen in sizes.items()}
    assert ids["smoke"] < ids["gate"] < ids["full"]
    assert sizes["smoke"].counts == dict.fromkeys(mini.tasks, 40)
    assert sizes["gate"].counts == dict.fromkeys(mini.tasks, 200)
    assert replace(SETTINGS, tier="gate").samples_a_task == 200
    assert replace(SETTINGS, tier="full").samples_a_task is None


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=5), st.floats(0.01, 0.99))
def test_more_clips_tell_more(clips: list[int], rate: float) -> None:
    assert gate_effect([2 * n for n in clips], rate) < gate_effect(clips, rate) <= gate_effect(clips)
    assert paired_effect([2 * n for n in clips]) < paired_effect(clips)
    assert gate_effect([4 * n for n in clips], rate) == pytest.approx(gate_effect(clips, rate) / 2)


@pytest.mark.parametrize(("clips", "margin"), [(198, 0.05), (1238, 0.02)])
def test_the_sizes_of_the_default_margins(clips: int, margin: float) -> None:
    assert paired_effect([clips]) == pytest.approx(margin, rel=0.01)


def test_the_effect_has_a_power_of_80_percent() -> None:
    """Rates of 200 clips whose true value lies one effect inside the threshold, against a one-sided 95 % bound."""
    effect = gate_effect([200])
    rate = np.random.default_rng(0).binomial(200, 0.5, 20_000) / 200
    bound = rate - norm.ppf(0.95) * np.sqrt(rate * (1 - rate) / 200)
    assert np.mean(bound >= 0.5 - effect) == pytest.approx(0.8, abs=0.03)


def test_gates_that_no_answer_could_decide(mini: Dataset) -> None:
    profile = load_profile(suite("profiles.toml"), "strict")
    plan = plan_tier("smoke", mini, SETTINGS, profile.gates, profile.least_eligible_clusters, 0)
    assert (plan.cases, dict(plan.samples)) == (480, {"AQA": 40, "SER": 40, "VSC": 40})
    assert plan.undecided == (
        "each.normalized_accuracy[faithful] >= 0.98@95", "each.harm[irrelevant] <= 0.05@95",
        "each.eligible clusters >= 150",
    )  # fmt: skip
    assert "dominance.irrelevant_flip <= 0.15@95" in plan.not_judged
    lenient = load_profile(suite("profiles.toml"), "release")
    loose = replace(SETTINGS, profile="release")
    plan = plan_tier("smoke", mini, loose, lenient.gates, lenient.least_eligible_clusters, 0)
    assert (plan.undecided, plan.not_judged) == ((), ())


def test_a_condition_that_the_design_lacks(mini: Dataset) -> None:
    gates = [parse_gate("tir[adversarial] <= 0.3@95", explicit=False)]
    plan = plan_tier("full", mini, replace(SETTINGS, conditions=("neutral", "faithful")), gates, 0, 0)
    assert plan.not_judged == ("tir[adversarial] <= 0.3@95",)
    assert plan.cases == 360


def results(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "run": {"id": "r1", "workers": 2}, "model": {"spec": "lab", "device": "cpu"}, "dataset": {"digest": "d"},
        "timing": {"load": 4.0, "canary": 2.0, "cases": 50.0}, "counts": {"cases": 100, "cached": 0},
    }  # fmt: skip
    return found | changes


def folder(root: Path, name: str, content: object) -> Path:
    (root / name).mkdir()
    text = content if isinstance(content, str) else json.dumps(content)
    (root / name / "results.json").write_text(text, encoding="utf-8")
    return root / name


def test_the_pace_of_a_former_run(tmp_path: Path) -> None:
    pace = former_pace([folder(tmp_path, "one", results())], "lab", "d")
    assert pace == Pace("r1", 3.0, 0.5, "cpu", same_data=True)
    assert pace.seconds(1000, 0) == 503.0
    assert pace.seconds(1000, 4) == 128.0


BAD: Mapping[str, object] = {
    "torn": '{"run": {',
    "list": [],
    "null": None,
    "no timing": {"run": {}},
    "text for number": results(timing={"load": "x", "canary": 1, "cases": 1}),
    "another model": results(model={"spec": "lab-sft", "device": None}),
    "all from the cache": results(counts={"cases": 100, "cached": 100}),
    "mostly from the cache": results(counts={"cases": 100, "cached": 60}),
    "few": results(counts={"cases": 8, "cached": 0}),
}


@pytest.mark.parametrize("name", BAD)
def test_results_that_say_nothing_of_the_pace_are_passed_over(tmp_path: Path, name: str) -> None:
    bad, missing = folder(tmp_path, "bad", BAD[name]), tmp_path / "none"
    assert former_pace([bad, missing], "lab", "d") is None
    good = folder(tmp_path, "good", results(run={"id": "r0", "workers": 0}))
    found = former_pace([bad, missing, good], "lab", "other")
    assert found is not None
    assert (found.run, found.same_data) == ("r0", False)


def test_lines(mini: Dataset) -> None:
    plans = [plan_tier(tier, mini, SETTINGS, (), 0, 0) for tier in TIERS]
    lines = list(plan_lines("lab on x", plans, Pace("r1", 3.0, 0.5, "cpu", same_data=False), 2, gates=0))
    assert lines[1].split() == (
        ["tier", "samples", "cases", "gate", "tells", "mean", "tells", "loss", "shows", "mean", "shows", "time"]
    )
    assert lines[2].split() == ["smoke", "3", "x", "40", "480", "0.20", "0.11", "0.11", "0.06", "about", "2", "min"]
    assert "on cpu, on other data: 500.0 ms a case" in lines[7]
    assert lines[-1] == "  full: no gate to judge"
    unknown = list(plan_lines("lab on x", plans, None, 0, gates=0))
    assert unknown[2].endswith("unknown")
