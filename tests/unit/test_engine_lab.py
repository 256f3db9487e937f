"""The engine against the plain path on the lab model, over the whole mini benchmark as a run asks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_mcr.core.case import CONDITIONS, NEUTRAL, Case
from pytest_mcr.core.prompts import DISCRETION
from pytest_mcr.data import release
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.protocol import Request, Response
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.run.questions import case_question, placebo_question

CLIPS_A_CHUNK = 8
NATS = 1e-4


@pytest.fixture(scope="module")
def lab() -> Iterator[HfModel]:
    model = load(parse_spec("lab", invocation_dir=Path()), invocation_dir=Path(), threads=1)
    assert isinstance(model, HfModel)
    yield model
    model.close()


def chunks(rate: int) -> list[list[Request]]:
    """The mini benchmark: eight clips at a time, their four conditions and the placebo."""
    dataset = release.load(fixture("mini-mcr"))
    made: list[list[Request]] = []
    for number, sample in enumerate(dataset.samples):
        audio = resample(decode(dataset.root / sample.audio), rate)
        asked = [case_question(Case(sample, condition), DISCRETION) for condition in CONDITIONS]
        asked.append(placebo_question(Case(sample, NEUTRAL), DISCRETION))
        if number % CLIPS_A_CHUNK == 0:
            made.append([])
        made[-1] += [question.request(audio, DISCRETION.max_new_tokens) for question in asked]
    return made


def drift(one: Response, other: Response) -> float:
    assert one.scores is not None
    assert other.scores is not None
    assert list(one.scores) == list(other.scores)
    return max(abs(one.scores[label] - other.scores[label]) for label in other.scores)


def test_the_whole_mini_benchmark_is_answered_as_by_the_plain_path(lab: HfModel) -> None:
    worst, asked, moved = 0.0, 0, 0.0
    for requests in chunks(lab.sample_rate):
        fast, plain = lab.respond(requests), lab.respond_plain(requests)
        assert [answer.error for answer in (*fast, *plain)] == [None] * (2 * len(requests))
        assert [answer.text for answer in fast] == [answer.text for answer in plain]
        worst = max(worst, *(drift(one, other) for one, other in zip(fast, plain, strict=True)))
        moved = max(moved, drift(fast[0], fast[2]))  # neutral and adversarial: what a wrong cache would look like
        asked += len(requests)
    assert asked == 900
    assert worst <= NATS
    assert moved > 1.0


def test_answers_do_not_depend_on_what_is_asked_beside_them(lab: HfModel) -> None:
    requests = chunks(lab.sample_rate)[0]
    together = lab.respond(requests)
    turned = lab.respond(requests[::-1])[::-1]
    assert [answer.text for answer in turned] == [answer.text for answer in together]
    assert max(drift(one, other) for one, other in zip(together, turned, strict=True)) <= NATS
