"""The table of numbers: closed forms, a plain reference implementation, the identities, invariances, speed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO, Outcome
from pytest_mcr.core.metrics import METRICS, Metric, Table, conflict_errors_per_1000, measure
from tests.unit.outcomes import (
    ERROR,
    FLAGGED,
    LABELS,
    OTHER,
    RIGHT,
    TEXT,
    UNPARSED,
    listener,
    number,
    planted,
    rates,
    runs,
)

TEXTS = (FAITHFUL, ADVERSARIAL, IRRELEVANT)
HITS = {NEUTRAL: 8, FAITHFUL: 9, ADVERSARIAL: 2, IRRELEVANT: 7}


def test_closed_forms() -> None:
    table = measure(rates("VSC", HITS, 10))
    expected = {
        ("accuracy", NEUTRAL): 0.8,
        ("accuracy", ADVERSARIAL): 0.2,
        ("macro_accuracy", None): (0.9 + 0.2 + 0.7) / 3,
        ("skill", NEUTRAL): (0.8 - 0.4) / 0.6,  # gold is cough in 4 of 10, K = 3
        ("normalized_accuracy", ADVERSARIAL): 0.25,
        ("normalized_accuracy", FAITHFUL): 1.125,
        ("tir", ADVERSARIAL): 6 / 8,
        ("tir", FAITHFUL): 1 / 2,
        ("tir", IRRELEVANT): 1 / 10,
        ("tir_all", ADVERSARIAL): 6 / 10,
        ("tir_all", FAITHFUL): 1 / 10,
        ("harm", IRRELEVANT): 1 / 8,
        ("harm", FAITHFUL): 0.0,
        ("flip", IRRELEVANT): 1 / 10,
        ("mrs", None): 0.8 * 0.25 + 0.2 * 7 / 8,
        ("text_follow", ADVERSARIAL): 8 / 10,
        ("tdr", ADVERSARIAL): 8 / 10,
    }
    for (metric, condition), value in expected.items():
        for task in ("VSC", "*"):
            assert number(table, metric, condition, task) == pytest.approx(value), (metric, condition)
    row = table.get("tir", ADVERSARIAL, "VSC")
    assert row is not None
    assert (row.n, row.clusters) == (8, 8)
    assert conflict_errors_per_1000(0.05, table) == pytest.approx(1000 * 0.05 * 0.75 * 0.8)


# A second, plain implementation: dictionaries and loops, no arrays.


def right(o: Outcome) -> bool:
    return o.verdict == RIGHT


def reference(outcomes: Sequence[Outcome], task: str) -> dict[tuple[str, str | None], float | None]:
    cases = {(o.sample, o.condition): o for o in outcomes if o.task == task}
    chosen = {c: [o for o in cases.values() if o.condition == c] for c in (*CONDITIONS, PLACEBO)}
    found: dict[tuple[str, str | None], float | None] = {}

    def share(key: tuple[str, str | None], hits: Sequence[bool]) -> None:
        found[key] = sum(hits) / len(hits) if hits else None

    for condition in CONDITIONS:
        if chosen[condition]:
            ok = [o for o in chosen[condition] if o.verdict != ERROR]
            share(("accuracy", condition), [right(o) for o in ok])
            share(("accuracy_worst", condition), [right(o) for o in chosen[condition]])
            share(("accuracy_best", condition), [o.verdict in (RIGHT, UNPARSED, ERROR) for o in chosen[condition]])
            share(("flagged", condition), [o.verdict == FLAGGED for o in ok])
            share(("unparsed", condition), [o.verdict == UNPARSED for o in ok])
            recalls = [np.mean([right(o) for o in ok if o.gold == g]) for g in sorted({o.gold for o in ok})]
            found["balanced_accuracy", condition] = float(np.mean(recalls)) if recalls else None
    for condition in (*TEXTS, PLACEBO):
        if not chosen[NEUTRAL] or not chosen[condition]:
            continue
        pairs = [(cases[o.sample, NEUTRAL], o) for o in chosen[condition] if (o.sample, NEUTRAL) in cases]
        pairs = [(n, o) for n, o in pairs if ERROR not in (n.verdict, o.verdict)]
        heard = [(n, o) for n, o in pairs if right(n)]
        if condition in (ADVERSARIAL, PLACEBO):
            share(("tir", condition), [not right(o) for _, o in heard])
            share(("tir_all", condition), [right(n) and not right(o) for n, o in pairs])
        elif condition == FAITHFUL:
            missed = [(n, o) for n, o in pairs if not right(n) and n.verdict != UNPARSED]
            share(("tir", condition), [right(o) for _, o in missed])
            share(("tir_all", condition), [n.verdict not in (RIGHT, UNPARSED) and right(o) for n, o in pairs])
        else:
            share(("tir", condition), [right(n) != right(o) for n, o in pairs])
            share(("tir_all", condition), [right(n) != right(o) for n, o in pairs])
        if condition != PLACEBO:
            share(("harm", condition), [not right(o) for _, o in heard])
            top, bottom = sum(right(o) for _, o in pairs), len(heard)
            found["normalized_accuracy", condition] = top / bottom if bottom else None
            told = [(n.answer or n.verdict, o.answer or o.verdict) for n, o in pairs]
            share(("flip", condition), [a != b for a, b in told])
    return found


@settings(deadline=None, max_examples=50)
@given(runs())
def test_values_agree_with_the_plain_implementation(outcomes: list[Outcome]) -> None:
    table = measure(outcomes)
    assert table.tasks == tuple(sorted({o.task for o in outcomes if o.condition != PLACEBO}))
    names = {key[0] for key in reference(listener(2, ("AQA",)), "AQA")}
    for task in table.tasks:
        expected = reference(outcomes, task)
        measured = {(r.metric, r.condition) for r in table if r.task == task and not r.extra and r.metric in names}
        assert measured == set(expected)
        for (metric, condition), value in expected.items():
            assert table.value(metric, condition, task) == (None if value is None else pytest.approx(value))


@settings(deadline=None, max_examples=50)
@given(runs(tasks=3))
def test_every_row_is_well_formed(outcomes: list[Outcome]) -> None:
    table = measure(outcomes)
    plain = [(r.task, r.condition, r.metric) for r in table if not r.extra]
    assert len(plain) == len(set(plain))
    for row in table:
        json.loads(json.dumps(row.to_json(), allow_nan=False))
        spec = METRICS[row.metric]
        assert row.condition in ((*spec.conditions,) if spec.takes_condition else (None,))
        if row.value is None:
            assert row.note
            assert (row.low, row.high, row.lower95, row.upper95) == (None,) * 4
        elif "bound" not in row.extra:
            assert row.low is not None
            assert row.high is not None
            assert row.lower95 is not None
            assert row.upper95 is not None
            assert row.low - 1e-9 <= row.lower95 <= row.value + 1e-9
            assert row.value - 1e-9 <= row.upper95 <= row.high + 1e-9
            assert spec.low - 1e-9 <= row.value <= spec.high + 1e-9
            assert row.n > 0
            assert row.clusters > 0
        if row.task == "*" and row.metric != "skill" and "bound" not in row.extra:
            parts = [table.where(row.metric, row.condition, task, **row.extra) for task in table.tasks]
            values = [p[0].value if p else None for p in parts]
            whole = [v for v in values if v is not None]
            assert row.value == (pytest.approx(np.mean(whole)) if len(whole) == len(values) else None)


def test_errors_leave_and_unparsed_and_flagged_stay() -> None:
    verdicts = (RIGHT, FLAGGED, UNPARSED, ERROR)
    outcomes = [planted(row, NEUTRAL, RIGHT) for row in range(4)]
    outcomes += [planted(row, ADVERSARIAL, verdict) for row, verdict in enumerate(verdicts)]
    table = measure(outcomes)
    assert number(table, "accuracy", ADVERSARIAL) == pytest.approx(1 / 3)
    assert number(table, "accuracy_worst", ADVERSARIAL) == pytest.approx(1 / 4)
    assert number(table, "accuracy_best", ADVERSARIAL) == pytest.approx(3 / 4)
    assert number(table, "tir", ADVERSARIAL) == pytest.approx(2 / 3)  # the sample with the error is no pair
    assert number(table, "flagged", ADVERSARIAL) == pytest.approx(1 / 3)
    assert number(table, "unparsed", ADVERSARIAL) == pytest.approx(1 / 3)
    assert number(table, "text_follow", ADVERSARIAL) == 0.0
    assert number(table, "accuracy", NEUTRAL) == 1.0  # its own cases had no error


def test_unparsed_neutral_answers_are_not_eligible_and_counted() -> None:
    outcomes = [planted(row, NEUTRAL, v) for row, v in enumerate((UNPARSED, OTHER, RIGHT))]
    outcomes += [planted(row, FAITHFUL, RIGHT) for row in range(3)]
    row = measure(outcomes).get("tir", FAITHFUL, "VSC")
    assert row is not None
    assert (row.value, row.n) == (1.0, 1)
    assert row.note == "1 unparsed neutral answer is not eligible"
    clean = measure(listener(3)).get("tir", FAITHFUL)
    assert clean is not None
    assert (clean.value, clean.note, clean.vacuous) == (None, "no wrong answers", True)


def test_an_absent_condition_gives_no_rows_and_a_missing_task_no_mean() -> None:
    outcomes = rates("AQA", HITS, 10) + rates("SER", {NEUTRAL: 8}, 10)
    table = measure(outcomes)
    assert table.get("accuracy", ADVERSARIAL, "SER") is None
    row = table.get("tir", ADVERSARIAL)
    assert row is not None
    assert (row.value, row.note) == (None, "not measured in SER")
    alone = measure(rates("AQA", {ADVERSARIAL: 3}, 10))
    assert {r.metric for r in alone}.isdisjoint({"tir", "mrs", "normalized_accuracy", "macro_accuracy"})
    assert alone.conditions == (ADVERSARIAL,)
    assert len(measure([])) == 0


def test_follow_rates_need_known_text_labels() -> None:
    def table(known: int) -> Table:
        return measure(
            [
                planted(r, ADVERSARIAL, TEXT if r < known else OTHER, text_label="sigh" if r < known else None)
                for r in range(10)
            ]
        )

    assert number(table(8), "text_follow", ADVERSARIAL) == 1.0
    row = table(7).get("tdr", ADVERSARIAL)
    assert row is not None
    assert (row.value, row.note) == (None, "text label known for 70 %")


def test_rows_by_gold_and_by_text_label() -> None:
    table = measure(rates("VSC", HITS, 10))
    by_gold = table.where("tir", ADVERSARIAL, "VSC", gold="cough")
    assert [r.n for r in by_gold] == [3]  # samples 0, 3, 6 heard; only 0 kept
    assert by_gold[0].value == pytest.approx(2 / 3)
    assert table.where("text_follow", ADVERSARIAL, "VSC", text_label="laughter")[0].n == 4
    assert not any("gold" in r.extra for r in table if r.task == "*")
    assert table.where("tir", ADVERSARIAL, "VSC", gold="cough")[0].to_json()["gold"] == "cough"


def test_open_ended_tasks_have_no_classes() -> None:
    table = measure([planted(row, NEUTRAL, RIGHT, gold=LABELS[row % 3], closed=False) for row in range(6)])
    row = table.get("balanced_accuracy", NEUTRAL, "VSC")
    assert row is not None
    assert row.value is None
    assert row.note == "open-ended: no answer classes"
    assert number(table, "skill", NEUTRAL, "VSC") == 1.0


def test_a_case_is_reported_once() -> None:
    once = planted(0, NEUTRAL, RIGHT)
    with pytest.raises(ValueError, match="VSC-0000-neutral was reported twice"):
        measure([once, once])
    with pytest.raises(ValueError, match="two golds or clusters"):
        measure([once, planted(0, ADVERSARIAL, RIGHT, cluster="another")])
    measure([once, planted(0, ADVERSARIAL, ERROR, cluster="path-of-an-undecodable-clip")])


def test_twelve_thousand_cases_take_less_than_three_seconds() -> None:
    rng = np.random.default_rng(0)
    draws = rng.random((3000, 4))
    outcomes = [
        planted(row, condition, RIGHT if draws[row, column] < 0.7 else OTHER, task=("AQA", "SER", "VSC")[row % 3],
                gold=LABELS[row % 3], confidence=float(draws[row, column]))
        for row in range(3000)
        for column, condition in enumerate(CONDITIONS)
    ]  # fmt: skip
    start = time.process_time()
    table = measure(outcomes)
    assert time.process_time() - start < 3
    assert number(table, "accuracy", NEUTRAL) == pytest.approx((draws[:, 0] < 0.7).mean())


def test_metric_rows_are_json() -> None:
    row = Metric("AQA", NEUTRAL, "accuracy", 0.5, 0.2, 0.8, 0.25, 0.75, 10, 10)
    assert row.to_json() == {
        "task": "AQA", "condition": "neutral", "metric": "accuracy", "value": 0.5, "low": 0.2, "high": 0.8, "n": 10,
    }  # fmt: skip
    assert (
        replace(row, note="few", extra={"gold": "yes"}).to_json() | {"note": "few", "gold": "yes"}
        == replace(row, note="few", extra={"gold": "yes"}).to_json()
    )
