"""Recorded margins of the real Qwen2-Audio through the numbers: counts as published beside the data."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from scipy import stats
from scipy.special import expit

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Outcome, Verdict
from pytest_mcr.core.hearing import annotate, hearing_test
from pytest_mcr.core.metrics import Metric, Table, measure
from pytest_mcr.core.signatures import signatures

MARGINS = Path(__file__).parent / "data" / "qwen2_audio_aqa_margins.csv"


def outcomes() -> list[Outcome]:
    found: list[Outcome] = []
    for row in csv.DictReader(MARGINS.read_text().splitlines()):
        for condition, column in ((NEUTRAL, "M_A"), (ADVERSARIAL, "M_J")):
            margin = float(row[column])
            answer = row["y_a"] if margin > 0 else row["y_t"]
            found.append(
                Outcome(
                    sample=row["sample"],
                    task="AQA",
                    condition=condition,
                    cluster=row["sample"],
                    gold=row["y_a"],
                    text_label=row["y_t"] if condition == ADVERSARIAL else None,
                    answer=answer,
                    verdict=Verdict.AUDIO
                    if margin > 0
                    else Verdict.TEXT
                    if condition == ADVERSARIAL
                    else Verdict.OTHER,
                    confidence=float(expit(abs(margin))),
                    best=answer,
                    k=2,
                )
            )
    return found


@pytest.fixture(scope="module")
def table() -> Table:
    return annotate(measure(outcomes()), hearing_test(outcomes()))


def row(table: Table, metric: str, condition: str | None) -> Metric:
    found = table.get(metric, condition, "AQA")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("metric", "condition", "hits", "n"),
    [
        ("accuracy", NEUTRAL, 57, 71),
        ("accuracy", ADVERSARIAL, 3, 71),
        ("tir", ADVERSARIAL, 54, 57),
        ("tir_all", ADVERSARIAL, 54, 71),
        ("overconfidence", ADVERSARIAL, 61, 68),
        ("text_follow", ADVERSARIAL, 68, 71),
        ("tdr", ADVERSARIAL, 68, 71),
    ],
)
def test_counts_and_intervals(table: Table, metric: str, condition: str, hits: int, n: int) -> None:
    found = row(table, metric, condition)
    assert found.value is not None
    assert found.n == n
    assert round(found.value * n) == hits
    assert found.value == pytest.approx(hits / n)
    plain = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")  # one case a clip: nearly the same interval
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.01)


def test_wrong_neutral_answers_are_too_few_to_speak_of_overconfidence(table: Table) -> None:
    found = row(table, "overconfidence", NEUTRAL)
    assert (found.value, found.n, found.note) == (None, 14, "fewer than 20 wrong answers (7 of 14 above 0.85)")
    wrong = [o for o in outcomes() if o.condition == NEUTRAL and o.verdict != Verdict.AUDIO]
    assert sum((o.confidence or 0) > 0.85 for o in wrong) == 7


def test_it_hears_and_the_text_decides(table: Table) -> None:
    heard = hearing_test(outcomes())["AQA"]
    assert heard.shown
    assert heard.p is not None
    assert heard.p < 0.001
    assert row(table, "tir", ADVERSARIAL).note is None
    assert row(table, "normalized_accuracy", ADVERSARIAL).value == pytest.approx(3 / 57)
    shown = {s.name: s for s in signatures(table)}
    assert shown["collapse"].value == pytest.approx(1 - 3 / 57)
    assert not shown["collapse"].shown
    assert shown["text flips"].value == pytest.approx(54 / 57)
    assert not shown["text flips"].shown
    assert shown["overconfident"].shown
