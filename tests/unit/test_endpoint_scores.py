"""Scores from ``prompt_logprobs``: the lab model's real ones in vLLM's shape, equal to the local path's, or none."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from pytest_mcr.core.prompts import DISCRETION, render
from pytest_mcr.data import release
from pytest_mcr.data.audio import decode
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import ModelError
from pytest_mcr.models import endpoint
from pytest_mcr.models.protocol import Model, Request
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.models.wav import wav_bytes
from tests.support.endpoints import MODEL, Asked, Server


@pytest.fixture(scope="module")
def answers() -> Callable[[Asked], dict[str, Any]]:
    from tests.support.vllm_like import LabAnswers  # imports torch

    return LabAnswers(fixture("lab-model"))


@pytest.fixture(scope="module")
def questions() -> list[Request]:
    """Nine questions with their candidates, about clips as 16-bit WAV files hold them."""
    dataset = release.load(fixture("mini-mcr"))
    asked = []
    for task in dataset.tasks:
        for sample in [one for one in dataset.samples if one.task == task][:3]:
            audio = decode(dataset.root / sample.audio)
            samples, _ = soundfile.read(io.BytesIO(wav_bytes(audio.samples, audio.rate)), dtype="float32")
            heard = replace(audio, samples=np.ascontiguousarray(samples))
            prompt = render(DISCRETION, sample, "adversarial")
            # After a whole label the turn ends for sure; after half a one it does not, so there the last token counts.
            candidates = (
                *sample.candidates,
                sample.candidates[0][:-1],
                f"{sample.candidates[0]} {sample.candidates[1]}",
            )
            asked.append(Request(f"{sample.id}-adversarial", heard, prompt, candidates, 32, True))
    return asked


@pytest.fixture
def connect() -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def start(server: Server, scores: str = "auto") -> Model:
        spec = parse_spec(f"openai:{server.url}#{MODEL}?scores={scores}&retries=0", invocation_dir=Path())
        made.append(endpoint.load(spec))
        model: Model = made[-1]
        return model

    yield start
    for model in made:
        model.close()


def test_scores_equal_those_of_the_local_path(
    answers: Callable[[Asked], dict[str, Any]], questions: list[Request], connect: Callable[..., Any]
) -> None:
    local = load(parse_spec("lab", invocation_dir=Path()), invocation_dir=Path(), device="cpu", threads=1)
    expected = local.respond(questions)
    with Server(answer=answers) as server:
        model = connect(server)
        assert model.traits["scores"] == "prompt_logprobs"
        given = model.respond(questions)
    for request, one, other in zip(questions, given, expected, strict=True):
        assert one.error is None
        assert one.text == other.text
        assert one.scores is not None
        assert other.scores is not None
        assert list(one.scores) == list(request.candidates)
        for label, score in other.scores.items():
            assert one.scores[label] == pytest.approx(score, abs=1e-3), (request.id, label)
        assert one.lengths == other.lengths is not None  # tokens of each label, and the end of the turn
    assert len({tuple(one.scores.values()) for one in given if one.scores}) == len(given)


def test_nobody_pays_for_scores_that_were_not_asked_for(
    answers: Callable[[Asked], dict[str, Any]], questions: list[Request], connect: Callable[..., Any]
) -> None:
    with Server(answer=answers) as server:
        model = connect(server, "none")
        before = len(server.asked)
        assert [one.scores for one in model.respond(questions[:2])] == [None, None]
        assert len(server.asked) == before + 2


def shifted(body: dict[str, Any]) -> dict[str, Any]:
    """Log-probabilities of the token before, as if a server counted from the other end."""
    rows = body.get("prompt_logprobs")
    ids = body.get("prompt_token_ids", [])
    if not rows:
        return body
    moved = [None, None, *rows[1:-1]]
    for place in range(2, len(ids)):
        moved[place] = {str(ids[place]): {"logprob": next(iter(rows[place - 1].values()))["logprob"]}}
    moved[1] = {str(ids[1]): {"logprob": -50.0}}
    return {**body, "prompt_logprobs": moved}


def trimmed(body: dict[str, Any]) -> dict[str, Any]:
    rows = body.get("prompt_logprobs")
    return {**body, "prompt_logprobs": rows[:-1]} if rows else body


def stale(body: dict[str, Any]) -> dict[str, Any]:
    """Numbers that were never computed."""
    rows = body.get("prompt_logprobs")
    return (
        {**body, "prompt_logprobs": [None, *({key: {"logprob": 3.4e38} for key in row} for row in rows[1:])]}
        if rows
        else body
    )


def without(*fields: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: {
        **{name: value for name, value in body.items() if name not in fields},
        "choices": [{name: value for name, value in body["choices"][0].items() if name not in fields}],
    }


def other_template(body: dict[str, Any]) -> dict[str, Any]:
    """A template that writes something before a given answer that the model does not write."""
    if "prompt_logprobs" not in body:
        return body
    at = len(body["prompt_token_ids"]) - 4
    ids, rows = list(body["prompt_token_ids"]), list(body["prompt_logprobs"])
    ids.insert(at, 7)
    rows.insert(at, {"7": {"logprob": -0.1}})
    return {**body, "prompt_token_ids": ids, "prompt_logprobs": rows}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (shifted, "differ by"),
        (trimmed, "no prompt_logprobs for every token"),
        (stale, "not above 0"),
        pytest.param(without("prompt_logprobs"), "no prompt_logprobs", id="without prompt_logprobs"),
        pytest.param(without("logprobs"), "no logprobs of the answer's tokens", id="without logprobs"),
        pytest.param(without("prompt_token_ids"), "no token ids", id="without prompt_token_ids"),
        pytest.param(without("token_ids"), "no token ids", id="without token_ids"),
        (other_template, "renders a given answer otherwise"),
    ],
)
def test_what_does_not_prove_itself_gives_no_scores(
    answers: Callable[[Asked], dict[str, Any]],
    questions: list[Request],
    connect: Callable[..., Any],
    spoil: Callable[[dict[str, Any]], dict[str, Any]],
    why: str,
) -> None:
    with Server(answer=lambda asked: spoil(answers(asked))) as server:
        model = connect(server)
        assert why in str(model.traits["scores"])
        [one] = model.respond(questions[:1])
        assert one.text
        assert one.scores is None
        with pytest.raises(ModelError, match="gives no scores") as error:
            connect(server, "prompt_logprobs")
        assert why in str(error.value)


def test_numbers_that_go_missing_during_the_run_are_errors(
    answers: Callable[[Asked], dict[str, Any]], questions: list[Request], connect: Callable[..., Any]
) -> None:
    spoilt = False
    with Server(answer=lambda asked: trimmed(answers(asked)) if spoilt else answers(asked)) as server:
        model = connect(server)
        spoilt = True
        [one] = model.respond(questions[:1])
        assert (one.text, one.scores) == (None, None)
        assert "openai: no scores: no prompt_logprobs for every token" in str(one.error)
        assert "?scores=none" in str(one.error)


def test_top_logprobs_alone_are_no_scores(
    answers: Callable[[Asked], dict[str, Any]], questions: list[Request], connect: Callable[..., Any]
) -> None:
    """What OpenAI gives: the likeliest tokens of one answer, without ids, without the end of turn."""
    standard = {"model", "messages", "max_tokens", "temperature", "frequency_penalty", "n", "logprobs", "top_logprobs"}

    def fault(asked: Asked) -> str | None:
        return "400" if set(asked.body) - standard else None

    with Server(answer=answers, fault=fault) as server:
        model = connect(server)
        assert model.traits["scores"] == "none: it refuses the fields that ask for them"
        assert [one.scores for one in model.respond(questions[:1])] == [None]
