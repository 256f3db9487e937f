"""Confidence that is asked for: the flag's values, the second question, and what a reply says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.stated import Method, agreement, parse_method, read_percent, second_question


@pytest.mark.parametrize("text", ["scores", "scores:per-token", "verbal", "sample:2", "sample:100"])
def test_methods(text: str) -> None:
    assert str(parse_method(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "sample", "sample:", "sample:1", "sample:101", "sample:x", "verbal:3", "words", "scores:", "scores:per-word"],
)
def test_other_methods_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="scores, scores:per-token, sample:K with K from 2 to 100, or verbal"):
        parse_method(text)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("85", 0.85),
        ("85%", 0.85),
        ("I am 90 % sure.", 0.9),
        ("100", 1.0),
        ("0", 0.0),
        ("70/100", 0.7),
        ("70 out of 100", 0.7),
        ("100/100", 1.0),
        ("", None),
        ("quite sure", None),
        ("0.9", None),
        ("-5", None),
        ("101", None),
        ("1000", None),
        ("between 60 and 80", None),
        ("B2", None),
        ("1,5", None),
    ],
)
def test_a_reply_is_a_number_or_nothing(reply: str, value: float | None) -> None:
    assert read_percent(reply) == value


@given(st.text())
def test_any_reply_gives_a_probability_or_nothing(reply: str) -> None:
    value = read_percent(reply)
    assert value is None or 0 <= value <= 1


@given(st.integers(0, 100))
def test_what_is_asked_for_is_read(number: int) -> None:
    assert read_percent(f"{number}") == read_percent(f" {number}.\n") == number / 100


def test_the_second_question_keeps_the_first_and_names_the_answer() -> None:
    text = second_question("Which sound is it? {0}", "a\ndog")
    assert text.startswith("Which sound is it? {0}\n\nYou answered: a dog\n")
    assert read_percent(text) is None  # an echo is no number


def test_agreement() -> None:
    assert agreement("yes", ["yes", "no", None, "yes"]) == 0.5
    assert parse_method("sample:4") == Method("sample", 4)
