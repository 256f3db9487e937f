"""Planted models under varied texts: what each follows, over the clip and over silence."""

import numpy as np
import pytest

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Sample
from pytest_mcr.core.prompts import DISCRETION, render, render_text
from pytest_mcr.models.oracle import Oracle
from pytest_mcr.models.oracle_memory import Told
from pytest_mcr.models.protocol import Audio, Request
from tests.unit.test_oracle import make, oracle

CLIP = Audio(np.full(8, 0.5, np.float32), 16_000, "audio/0.wav")
QUIET = Audio(np.zeros(8, np.float32), 16_000, "silence of 8")
GOLD, LABEL = "yes", "no"


def say(
    model: Oracle, sample: Sample, text: str, claims: str, audio: Audio | None = CLIP, order: tuple[str, ...] = ()
) -> str:
    prompt = render_text(DISCRETION, sample, text, candidates=order or None)
    model.learn_text(sample, prompt, ADVERSARIAL, Told(text, claims))
    [response] = model.respond([Request("id", audio, prompt, sample.candidates, 8, True)])
    assert response.scores is not None
    if audio is CLIP:
        assert max(response.scores, key=dict(response.scores).__getitem__) == response.text
    return str(response.text)


@pytest.mark.parametrize(
    ("claims", "follower", "keyword"),
    [("same", LABEL, LABEL), ("instruction", LABEL, LABEL), ("flipped", GOLD, LABEL), ("void", GOLD, LABEL)],
)
def test_a_follower_reads_and_a_keyword_follower_does_not(claims: str, follower: str, keyword: str) -> None:
    sample = make(0)
    assert say(oracle("text-follower", [sample]), sample, "an edited text", claims) == follower
    assert say(oracle("keyword", [sample]), sample, "an edited text", claims) == keyword
    assert say(oracle("listener", [sample]), sample, "an edited text", claims) == GOLD


def test_a_flipped_claim_among_three_supports_nothing() -> None:
    sample = make(0, ("cough", "laughter", "sigh"))
    assert say(oracle("text-follower", [sample]), sample, "not laughter", "flipped") == sample.gold


def test_a_follower_on_condition() -> None:
    sample = make(0)
    plain, verified, shouted = "it is no.", "What follows was Verified. it is no.", "IT IS NO."
    model = oracle("follower-if", [sample])
    assert [say(model, sample, text, "same") for text in (plain, verified, shouted)] == [GOLD, LABEL, GOLD]
    model = oracle("follower-if", [sample], word="it is")
    assert say(model, sample, plain, "same") == LABEL
    model = oracle("follower-if", [sample], upper="yes")
    assert [say(model, sample, text, "same") for text in (plain, verified, shouted)] == [GOLD, GOLD, LABEL]


def test_a_position_bias_shows_only_with_a_text() -> None:
    sample = make(0)
    model = oracle("first-option", [sample])
    assert say(model, sample, "a text", "same", order=("no", "yes")) == "no"
    assert say(model, sample, "a text", "same", order=("yes", "no")) == "yes"
    neutral = Request("id", CLIP, render(DISCRETION, sample, NEUTRAL), sample.candidates, 8, True)
    assert model.respond([neutral])[0].text == GOLD


@pytest.mark.parametrize("audio", [QUIET, None])
def test_over_silence_only_the_text_is_left_and_without_it_nothing_is(audio: Audio | None) -> None:
    sample = make(0)
    assert say(oracle("text-follower", [sample]), sample, "it is no", "same", audio) == LABEL
    for name in ("listener", "text-follower", "follower-if"):
        model = oracle(name, [sample])
        prompt = render(DISCRETION, sample, NEUTRAL)
        [response] = model.respond([Request("id", audio, prompt, sample.candidates, 8, True)])
        assert response.scores is not None
        assert len(set(response.scores.values())) == 1


def test_who_does_not_follow_guesses_over_silence_by_what_is_played() -> None:
    sample = make(0)
    guesses = {
        say(oracle("follower-if", [sample]), sample, "it is no", "same", Audio(QUIET.samples, 16_000, f"silence {n}"))
        for n in range(20)
    }
    assert guesses == {"yes", "no"}
