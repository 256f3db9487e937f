"""The hearing test: shown for who hears, not for guesses, constants, shifted rows; notes on the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Outcome
from pytest_mcr.core.hearing import NOT_SHOWN, annotate, hearing_test
from pytest_mcr.core.metrics import measure
from tests.unit.outcomes import ERROR, LABELS, OTHER, RIGHT, TEXT, UNPARSED, planted


def answering(golds: list[str], answers: list[str | None], clip: list[str] | None = None) -> list[Outcome]:
    found = []
    for row, (gold, answer) in enumerate(zip(golds, answers, strict=True)):
        verdict = UNPARSED if answer is None else RIGHT if answer == gold else OTHER
        cluster = clip[row] if clip else None
        found.append(replace(planted(row, NEUTRAL, verdict, gold=gold, cluster=cluster), answer=answer))
    return found


def golds(count: int, seed: int = 0) -> list[str]:
    return [str(x) for x in np.random.default_rng(seed).choice(LABELS, count)]


def test_a_listener_is_shown_to_hear() -> None:
    heard = hearing_test(answering(golds(40), list(golds(40))))["VSC"]
    assert heard.shown
    assert heard.accuracy == 1.0
    assert heard.n == 40
    assert heard.p == pytest.approx(1 / 2001)
    shares = np.unique(golds(40), return_counts=True)[1] / 40
    assert heard.expected == pytest.approx((shares**2).sum(), abs=0.02)


@pytest.mark.parametrize("kind", ["constant", "guess", "shifted", "unparsed"])
def test_who_does_not_hear_is_not_shown_to(kind: str) -> None:
    gold = golds(200)
    answers: dict[str, list[str | None]] = {
        "constant": ["cough"] * 200,
        "guess": list(golds(200, seed=1)),
        "shifted": [*gold[1:], gold[0]],
        "unparsed": [None] * 200,
    }
    heard = hearing_test(answering(gold, answers[kind]))["VSC"]
    assert not heard.shown
    assert heard.p is not None
    assert heard.p > 0.01
    assert heard.reason.startswith(NOT_SHOWN)


def test_five_clips_cannot_show_it() -> None:
    assert not hearing_test(answering(["cough", "sigh"] * 2, ["cough", "sigh"] * 2))["VSC"].shown


def test_the_level_holds() -> None:
    """Guesses are shown to hear in at most about one of a hundred runs, also with three samples a clip."""
    shown = 0
    rng = np.random.default_rng(5)
    for _ in range(300):
        gold = [str(x) for x in np.repeat(rng.choice(LABELS, 20), 3)]
        guess: list[str | None] = [str(x) for x in np.repeat(rng.choice(LABELS, 20), 3)]
        clips = [f"clip-{row // 3}" for row in range(60)]
        shown += hearing_test(answering(gold, guess, clips), permutations=300)["VSC"].shown
    assert shown <= 9


def test_copies_of_a_clip_are_no_evidence() -> None:
    """Four clips, right each time: sixty questions about them are still four clips."""
    gold = [g for g in ("cough", "sigh", "cough", "sigh") for _ in range(15)]
    clips = [f"clip-{row // 15}" for row in range(60)]
    assert not hearing_test(answering(gold, list(gold), clips))["VSC"].shown
    assert hearing_test(answering(gold, list(gold)))["VSC"].shown


def test_the_p_value_agrees_with_all_permutations() -> None:
    """Two clips of four hold 'cough': all four right is one of six arrangements."""
    heard = hearing_test(answering(["cough", "sigh"] * 2, ["cough", "sigh"] * 2), permutations=5000)["VSC"]
    assert heard.p == pytest.approx(1 / 6, abs=0.02)
    assert heard.expected == pytest.approx(0.5, abs=0.02)


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(random: object) -> None:
    outcomes = answering(golds(30), list(golds(30, seed=2)))
    shuffled = sorted(outcomes, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert hearing_test(shuffled, permutations=200) == hearing_test(outcomes, permutations=200)


def test_errors_and_texts_take_no_part() -> None:
    neutral = answering(golds(40), list(golds(40)))
    more = [planted(row, ADVERSARIAL, TEXT, gold=golds(40)[row]) for row in range(40)]
    failed = [planted(90, NEUTRAL, ERROR)]
    assert hearing_test(neutral + more + failed) == hearing_test(neutral)
    silent = hearing_test(more)["VSC"]
    assert (silent.shown, silent.p, silent.reason) == (False, None, "no neutral answers")


def test_the_numbers_that_need_hearing_say_that_it_was_not_shown() -> None:
    deaf = answering(golds(40), ["cough"] * 40) + [
        planted(row, ADVERSARIAL, TEXT, gold=g) for row, g in enumerate(golds(40))
    ]
    ears = [
        planted(row, c, RIGHT, task="AQA", gold=g) for c in (NEUTRAL, ADVERSARIAL) for row, g in enumerate(golds(40))
    ]
    table = measure(deaf + ears)
    noted = annotate(table, hearing_test(deaf + ears))
    notes = {(r.metric, r.task): r.note for r in noted if r.condition == ADVERSARIAL and not r.extra}
    for metric in ("tir", "tir_all", "harm", "normalized_accuracy", "tdr"):
        assert notes[metric, "VSC"] == "hearing not shown"
        assert notes[metric, "*"] == "hearing not shown in VSC"
        assert notes[metric, "AQA"] is None
    assert notes["accuracy", "VSC"] is None
    assert notes["text_follow", "*"] is None
    assert [r.value for r in noted] == [r.value for r in table]
    assert annotate(measure(ears), hearing_test(ears)) == measure(ears)


def test_hearing_is_shown_where_every_clip_has_one_yes_and_one_no_question() -> None:
    gold = ["cough", "sigh"] * 20
    clip = [f"clip-{row // 2}" for row in range(40)]
    assert hearing_test(answering(gold, list(gold), clip))["VSC"].shown
    assert not hearing_test(answering(gold, ["cough"] * 40, clip))["VSC"].shown
    assert not hearing_test(answering(gold, list(golds(40)), clip))["VSC"].shown
