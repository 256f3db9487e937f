"""Failure signatures, each on a planted run that shows it and on one that does not."""

from __future__ import annotations

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL
from pytest_mcr.core.metrics import measure
from pytest_mcr.core.signatures import signatures
from tests.unit.outcomes import LABELS, OTHER, RIGHT, TEXT, listener, planted, rates


def test_a_text_follower_shows_all_three() -> None:
    outcomes = [planted(r, NEUTRAL, RIGHT if r < 30 else OTHER, gold=LABELS[r % 3], confidence=0.7) for r in range(40)]
    outcomes += [planted(r, ADVERSARIAL, TEXT, gold=LABELS[r % 3], confidence=0.9) for r in range(40)]
    found = signatures(measure(outcomes))
    assert [(s.name, s.value is not None and round(s.value, 9), s.shown) for s in found] == [
        ("collapse", 1.0, True), ("text flips", 1.0, True), ("overconfident", 0.9, True),
    ]  # fmt: skip
    assert "neutral skill 0.62" in found[0].detail
    assert "30 answers right in neutral; placebo not measured" in found[1].detail
    assert found[2].detail == "mean confidence 0.90 on 40 wrong adversarial answers, 0.70 on wrong neutral ones"


def test_a_listener_shows_none() -> None:
    found = signatures(measure(listener(10)), "AQA")
    assert [(s.value, s.shown) for s in found] == [(0.0, False), (0.0, False), (None, False)]


def test_the_threshold_itself_counts() -> None:
    found = signatures(measure(rates("VSC", {NEUTRAL: 100, ADVERSARIAL: 5}, 100)))
    assert [s.shown for s in found] == [True, True, False]


def test_without_adversarial_answers_nothing_is_known() -> None:
    assert [s.value for s in signatures(measure(rates("VSC", {NEUTRAL: 5}, 10)))] == [None, None, None]
