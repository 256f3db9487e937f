"""DoLa beside a clip's other answers: scores of every branch from a real model, J's own error in place of a look."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Sample
from pytest_mcr.core.prompts import DISCRETION
from pytest_mcr.core.repair_arms import arms_of
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.release import load
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.run.dola import NO_LAYERS, Dola
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject

ARMS = arms_of(("dola", "dola?bucket=high"))
PLACES = ["early exit low 0.1", "early exit high 0.1"]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load(fixture("mini-mcr"))


@pytest.fixture(scope="module")
def lab(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    made = subject("lab", dataset, tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


def subject(model: str, dataset: Dataset, here: Path) -> Subject:
    given: dict[str, Any] = {
        "invocation_dir": here, "model": model, "data": None, "tasks": None, "conditions": None, "limit": None,
        "suites": ("mitigation",), "profile": "report", "gates": None, "add_gates": (), "mrs_alpha": 0.8, "seed": 0,
        "prevalence": 0.05, "max_errors": 0.01, "max_unparsed": 0.05, "answer": "generate", "max_new_tokens": None,
        "template": "discretion", "device": "cpu", "dtype": "auto", "cache": None, "cache_size": 10**7,
        "batch_size": None, "time_limit": None, "out": None,
    }  # fmt: skip
    return Subject(Settings(**given), dataset, parse_spec(model, invocation_dir=here), "cpu", 1)


def added(asked: Subject, sample: Sample, errors: dict[str, str]) -> RepairCase:
    case = RepairCase(
        sample.id, sample.task, sample.audio, sample.audio, sample.gold, sample.candidates, (NEUTRAL, ADVERSARIAL),
        errors=errors,
    )  # fmt: skip
    return Dola(ARMS, asked.spec, asked, DISCRETION).added(case, sample)


def test_every_condition_and_bucket_has_scores(lab: Subject, dataset: Dataset) -> None:
    sample = dataset.samples[0]
    found = added(lab, sample, {})
    assert list(found.scores) == [f"{place}:{name}" for name in (NEUTRAL, ADVERSARIAL) for place in PLACES]
    for scores in found.scores.values():
        assert scores is not None
        assert list(scores) == list(sample.candidates)
        assert all(math.isfinite(score) for score in scores.values())
    assert found.errors == {}
    assert found.scores[f"{PLACES[0]}:{NEUTRAL}"] != found.scores[f"{PLACES[0]}:{ADVERSARIAL}"]


def test_what_j_could_not_be_asked_is_not_looked_at(lab: Subject, dataset: Dataset) -> None:
    found = added(lab, dataset.samples[0], {f"joint:{ADVERSARIAL}": "cannot be decoded"})
    assert {place: found.errors[f"{place}:{ADVERSARIAL}"] for place in PLACES} == dict.fromkeys(
        PLACES, "cannot be decoded"
    )
    assert list(found.scores) == [f"{place}:{NEUTRAL}" for place in PLACES]
    assert found.failures == ["cannot be decoded"]  # once


def test_other_models_have_no_layers_and_open_questions_no_candidates(
    lab: Subject, dataset: Dataset, tmp_path: Path
) -> None:
    oracle = subject("oracle:listener", dataset, tmp_path)
    found = added(oracle, dataset.samples[0], {})
    assert set(found.errors.values()) == {NO_LAYERS}
    assert (found.scores, found.failures) == ({}, [])
    open_ended = added(lab, replace(dataset.samples[0], candidates=()), {})
    assert (open_ended.scores, open_ended.errors) == ({}, {})


def test_a_clip_that_has_gone_is_said_and_nothing_else_is_lost(lab: Subject, dataset: Dataset) -> None:
    gone = replace(dataset.samples[0], audio="VSC/audio/gone.ogg")
    assert all("gone.ogg" in error for error in added(lab, gone, {}).errors.values())
    assert len(added(lab, gone, {}).errors) == 4
