"""One question to a model, with its contract enforced: what breaks it is an error, never an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Final

from pytest_mcr.errors import AdapterError, DeliveryError, McrError, ModelRaisedError, ResponseError, StopRunError
from pytest_mcr.models.protocol import Contrasted, Model, Request, Response
from pytest_mcr.report.wording import safe
from pytest_mcr.run.exits import INVALID_EXIT

ERROR_LIMIT: Final = 2000
"""Longest message of an error, in characters."""

Respond = Callable[[Sequence[Request]], Sequence[Response]]


def ask_together(model: Model, requests: Sequence[Request]) -> list[Response]:
    """Ask for a chunk; one that raises is asked again case by case, so that one bad clip fails only its own.

    Raises:
        StopRunError: audio did not reach the model, or the way to it is broken.
    """
    return _ask_safely(model, requests, model.respond)


def ask_each(model: Model, requests: Sequence[Request]) -> list[Response]:
    """Ask one question at a time through the model's plain path, ``respond_plain``.

    Raises:
        StopRunError: audio did not reach the model, or the way to it is broken.
    """
    plain: Respond | None = getattr(model, "respond_plain", None)
    assert plain is not None or not requests
    return [answer for request in requests for answer in _ask_safely(model, [request], plain or model.respond)]


def ask_sampled(model: Model, requests: Sequence[Request]) -> list[Response]:
    """Draw an answer to each request through ``respond_sampled``, which the model must have.

    Raises:
        StopRunError: audio did not reach the model, or the way to it is broken.
    """
    draw: Respond = getattr(model, "respond_sampled")  # noqa: B009 - an optional method, in no protocol
    return _ask_safely(model, requests, draw)


def ask_contrasted(model: Model, requests: Sequence[Contrasted]) -> list[Response]:
    """Have answers written by rules through ``respond_contrasted``, which the model must have.

    Raises:
        StopRunError: audio did not reach the model, or the way to it is broken.
    """
    write: Respond = getattr(model, "respond_contrasted")  # noqa: B009 - an optional method, in no protocol
    return _ask_safely(model, requests, write)


def _ask_safely(model: Model, requests: Sequence[Request], respond: Respond) -> list[Response]:
    if not requests:
        return []
    try:
        return ask(model, requests, respond)
    except DeliveryError as error:
        raise StopRunError(f"audio did not reach the model: {error}", INVALID_EXIT) from error
    except AdapterError as error:
        raise StopRunError(str(error), INVALID_EXIT) from error
    except ResponseError as error:
        return [failed(str(error))] * len(requests)
    except ModelRaisedError as error:
        if len(requests) == 1:
            return [failed(str(error))]
        return [answer for request in requests for answer in _ask_safely(model, [request], respond)]


def ask(model: Model, requests: Sequence[Request], respond: Respond | None = None) -> list[Response]:
    """Ask once and check the answers.

    Args:
        model: who is asked.
        requests: at least one.
        respond: the way to ask; None for the model's own ``respond``.

    Returns:
        One response each, in the order of the requests. A response that breaks the contract in itself (no text, NaN
        scores, scores of other labels) comes back as a response with `error` set.

    Raises:
        ModelRaisedError: the model raised; the message is its type and first line.
        ResponseError: the answers cannot be matched to the requests (wrong count or type).
    """
    try:
        responses = (respond or model.respond)([own_copy(request) for request in requests])
    except McrError:
        raise
    except Exception as error:
        raise ModelRaisedError(f"the model raised {summary(error)}") from error
    if not isinstance(responses, Sequence) or len(responses) != len(requests):
        got = len(responses) if isinstance(responses, Sequence) else f"a {type(responses).__name__}"
        raise ResponseError(
            f"model {model.name!r} gave {got} answers to {len(requests)} requests; "
            "respond() must return one each, in order"
        )
    return [checked(request, response) for request, response in zip(requests, responses, strict=True)]


def own_copy(request: Request) -> Request:
    """The request with samples of its own: a model may scale them in place, and the next case shares the clip."""
    if isinstance(request, Contrasted):
        request = replace(request, other=own_copy(request.other))
    audio = request.audio
    return request if audio is None else replace(request, audio=replace(audio, samples=audio.samples.copy()))


def summary(error: BaseException) -> str:
    """Type and first line of an exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip()}" if lines else type(error).__name__


def checked(request: Request, response: Response) -> Response:
    """Return the response with scores as plain floats, or an error response that says how it breaks the contract."""
    if not isinstance(response, Response):
        return failed(f"respond() returned a {type(response).__name__}; expected pytest_mcr.Response")
    if response.error is not None:
        return failed(str(response.error) or "the model gave an error without a message")
    if response.text is not None and not isinstance(response.text, str):
        return failed(f"Response.text is a {type(response.text).__name__}; expected str")
    if response.text is None and response.scores is None:
        return failed("the response has neither text nor scores nor error")
    problem = scores_problem(request, response.scores) or lengths_problem(response)
    if problem:
        return failed(problem)
    if response.scores is None:
        return response
    return replace(
        response,
        scores={label: float(value) for label, value in response.scores.items()},
        lengths=response.lengths and {label: int(response.lengths[label]) for label in response.scores},
    )


def failed(message: str) -> Response:
    """An error response in one line of printable text, because it goes to the terminal, to JUnit and over xdist."""
    return Response(text=None, scores=None, error=safe(message, ERROR_LIMIT))


def lengths_problem(response: Response) -> str | None:
    """Say what is wrong with the counts of tokens, None when nothing is."""
    lengths, scores = response.lengths, response.scores
    if lengths is None:
        return None
    if not isinstance(lengths, Mapping):
        return f"lengths is a {type(lengths).__name__}; expected a mapping of candidate to tokens"
    if scores is None or set(lengths) != set(scores):
        return f"lengths are for {sorted(lengths)}; expected exactly the labels of scores {sorted(scores or {})}"
    for label, value in lengths.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            return f"length of {label!r} is {value!r}; expected its tokens with the end-of-turn token, 1 or more"
    return None


def scores_problem(request: Request, scores: Mapping[str, float] | None) -> str | None:
    """Say what is wrong with the scores, None when nothing is."""
    if scores is None or not request.candidates:
        return None
    if set(scores) != set(request.candidates):
        return f"scores are for {sorted(scores)}; expected exactly the candidates {sorted(request.candidates)}"
    for label, value in scores.items():
        if not isinstance(value, Real) or not math.isfinite(value):  # numpy's numbers are Real, too
            return f"score of {label!r} is {value!r}; expected a finite number (log-probability in nats)"
    return None
