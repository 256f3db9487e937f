"""The hunt asks the run's own model, through its cache, and checks determinism past the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.core.case import Sample
from pytest_mcr.core.prompts import DISCRETION
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.release import load
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.protocol import Request, Response
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.run.hunting import Hunter
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject

MODULE = '''
from pytest_mcr import Response

class Drifting:
    """Right, with scores that are never the same twice."""

    name = "drifting"

    def __init__(self, options):
        self.steady = options.get("steady") == "yes"
        self.asked = 0

    def fingerprint(self):
        return "drifting"

    def respond(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        self.asked += not self.steady
        gold = "happy" if "happy" in request.candidates else request.candidates[0]
        heard = request.audio.samples if request.audio is not None else []  # moves with the clip: the canary
        digits = sum(int(abs(x) * 1e6) for x in heard) % 7
        scores = {label: -9.0 - digits for label in request.candidates}
        return Response(gold, {**scores, gold: -0.1 - 1e-9 * self.asked})
'''


def settings(here: Path, model: str, cache: Path | None) -> Settings:
    given: dict[str, Any] = {
        "invocation_dir": here, "model": model, "data": None, "tasks": None, "conditions": None, "limit": None,
        "suites": ("dominance",), "profile": "report", "gates": None, "add_gates": (), "mrs_alpha": 0.8, "seed": 0,
        "prevalence": 0.05, "max_errors": 0.01, "max_unparsed": 0.05, "answer": "generate", "max_new_tokens": None,
        "template": "discretion", "device": "cpu", "dtype": "auto", "cache": cache, "cache_size": 10**7,
        "batch_size": None, "time_limit": None, "out": None,
    }  # fmt: skip
    return Settings(**given)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load(fixture("mini-mcr"))


@pytest.fixture
def sample(dataset: Dataset) -> Sample:
    (found,) = [sample for sample in dataset.samples if sample.id == "SER-0001"]
    return found


def subject(here: Path, model: str, dataset: Dataset, cache: Path | None = None) -> Subject:
    return Subject(settings(here, model, cache), dataset, parse_spec(model, invocation_dir=here), "cpu", 1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "drifting_model.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_planted_model_is_found_out_through_the_whole_path(here: Path, dataset: Dataset, sample: Sample) -> None:
    asked = subject(here, "oracle:follower-if?upper=yes", dataset)
    hunted = Hunter(asked, sample, DISCRETION).search(model_calls=300, seconds=None, seed=0)
    (finding,) = hunted.findings
    assert (finding.operators, finding.gold, finding.answer) == (("case:upper",), "happy", "sad")
    assert finding.fingerprint == asked.model.fingerprint()
    again = Hunter(asked, sample, DISCRETION)
    replayed = again.search(model_calls=0, seconds=None, seed=0, known=[finding])
    assert (replayed.replayed, replayed.findings, replayed.calls) == ((finding,), (), 3)
    foreign = Hunter(subject(here, "oracle:listener", dataset), sample, DISCRETION)
    assert foreign.search(model_calls=0, seconds=None, seed=0, known=[finding]).calls == 2  # another model's


def test_a_drifting_model_is_refused_though_its_answers_are_cached(
    here: Path, dataset: Dataset, sample: Sample
) -> None:
    cache = here / "cache"
    for _ in range(2):
        asked = subject(here, "drifting_model:Drifting", dataset, cache)
        hunted = Hunter(asked, sample, DISCRETION).search(model_calls=20, seconds=None, seed=0)
        assert "not deterministic: it scored" in str(hunted.refused)
        asked.close()


def test_a_second_hunt_is_served_from_the_cache(here: Path, dataset: Dataset, sample: Sample) -> None:
    counted: list[int] = []
    found = []
    for _ in range(2):
        asked = subject(here, "drifting_model:Drifting?steady=yes", dataset, here / "cache")
        respond = asked.model.respond

        def count(requests: Sequence[Request], respond: Any = respond) -> Sequence[Response]:
            counted.append(sum(not request.id.startswith("canary") for request in requests))
            given: Sequence[Response] = respond(requests)
            return given

        asked.model.respond = count  # type: ignore[method-assign]
        found.append(Hunter(asked, sample, DISCRETION).search(model_calls=20, seconds=None, seed=0))
        counted.append(-1)
        asked.close()
    first, second = sum(counted[: counted.index(-1)]), sum(counted[counted.index(-1) + 1 : -1])
    assert found[0] == found[1]
    assert found[0].refused is None
    assert (first, second) == (found[0].calls + 1, 2)  # one more for the audio alone; determinism is checked anew
