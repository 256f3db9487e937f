"""From a response to an observation: verdict, confidence, and what an answer mode needs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import Case, Observation, Sample, Verdict
from pytest_mcr.models.protocol import Response
from pytest_mcr.run.observe import best_of, confidence, observe, outcome_of

LABELS = ("angry", "happy", "sad")
SAMPLE = Sample(
    id="SER-0001",
    task="SER",
    audio="SER/audio/a.wav",
    question="Which emotion is heard?",
    gold="happy",
    texts={"adversarial": "A sad voice.", "faithful": "A happy voice."},
    candidates=LABELS,
    text_labels={"adversarial": "sad", "faithful": "happy"},
)
SURE = {"angry": -5.0, "happy": -0.1, "sad": -3.0}


def seen(response: Response, condition: str = "adversarial", *, by_score: bool = False) -> Observation:
    return observe(
        Case(SAMPLE, condition), condition, "prompt", response, "digest", 0.1, cached=False, by_score=by_score
    )


@pytest.mark.parametrize(
    ("text", "verdict", "answer"),
    [
        ("happy", Verdict.AUDIO, "happy"),
        ("sad", Verdict.TEXT, "sad"),
        ("angry", Verdict.OTHER, "angry"),
        ("Hmm.", Verdict.UNPARSED, None),
        ("The text and the audio contradict each other.", Verdict.FLAGGED, None),
    ],
)
def test_verdicts_by_text(text: str, verdict: Verdict, answer: str | None) -> None:
    found = seen(Response(text, SURE))
    assert (found.verdict, found.answer, found.raw, found.error) == (verdict, answer, text, None)
    assert (found.confidence is None) == (answer is None)


def test_the_text_label_of_neutral_is_nobodys() -> None:
    found = seen(Response("sad", None), "neutral")
    assert (found.verdict, found.text_label) == (Verdict.OTHER, None)


def test_the_placebo_of_a_case_has_its_own_id_and_no_text() -> None:
    neutral, said = Case(SAMPLE, "neutral"), Response("happy")
    found = observe(neutral, "placebo", "prompt", said, "digest", 0.1, cached=True, by_score=False)
    assert (found.id, found.condition, found.text_label) == ("SER-0001-placebo", "placebo", None)
    assert found.cached


def test_by_score_the_best_candidate_answers_whatever_the_text_says() -> None:
    found = seen(Response("sad", SURE), by_score=True)
    assert (found.verdict, found.answer, found.raw) == (Verdict.AUDIO, "happy", "sad")


@pytest.mark.parametrize("by_score", [True, False])
def test_an_error_is_never_an_answer(by_score: bool) -> None:
    found = seen(Response("happy", SURE, "out of memory"), by_score=by_score)
    assert (found.verdict, found.answer, found.confidence, found.scores) == (Verdict.ERROR, None, None, None)
    assert found.error == "out of memory"


def test_what_the_answer_mode_lacks_is_an_error() -> None:
    assert "needs scores" in str(seen(Response("happy", None), by_score=True).error)
    assert "--mcr-answer score" in str(seen(Response(None, SURE)).error)


@given(st.dictionaries(st.sampled_from(LABELS), st.floats(-1e4, 0), min_size=3))
def test_confidences_are_a_distribution(scores: dict[str, float]) -> None:
    shares = [confidence(scores, label) for label in LABELS]
    assert math.fsum(share for share in shares if share is not None) == pytest.approx(1.0)
    assert confidence(scores, best_of(scores, LABELS)) == max(share for share in shares if share is not None)


def test_confidence_needs_scores_and_an_answer_among_them() -> None:
    assert confidence(None, "happy") is None
    assert confidence(SURE, None) is None
    assert confidence(SURE, "bored") is None


def test_the_first_shown_of_equals_is_best() -> None:
    assert best_of(dict.fromkeys(LABELS, -1.0), LABELS) == "angry"


def test_the_cluster_is_the_clip_unless_the_data_names_one() -> None:
    assert outcome_of(seen(Response("happy", SURE))).cluster == "digest"
    kept = outcome_of(seen(Response("sad", SURE)))
    assert (kept.best, kept.k, kept.verdict) == ("happy", 3, Verdict.TEXT)
