"""Planted truths: text style alone is no awareness, a planted conflict is recovered, bad input is said in words."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_mcr.core.clusters import Clusters
from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.folds import rounds
from pytest_mcr.core.metrics import rows_of
from pytest_mcr.core.separation import area
from pytest_mcr.errors import TimeUpError
from pytest_mcr.probes.awareness import NAMES, Measured, measure
from pytest_mcr.probes.awareness_rows import targets_of
from pytest_mcr.probes.classifiers import of_matrix, of_words
from tests.unit.planted_states import Planted, crossed_pairs, own_pairs

COUNT = 48


def of(found: Measured, name: str, task: str = "X", layer: int | None = None) -> Estimate:
    extra = () if layer is None else (("layer", str(layer)),)
    return found.tasks[task][f"awareness.{name}", None, extra]


def value(found: Measured, name: str, task: str = "X", layer: int | None = None) -> float:
    number = of(found, name, task, layer).value
    assert number is not None, of(found, name, task, layer).note
    return number


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """States that hold nothing but the text, its style above all."""
    return Planted(crossed_pairs("X", count=COUNT), tmp_path_factory.mktemp("style")).measured()


@pytest.fixture(scope="module")
def aware(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """States of two tasks that hold the conflict and the clip's label; the answers' scores are noise."""
    pairs = crossed_pairs("X", "Y", count=COUNT)
    return Planted(pairs, tmp_path_factory.mktemp("aware"), conflict=2.0, heard=2.0).measured()


def test_text_style_is_no_awareness(style: Measured) -> None:
    for name in ("conflict", "disconnect"):
        limits = of(style, name).limits
        assert limits is not None
        assert limits.low <= 0 <= limits.high, (name, limits)
    assert abs(value(style, "conflict_probe") - 0.5) < 0.15
    assert value(style, "label_audio") > 0.95
    retained = of(style, "retained")
    assert retained.limits is not None
    assert retained.limits.low < 0.2
    assert abs(value(style, "retained")) < 0.3


def test_without_the_controls_the_same_states_would_show_one(tmp_path: Path) -> None:
    """The negative control: texts as published, folds by clip alone; and the text baseline gives it away."""
    planted = Planted(own_pairs("X", COUNT), tmp_path)
    conflict = targets_of(planted.rows)[0]
    clips = np.array([int(row.clip[-4:]) for row in planted.rows])
    clusters, folds = Clusters(clips, COUNT), clips % 5
    naive = {}
    for name, scorer in (
        ("states", of_matrix(planted.stores.joint.layer(2))),
        ("words", of_words([row.words for row in planted.rows])),
    ):
        scores = np.zeros(len(clips))
        for fold in rounds(folds):
            scores[fold.test] = scorer(fold.train, conflict.classes[fold.train], fold.test, 2)
        naive[name] = area(clusters, scores, conflict.classes, folds, units=COUNT).value
    assert naive == {"states": pytest.approx(1.0, abs=0.01), "words": pytest.approx(1.0, abs=0.01)}
    refused = planted.measured()
    assert {estimate.value for estimate in refused.tasks["X"].values()} == {None}
    assert "not crossed" in str(of(refused, "conflict").note)


def test_a_planted_conflict_is_recovered(aware: Measured) -> None:
    for task in ("X", "Y"):
        assert value(aware, "conflict_probe", task) > 0.95
        conflict, disconnect = of(aware, "conflict", task), of(aware, "disconnect", task)
        assert conflict.limits is not None
        assert disconnect.limits is not None
        assert conflict.limits.low > 0.1
        assert disconnect.limits.low > 0.1
        assert value(aware, "retained", task) > 0.8
        assert value(aware, "conflict_probe", task, layer=2) > 0.95
        assert abs(value(aware, "conflict_probe", task, layer=1) - 0.5) < 0.15
        for control in ("conflict_text", "conflict_shuffled", "label_text", "label_shuffled"):
            assert abs(value(aware, control, task) - 0.5) < 0.2, control
    assert not aware.problems


def test_a_probe_transfers_where_the_direction_is_shared(tmp_path: Path) -> None:
    planted = Planted(crossed_pairs("X", "Y", count=COUNT), tmp_path, conflict=2.0)
    found = measure(planted.rows, planted.stores, middle=2, seed=0)
    assert value(found, "conflict_transfer") > 0.9
    assert value(found, "conflict_forest") > 0.8


def test_when_the_time_is_up_numbers_that_are_there_stay(tmp_path: Path) -> None:
    planted = Planted(crossed_pairs("X", "Y", count=COUNT), tmp_path, conflict=2.0)
    seen: list[set[str]] = []

    def ended(after: int) -> Measured:
        left = iter(range(after))

        def check() -> None:
            if next(left, None) is None:
                raise TimeUpError("no time")

        found = measure(planted.rows, replace(planted.stores, check=check), middle=1, seed=0)
        seen.append({task for task in ("X", "Y") if of(found, "conflict", task).value is not None})
        return found

    assert {estimate.note for task in ended(0).tasks.values() for estimate in task.values()} == {"no time"}
    first, most, whole = ended(30), ended(38), ended(1000)
    assert seen == [set(), {"X"}, {"X", "Y"}, {"X", "Y"}]
    assert (first.ended, most.ended, whole.ended) == ("no time", "no time", None)
    for found in (first, most):
        kept = {name: one.value for name, one in found.tasks["X"].items() if one.note != "no time"}
        assert kept.items() <= {name: one.value for name, one in whole.tasks["X"].items()}.items()
    assert of(most, "conflict_transfer", "Y").note == "no time"


def test_every_number_has_a_row_and_none_is_nan(aware: Measured) -> None:
    rows = rows_of(list(aware.tasks), list(aware.tasks.values()))
    assert {row.metric for row in rows} == {f"awareness.{name}" for name in NAMES}
    for row in rows:
        assert row.value is None or math.isfinite(row.value)
        assert row.value is None or (row.low is not None and row.low <= row.value <= row.high)  # type: ignore[operator]


def test_one_task_has_nothing_to_transfer_from(style: Measured) -> None:
    assert of(style, "conflict_transfer").note == "no other task to learn from"


def test_one_class_only_costs_its_own_number(tmp_path: Path) -> None:
    found = Planted(crossed_pairs("X", count=COUNT), tmp_path, conflict=2.0, follows=1.0).measured()
    assert of(found, "follow").value is None
    assert of(found, "follow").note == "only one class; every answer to an adversarial text follows it"
    assert value(found, "conflict_probe") > 0.95


def test_without_scores_disconnect_is_undefined(tmp_path: Path) -> None:
    found = Planted(crossed_pairs("X", count=COUNT), tmp_path, conflict=2.0, scores=False).measured()
    assert of(found, "disconnect").note == "the model gives no scores"
    assert value(found, "conflict") > 0.3


def test_constant_states_are_chance(tmp_path: Path) -> None:
    found = Planted(crossed_pairs("X", count=COUNT), tmp_path, spoil=0.0).measured()
    assert value(found, "conflict_probe") == 0.5
    assert value(found, "conflict") == 0.0


def test_states_that_are_no_numbers_are_said_by_layer(tmp_path: Path) -> None:
    found = Planted(crossed_pairs("X", count=COUNT), tmp_path, spoil=math.nan).measured()
    assert {estimate.value for estimate in found.tasks["X"].values()} == {None}
    assert "of layer 1 are not finite numbers" in str(of(found, "conflict").note)
    assert len(found.problems) == 2


def test_fewer_groups_than_folds_is_said(tmp_path: Path) -> None:
    found = Planted(crossed_pairs("X", count=16), tmp_path).measured()
    assert of(found, "conflict").value is None
    assert "5 folds need at least as many" in str(of(found, "conflict").note)


def test_states_cut_short_are_noticed(tmp_path: Path) -> None:
    planted = Planted(crossed_pairs("X", count=COUNT), tmp_path, conflict=2.0)
    [file] = (tmp_path / "joint").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    found = planted.measured()
    assert "states-00000.safetensors of the hidden states is missing or was cut short" in found.problems[0]
    file.unlink()
    assert of(planted.measured(), "conflict").value is None
