"""Gates watched while clips come in: what decides them, what cannot be decided, and who is never let off early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.profiles import load_profile
from pytest_mcr.core.watch import LEAST_ELIGIBLE, Watch
from pytest_mcr.data.shipped import suite
from tests.unit.outcomes import OTHER, RIGHT, TEXT, planted

CHANCE = {"AQA": 0.5, "SER": 0.2, "VSC": 1 / 6}
RELEASE = load_profile(suite("profiles.toml"), "release").gates
CLIPS = 1000


def watch(*gates: str, chance: Mapping[str, float] = CHANCE, shared: bool = False) -> Watch:
    parsed = [parse_gate(gate) for gate in gates] if gates else RELEASE
    return Watch(parsed, chance, alpha=0.8, shared=shared, least=30)


def model(seed: int, *, heard: float, turned: float, harmed: float = 0.0) -> Iterator[dict[str, bool]]:
    """Rightness of a model that hears a share of clips and is turned by false and harmed by idle texts."""
    rng = np.random.default_rng(seed)
    while True:
        hears, kept, calm = rng.random() < heard, rng.random() >= turned, rng.random() >= harmed
        yield {"neutral": hears, "faithful": hears or rng.random() < 0.5, "adversarial": hears and kept,
               "irrelevant": hears and calm}  # fmt: skip


def clips_until(watched: Watch, models: Mapping[str, Iterator[dict[str, bool]]], most: int = CLIPS) -> int:
    """Clips a task until the run may end; `most` where it goes on."""
    for clip in range(most):
        for task in watched.tasks:
            right = next(models[task])
            verdict = {c: RIGHT if right[c] else TEXT if c == "adversarial" else OTHER for c in CONDITIONS}
            watched.take(task, [{c: planted(clip, c, verdict[c], task=task) for c in CONDITIONS}])
        watched.look()
        if watched.verdict is not None:
            return clip + 1
    return most


def alike(seed: int, **rates: float) -> dict[str, Iterator[dict[str, bool]]]:
    return {task: model(seed + place, **rates) for place, task in enumerate(CHANCE)}


def test_clearly_good_models_take_a_fifth_of_the_clips() -> None:
    used = []
    for seed in (0, 100, 200):
        watched = watch()
        used.append(clips_until(watched, alike(seed, heard=0.95, turned=0.03)))
        assert watched.verdict == "pass"
    assert 5 * np.median(used) <= CLIPS


@pytest.mark.parametrize("rates", [{"heard": 0.9, "turned": 0.9}, {"heard": 0.9, "turned": 0.05, "harmed": 0.5}])
def test_clearly_bad_models_take_a_tenth(rates: dict[str, float]) -> None:
    watched = watch()
    assert 10 * clips_until(watched, alike(3, **rates)) <= CLIPS
    assert watched.verdict == "fail"


def test_no_run_ends_before_thirty_clips_that_each_task_hears() -> None:
    watched = watch("tir[adversarial] <= 0.9")
    assert clips_until(watched, alike(5, heard=1.0, turned=0.0)) == LEAST_ELIGIBLE
    assert watched.decided["tir[adversarial] <= 0.9"][1] < 3 * LEAST_ELIGIBLE


def test_a_task_that_is_not_heard_keeps_the_run_going() -> None:
    models = alike(6, heard=0.95, turned=0.9)
    models["SER"] = model(9, heard=0.2, turned=0.9)  # chance
    watched = watch()
    assert clips_until(watched, models, 120) == 120
    assert "fail" in {verdict for verdict, _ in watched.decided.values()}


def test_an_accuracy_gate_needs_no_proof_of_hearing() -> None:
    watched = watch("accuracy[adversarial] >= 0.6", chance={"SER": 0.2})
    assert clips_until(watched, {"SER": model(9, heard=0.2, turned=0.9)}, 400) < 400
    assert watched.verdict == "fail"


def test_a_gate_that_clips_cannot_decide_keeps_a_pass_from_ending_the_run() -> None:
    watched = watch("tir[adversarial] <= 0.5", "overconfidence[adversarial] <= 0.4", "auroc[adversarial] >= 0.5")
    assert watched.undecidable == ["overconfidence[adversarial] <= 0.4", "auroc[adversarial] >= 0.5"]
    assert clips_until(watched, alike(1, heard=0.9, turned=0.0), 60) == 60
    assert set(watched.decided) == {"tir[adversarial] <= 0.5"}
    assert clips_until(watched, alike(2, heard=0.9, turned=1.0), 60) == 60  # it stays decided


def test_a_failure_ends_the_run_whatever_else_is_asked() -> None:
    watched = watch("tir[adversarial] <= 0.5", "overconfidence[adversarial] <= 0.4", "auroc[adversarial] >= 0.5")
    assert clips_until(watched, alike(1, heard=0.9, turned=0.95), 100) < 60
    assert watched.verdict == "fail"


def test_a_mean_skill_is_decided_only_where_tasks_have_one_chance() -> None:
    assert watch("skill[neutral] >= 0.5").undecidable == ["skill[neutral] >= 0.5"]
    same = watch("skill[neutral] >= 0.5", chance={"A": 0.5, "B": 0.5})
    assert same.undecidable == []
    assert same.claims[0].threshold == 0.75
    assert [claim.expr for claim in watch("each.skill[neutral] >= 0.5").claims] == [
        f"{task}.skill[neutral] >= 0.5" for task in CHANCE
    ]


def test_tasks_of_the_same_clips_take_longer_to_decide_a_mean() -> None:
    """Their evidence may not be multiplied: each task is held to its share of the level."""
    used = []
    for shared in (False, True):
        watched = watch("tir[adversarial] <= 0.3", shared=shared)
        clips_until(watched, alike(4, heard=0.95, turned=0.12), 400)
        used.append(watched.decided["tir[adversarial] <= 0.3"][1])
    assert used[0] < used[1]


def test_means_end_where_shared_clips_are_found_too_late() -> None:
    watched = watch("tir[adversarial] <= 0.3")
    watched.mean_ended = True
    assert clips_until(watched, alike(4, heard=0.95, turned=0.0), 60) == 60
    assert watched.decided == {}


def test_wrong_decisions_are_as_rare_as_stated() -> None:
    """150 runs of one task whose TIR lies at the threshold, looked at 100 times, passes and failures counted apart."""
    wrong = {"pass": 0, "fail": 0}
    for seed in range(150):
        watched = watch("tir[adversarial] <= 0.3", chance={"AQA": 0.5})
        clips_until(watched, {"AQA": model(1000 + seed, heard=0.9, turned=0.3)}, 100)
        for verdict, _ in watched.decided.values():
            wrong[verdict] += 1
    assert max(wrong.values()) <= 150 * 0.05 + 3 * np.sqrt(150 * 0.05 * 0.95)
