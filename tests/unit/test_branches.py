"""Margins, quadrants, Shapley values of one clip: identities, planted truths, refusals."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from pytest_mcr.core.branches import (
    FusionTrial,
    Quadrant,
    best,
    entropy,
    log_softmax,
    margin,
    quadrant,
    relative_uncertainty,
    shapley,
)

LABELS = ("cough", "laughter", "sigh")
NATS = st.floats(-60, 0)
SCORES = st.fixed_dictionaries(dict.fromkeys(LABELS, NATS))
MARGINS = st.floats(-50, 50)


@given(SCORES, st.floats(-100, 100))
def test_a_constant_in_the_raw_scores_changes_nothing(scores: dict[str, float], constant: float) -> None:
    moved = {label: score + constant for label, score in scores.items()}
    assert margin(moved, "cough", "sigh") == pytest.approx(margin(scores, "cough", "sigh"), abs=1e-9)
    assert margin(log_softmax(scores), "cough", "sigh") == pytest.approx(margin(scores, "cough", "sigh"), abs=1e-9)
    assert log_softmax(moved) == pytest.approx(log_softmax(scores), abs=1e-9)
    assert entropy(moved) == pytest.approx(entropy(scores), abs=1e-9)


@given(SCORES)
def test_log_softmax_and_entropy_are_those_of_a_distribution(scores: dict[str, float]) -> None:
    chances = [math.exp(x) for x in log_softmax(scores).values()]
    assert sum(chances) == pytest.approx(1.0)
    assert entropy(scores) == pytest.approx(float(stats.entropy(chances)), abs=1e-9)
    assert 0 <= entropy(scores) <= math.log(3) + 1e-12
    assert entropy(dict(reversed(scores.items()))) == entropy(scores)


def test_the_best_candidate_is_none_where_two_tie() -> None:
    assert best({"yes": -1.0, "no": -2.0}) == "yes"
    assert best({"yes": -1.0, "no": -1.0, "unsure": -3.0}) is None
    assert best({"yes": -1.0, "no": -3.0, "unsure": -3.0}) == "yes"


@given(MARGINS, MARGINS, MARGINS, MARGINS)
def test_shapley_is_efficient_and_treats_the_players_alike(j: float, a: float, t: float, o: float) -> None:
    split = shapley(j, a, t, o)
    assert split.audio + split.text == pytest.approx(j - o, abs=1e-9)
    swapped = shapley(j, t, a, o)
    assert (swapped.audio, swapped.text) == (split.text, split.audio)
    assert swapped.interaction == pytest.approx(split.interaction, abs=1e-9)
    # Each value is the mean of a player's gain over both orders in which the players can join.
    assert split.audio == pytest.approx(sum([a - o, j - t]) / 2, abs=1e-9)
    # A player that adds nothing to any coalition gets nothing; one that adds the same to each gets just that.
    assert shapley(a, a, o, o).text == 0
    assert shapley(t + 3.0, 3.0 + o, t, o).audio == pytest.approx(3.0, abs=1e-9)


@given(st.floats(0.01, 40))
def test_planted_truths(m: float) -> None:
    follower = shapley(-m, m, -m, 0.0)
    assert abs(follower.text) / (abs(follower.audio) + abs(follower.text)) == pytest.approx(0.75, rel=1e-12)
    assert follower.text < 0 < follower.audio
    assert shapley(m, m, 0.0, 0.0).text == 0.0
    assert shapley(-m, 0.0, -m, 0.0).audio == 0.0  # deaf, and follows
    assert shapley(0.0, m, -m, 0.0).interaction == 0.0  # both add up


@given(MARGINS, MARGINS)
def test_every_clip_has_one_quadrant_and_a_tie_is_lost_for_the_audio(a: float, j: float) -> None:
    expected = {
        (True, True): Quadrant.ROBUST,
        (True, False): Quadrant.REPAIRABLE,
        (False, False): Quadrant.UNHEARD,
        (False, True): Quadrant.RESCUED,
    }
    assert quadrant(a, j) == expected[a > 0, j > 0]
    assert quadrant(a, 0.0) in (Quadrant.REPAIRABLE, Quadrant.UNHEARD)
    assert quadrant(0.0, j) in (Quadrant.UNHEARD, Quadrant.RESCUED)


@given(st.floats(0, 2), st.floats(0, 2))
def test_relative_uncertainty_is_signed_and_bounded(audio: float, text: float) -> None:
    assume(audio + text > 1e-6)
    assert -2 <= relative_uncertainty(audio, text) <= 2
    assert relative_uncertainty(audio, text) == -relative_uncertainty(text, audio)
    assert (relative_uncertainty(audio, text) > 0) == (text > audio)


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ({"joint": {"a": 0.0}}, "sample S-1, branch J: no score for 'b', only for 'a'"),
        ({"audio": {"a": 0.0, "b": math.nan}}, "sample S-1, branch A: the score of 'b' is nan, not a finite number"),
        ({"text": {"a": -math.inf, "b": 0.0}}, "sample S-1, branch T: the score of 'a' is -inf, not a finite number"),
        (
            {"joint": {"a": 0.0, "b": 0.0}, "silence": {"a": 0.0, "b": 0.0, "c": 0.0}},
            r"sample S-1, branch 0: scores \['a', 'b', 'c'\], other branches \['a', 'b'\]",
        ),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(branches: dict[str, dict[str, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FusionTrial("S-1", "S", "clip", "a", "b", **branches)


def test_a_text_that_says_the_gold_is_no_conflict() -> None:
    with pytest.raises(ValueError, match="sample S-1: the text's label 'a' is the gold"):
        FusionTrial("S-1", "S", "clip", "a", "a")


def test_a_margin_without_its_parts_is_not_a_number() -> None:
    trial = FusionTrial("S-1", "S", "clip", "a", None, joint={"a": 0.0, "b": 1.0})
    assert math.isnan(trial.margin("joint"))
    assert math.isnan(FusionTrial("S-1", "S", "clip", "a", "b").margin("audio"))
