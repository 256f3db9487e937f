"""Lines of ``pytest-mcr/1``, whatever stands in them: a value or a `LineError` of one line, never anything else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.process_lines import LineError, read_answer, read_hello, read_id, request_line
from pytest_mcr.models.protocol import Request

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["id", "text", "scores", "error", "protocol", "name", "fingerprint", "sample_rate", "yes"])
lines = st.binary() | st.dictionaries(keys, values | st.just("pytest-mcr/1")).map(lambda one: json.dumps(one).encode())


def complaint(read: Callable[[], object]) -> str | None:
    """What a line is refused with, None when it is not."""
    try:
        read()
    except LineError as error:
        return str(error)
    return None


@given(lines)
def test_any_line_is_a_value_or_one_line_of_complaint(line: bytes) -> None:
    for read in (read_hello, read_id):
        words = complaint(partial(read, line))
        assert words is None or "\n" not in words


@given(st.dictionaries(keys, values), st.dictionaries(st.sampled_from(["yes", "no"]), values))
def test_any_record_is_a_whole_answer_or_one_line_of_complaint(record: dict[str, Any], scores: dict[str, Any]) -> None:
    for given_record in (record, {**record, "scores": scores}, {"text": "yes", "scores": scores}):
        words = complaint(partial(read_answer, given_record, ("yes", "no")))
        if words is not None:
            assert "\n" not in words
            continue
        answer = read_answer(given_record, ("yes", "no"))
        assert isinstance(answer.text, str) or answer.scores is not None
        if answer.scores is not None:
            assert set(answer.scores) == {"yes", "no"}
            assert all(math.isfinite(score) for score in answer.scores.values())


@given(st.text(), st.lists(st.text()), st.integers(1, 99), st.booleans())
def test_a_request_is_one_line_that_reads_back(text: str, candidates: list[str], room: int, scored: bool) -> None:
    request = Request(text, None, text[::-1], tuple(candidates), room, want_scores=scored)
    line = request_line(request, None)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "id": text,
        "audio": None,
        "digest": None,
        "prompt": text[::-1],
        "candidates": candidates,
        "max_new_tokens": room,
        "want_scores": scored,
    }


def test_a_number_beyond_floats_is_no_score() -> None:
    answer = {"id": "a", "text": "yes", "scores": {"yes": 10**400}}
    assert "finite" in (complaint(partial(read_answer, answer, ("yes",))) or "")
