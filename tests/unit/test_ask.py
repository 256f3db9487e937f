"""The contract of `Model.respond`: what breaks it is an error, never an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pytest_mcr.errors import DeliveryError, ModelRaisedError, ResponseError
from pytest_mcr.models.protocol import Audio, Request, Response
from pytest_mcr.run.ask import ask, summary

CLIP = Audio(np.ones(8, dtype=np.float32), 8000, "0" * 64)
REQUESTS = [Request(f"AQA-{n:04d}-neutral", CLIP, "Is it?", ("yes", "no"), 8, True) for n in range(3)]
GOOD = {"yes": -0.1, "no": -2.4}


class Planted:
    """Answers with what a function makes of the requests."""

    name = "planted"

    def __init__(self, answer: Callable[[Sequence[Request]], Any]) -> None:
        self._answer = answer

    def fingerprint(self) -> str:
        return "planted/1"

    def respond(self, requests: Sequence[Request]) -> Any:
        return self._answer(requests)


def each(response: Any) -> Planted:
    return Planted(lambda requests: [response] * len(requests))


def test_good_answers_pass_unchanged() -> None:
    answers = [Response("yes", GOOD), Response("no", None), Response(None, GOOD)]
    assert ask(Planted(lambda _: answers), REQUESTS) == answers


@pytest.mark.parametrize("answers", [[], [Response("yes")] * 2, [Response("yes")] * 4, None, "yes", 7])
def test_answers_that_cannot_be_matched(answers: Any) -> None:
    if answers == "yes":  # a string is a sequence of three, of nothing that is a response
        assert all(response.error for response in ask(Planted(lambda _: answers), REQUESTS))
        return
    with pytest.raises(ResponseError, match=r"to 3 requests; respond\(\) must return one each, in order"):
        ask(Planted(lambda _: answers), REQUESTS)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ("yes", "respond() returned a str; expected pytest_mcr.Response"),
        (None, "respond() returned a NoneType; expected pytest_mcr.Response"),
        (Response(None, None, "out of\nmemory"), "out of memory"),
        (Response("yes", None, ""), "the model gave an error without a message"),
        (Response(None, None), "the response has neither text nor scores nor error"),
        (Response("yes", {"yes": 0.0}), "scores are for ['yes']; expected exactly the candidates ['no', 'yes']"),
        (Response("yes", {"yes": 0.0, "no": math.inf}), "score of 'no' is inf; expected a finite number"),
        (Response("yes", {"yes": math.nan, "no": 0.0}), "score of 'yes' is nan; expected a finite number"),
    ],
)
def test_a_broken_answer_is_an_error(response: Any, error: str) -> None:
    for found in ask(each(response), REQUESTS):
        assert (found.text, found.scores) == (None, None)
        assert found.error is not None
        assert found.error.startswith(error)
        assert "\n" not in found.error


def test_scores_become_floats_of_our_own() -> None:
    given: dict[str, Any] = {"yes": np.float32(-0.5), "no": -1}
    [found] = ask(each(Response("yes", given)), REQUESTS[:1])
    given.clear()
    assert found.scores == {"yes": -0.5, "no": -1.0}
    assert {type(value) for value in found.scores.values()} == {float}


def test_open_ended_scores_are_not_judged() -> None:
    open_ended = Request("AQA-0000-neutral", CLIP, "What?", (), 8, False)
    [found] = ask(each(Response("rain", {"anything": -1.0})), [open_ended])
    assert found.error is None


def test_a_model_may_scribble_over_what_it_is_given() -> None:
    def scribble(requests: Any) -> list[Response]:
        answers = [Response(request.id) for request in requests]
        for request in requests:
            assert request.audio.samples.all()
            request.audio.samples[:] = 0
        requests.clear()
        return answers

    model = Planted(scribble)
    for _ in range(2):
        assert [response.text for response in ask(model, REQUESTS)] == [request.id for request in REQUESTS]
    assert CLIP.samples.all()


def test_an_exception_keeps_its_type_and_first_line() -> None:
    def fail(_: Sequence[Request]) -> None:
        raise MemoryError("too much\nof everything")

    with pytest.raises(ModelRaisedError, match=r"^the model raised MemoryError: too much$"):
        ask(Planted(fail), REQUESTS)


def test_our_own_errors_pass_through() -> None:
    def deny(_: Sequence[Request]) -> None:
        raise DeliveryError("the processor swallowed the audio")

    with pytest.raises(DeliveryError, match="swallowed"):
        ask(Planted(deny), REQUESTS)


def test_summary() -> None:
    assert summary(ValueError()) == "ValueError"
    assert summary(ValueError("\n a \n b")) == "ValueError: a"
