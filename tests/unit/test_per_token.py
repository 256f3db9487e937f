"""Length-normalised confidence: scores over their tokens, from a model, a recording, a process or the cache."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import Case, Observation, Sample
from pytest_mcr.errors import ModelError
from pytest_mcr.models.process_lines import LineError, read_answer
from pytest_mcr.models.protocol import Request, Response
from pytest_mcr.models.replay import Replay
from pytest_mcr.run import cache_key
from pytest_mcr.run.ask import checked
from pytest_mcr.run.cache_entry import packed, unpacked
from pytest_mcr.run.observe import confidence, observe, outcome_of, per_length

LABELS = ("angry", "happy", "sad")
SURE = {"angry": -5.0, "happy": -0.1, "sad": -3.0}
TOKENS = {"angry": 2, "happy": 2, "sad": 3}
SAMPLE = Sample("SER-0001", "SER", "a.wav", "Which?", "happy", {"adversarial": "A sad voice."}, LABELS)
SCORES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-60, 0), min_size=2)


def seen(response: Response, *, per_token: bool) -> Observation:
    case = Case(SAMPLE, "adversarial")
    return observe(case, "adversarial", "?", response, "digest", 0.1, cached=False, by_score=False, per_token=per_token)


def test_an_example_by_hand() -> None:
    """Means -2.5, -0.05 and -1 a token: e^-0.05 / (e^-2.5 + e^-0.05 + e^-1) = 0.9512 / 1.4012."""
    found = seen(Response("happy", SURE, lengths=TOKENS), per_token=True)
    assert found.confidence == pytest.approx(0.951229 / (0.082085 + 0.951229 + 0.367879), abs=1e-6)
    assert found.scores == SURE
    assert found.lengths == TOKENS
    plain = seen(Response("happy", SURE, lengths=TOKENS), per_token=False)
    assert plain.confidence == seen(Response("happy", SURE), per_token=False).confidence
    assert plain.confidence != found.confidence


def test_without_counts_there_is_no_such_confidence_and_the_rest_stays() -> None:
    found, plain = (seen(Response("happy", SURE), per_token=way) for way in (True, False))
    assert found.confidence is None
    assert (found.answer, found.verdict, found.scores) == (plain.answer, plain.verdict, plain.scores)
    both = [outcome_of(one) for one in (found, plain)]
    assert both[0].log_loss == both[1].log_loss
    assert per_length(None, TOKENS) is None
    assert seen(Response("happy", None), per_token=True).confidence is None


@given(SCORES, st.data())
def test_confidences_are_a_distribution_that_counts_can_only_flatten(scores: dict[str, float], data: Any) -> None:
    lengths = {label: data.draw(st.integers(1, 9)) for label in scores}
    means = per_length(scores, lengths)
    shares = [confidence(means, label) or 0.0 for label in scores]
    assert math.fsum(shares) == pytest.approx(1.0)
    assert all(0 <= share <= 1 for share in shares)
    one = data.draw(st.integers(1, 9))
    alike = per_length(scores, dict.fromkeys(scores, one))
    assert alike == {label: score / one for label, score in scores.items()}
    top = max(scores, key=lambda label: scores[label])
    assert (confidence(alike, top) or 0.0) <= (confidence(scores, top) or 0.0) + 1e-12
    assert per_length(scores, dict.fromkeys(scores, 1)) == scores


@given(SCORES, st.data())
def test_longer_labels_lose_nothing_by_their_length(scores: dict[str, float], data: Any) -> None:
    """Labels of one mean log p are equally likely, however many tokens they have."""
    mean = data.draw(st.floats(-5, -0.01))
    lengths = {label: data.draw(st.integers(1, 9)) for label in scores}
    means = per_length({label: mean * count for label, count in lengths.items()}, lengths)
    for label in scores:
        assert confidence(means, label) == pytest.approx(1 / len(scores))


# --- where the counts come from --------------------------------------------------------------------------------------


REQUEST = Request("SER-0001-adversarial", None, "?", LABELS, 8, want_scores=True)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([2, 2, 3], "lengths is a list; expected a mapping"),
        ({"angry": 2}, "lengths are for ['angry']; expected exactly the labels of scores"),
        (TOKENS | {"sad": 0}, "length of 'sad' is 0; expected its tokens"),
        (TOKENS | {"sad": 2.5}, "length of 'sad' is 2.5"),
        (TOKENS | {"sad": True}, "length of 'sad' is True"),
    ],
)
def test_bad_counts_break_the_contract(lengths: Any, words: str) -> None:
    found = checked(REQUEST, Response("happy", SURE, lengths=lengths))
    assert found.error is not None
    assert words in found.error
    assert "lengths are for" in str(checked(REQUEST, Response("happy", None, lengths=TOKENS)).error)


def test_good_counts_are_whole_numbers_of_our_own() -> None:
    import numpy as np

    found = checked(REQUEST, Response("happy", SURE, lengths={k: np.int64(v) for k, v in TOKENS.items()}))  # type: ignore[misc]
    assert found.lengths == TOKENS
    assert found.lengths is not None
    assert {type(count) for count in found.lengths.values()} == {int}


def test_a_child_may_give_counts() -> None:
    assert read_answer({"text": "sad", "scores": SURE, "lengths": TOKENS}, LABELS).lengths == TOKENS
    assert read_answer({"text": "sad", "scores": SURE}, LABELS).lengths is None
    for lengths in ([1], {"sad": 2}, TOKENS | {"sad": 0}, TOKENS | {"sad": "2"}, TOKENS | {"sad": True}):
        with pytest.raises(LineError, match="expected"):
            read_answer({"text": "sad", "scores": SURE, "lengths": lengths}, LABELS)
    with pytest.raises(LineError, match='without "scores"'):
        read_answer({"text": "sad", "lengths": TOKENS}, LABELS)


def test_recordings_keep_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = {"id": REQUEST.id, "text": "sad", "scores": SURE, "lengths": {"ANGRY": 2, "happy": 2, "sad": 3}}
    path.write_text(json.dumps(line | {"scores": {"ANGRY": -5.0, "happy": -0.1, "sad": -3.0}}))
    [found] = Replay(path).respond([REQUEST])
    assert (found.scores, found.lengths) == (SURE, TOKENS)
    for lengths, words in (
        ([1], ":1: lengths is a list"),
        ({"sad": 3}, ":1: lengths are for ['sad']"),
        (TOKENS | {"sad": 0}, ":1: length of 'sad' is 0"),
    ):
        path.write_text(json.dumps(line | {"scores": SURE, "lengths": lengths}))
        with pytest.raises(ModelError) as caught:
            Replay(path)
        assert words in str(caught.value)


@given(SCORES)
def test_the_cache_keeps_counts(scores: dict[str, float]) -> None:
    for lengths in (None, dict.fromkeys(scores, 3)):
        response = Response("x", scores, lengths=lengths)
        assert unpacked(packed(response)) == response


def test_entries_without_counts_are_not_found_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were written under engine 1: their keys are others, so the question is asked again."""

    def key() -> str:
        return cache_key.answer_key(
            fingerprint="f", digest="d", sample_rate=None, samples=None, prompt="?", candidates=LABELS,
            max_new_tokens=8, want_scores=True, path="engine",
        )  # fmt: skip

    now = key()
    assert cache_key.ENGINE == 2
    monkeypatch.setattr(cache_key, "ENGINE", 1)
    assert key() != now
