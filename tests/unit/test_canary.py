"""The canary: thresholds, noise floor, text-only models, recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pytest_mcr.data.audio import noise
from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.protocol import Audio, Request, Response
from pytest_mcr.run.canary import LEVEL_RMS, OPEN_QUESTION, PAIRS, alike, run_canary

CLIPS = [noise(1.0, 8000, seed) for seed in range(40)]
LABELS = ("yes", "no")


class Probed:
    """A model by its log-odds of a clip, and what it says to an open question; counts what it was asked."""

    name = "probed"

    def __init__(
        self, odds: Callable[[int], float] | None = None, say: Callable[[int], str] = lambda _: "a sound"
    ) -> None:
        self._odds, self._say = odds, say
        self.asked: list[Request] = []

    def fingerprint(self) -> str:
        return "probed/1"

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        first = len(self.asked)
        self.asked += requests
        return [self._one(position, request) for position, request in enumerate(requests, start=first)]

    def _one(self, position: int, request: Request) -> Response:
        if not request.want_scores or self._odds is None:
            return Response(self._say(position))
        odds = self._odds(position)
        return Response("yes", {"yes": -np.logaddexp(0, -odds), "no": -np.logaddexp(0, odds)})


def verdict(model: Probed) -> str:
    return run_canary(model, CLIPS, "Is it?", LABELS, 8).verdict


def test_a_model_that_moves_passes() -> None:
    model = Probed(lambda position: float(position % 2))
    assert verdict(model) == "pass"
    assert [request.id for request in model.asked] == [f"canary::{n}" for n in range(2 * PAIRS + 1)]
    assert {request.prompt for request in model.asked} == {"Is it?"}


def test_a_model_that_never_moves_fails() -> None:
    assert verdict(Probed(lambda _: 1.0)) == "fail"


@pytest.mark.parametrize(("moving", "expected"), [(3, "pass"), (2, "fail")])
def test_three_of_four_pairs_must_move(moving: int, expected: str) -> None:
    def odds(position: int) -> float:
        pair, second = divmod(position, 2)
        return float(second) if pair < moving else 0.0

    assert verdict(Probed(odds)) == expected


@pytest.mark.parametrize(("move", "expected"), [(0.12, "pass"), (0.08, "fail")])
def test_a_pair_must_move_by_more_than_a_twentieth_nat(move: float, expected: str) -> None:
    """At even odds a change of the log-odds by m changes the log-probability by about m/2."""
    assert verdict(Probed(lambda position: move * (position % 2))) == expected


@pytest.mark.parametrize(("floor", "expected"), [(0.01, "pass"), (0.06, "fail")])
def test_a_pair_must_move_ten_times_as_far_as_the_noise(floor: float, expected: str) -> None:
    def odds(position: int) -> float:
        repeated = position == 2 * PAIRS  # the first clip once more
        return floor if repeated else 0.5 * (position % 2)

    assert verdict(Probed(odds)) == expected


def test_text_alone_passes_when_one_answer_of_eight_differs() -> None:
    model = Probed(say=lambda position: "rain" if position == 9 + 3 else "a sound")  # nine were asked for scores first
    found = run_canary(model, CLIPS, "Is it?", LABELS, 8)
    assert found.verdict == "pass"
    assert found.detail == "2 different answers to an open question about 8 clips"
    assert {request.prompt for request in model.asked[9:]} == {OPEN_QUESTION}
    assert not any(request.candidates for request in model.asked[9:])


def test_text_alone_is_asked_about_32_clips_before_it_fails() -> None:
    model = Probed(say=lambda position: "rain" if position == 9 + 8 + 31 else "a sound")
    assert verdict(model) == "pass"
    model = Probed()
    found = run_canary(model, CLIPS, "Is it?", LABELS, 8)
    assert found.verdict == "fail"
    assert len(model.asked) == 9 + 8 + 32
    assert len({request.audio.digest for request in model.asked[17:] if request.audio}) == 32


def test_open_ended_data_are_judged_by_text() -> None:
    model = Probed(say=str)
    assert run_canary(model, CLIPS, "What?", (), 8).verdict == "pass"
    assert len(model.asked) == 8


def test_recorded_answers_cannot_be_probed() -> None:
    class Recorded(Probed):
        recorded = True

    model = Recorded()
    found = run_canary(model, [], "Is it?", LABELS, 8)
    assert found.to_json()["verdict"] == "not_applicable"
    assert model.asked == []


@pytest.mark.parametrize("error", [RuntimeError("no device"), DeliveryError("no audio token")])
def test_a_model_that_raises_fails(error: Exception) -> None:
    def odds(_: int) -> float:
        raise error

    found = run_canary(Probed(odds), CLIPS, "Is it?", LABELS, 8)
    assert found.verdict == "fail"
    assert str(error) in found.detail


def test_a_model_that_reports_an_error_fails() -> None:
    class Refuses(Probed):
        def respond(self, requests: Sequence[Request]) -> list[Response]:
            return [Response(None, None, "too long")] * len(requests)

    found = run_canary(Refuses(), CLIPS, "Is it?", LABELS, 8)
    assert (found.verdict, found.detail) == ("fail", "the model could not answer a probe clip: too long")


def test_probe_clips_differ_in_nothing_but_sound() -> None:
    long, short = noise(9.0, 8000, 101), noise(1.5, 8000, 102)
    silence = Audio(np.zeros(8000, dtype=np.float32), 8000, "0" * 64)
    probes = alike([long, silence, short, noise(2.0, 16000, 3)], 8)
    assert len(probes) == 8
    assert {(len(probe.samples), probe.rate) for probe in probes} == {(12000, 8000)}
    assert np.allclose([np.sqrt(np.mean(np.square(probe.samples))) for probe in probes], LEVEL_RMS, rtol=0.05)
    assert len({probe.digest for probe in probes}) == 8


def test_probe_clips_without_any_data() -> None:
    assert len({probe.digest for probe in alike([], 32)}) == 32
