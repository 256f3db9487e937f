"""Identities between the numbers, and changes of the data that must not change them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Outcome
from pytest_mcr.core.metrics import Table, measure
from tests.unit.outcomes import FLAGGED, LABELS, OTHER, RIGHT, TEXT, number, runs


def right(o: Outcome) -> bool:
    return o.verdict == RIGHT


@settings(deadline=None, max_examples=50)
@given(runs(tasks=1, samples=12, verdicts=(RIGHT, TEXT, OTHER, FLAGGED)))
def test_identities(outcomes: list[Outcome]) -> None:
    """Identities of paired rates; they need every sample under both conditions, so the others are dropped."""
    whole = {o.sample for o in outcomes if o.condition == NEUTRAL} & {
        o.sample for o in outcomes if o.condition == ADVERSARIAL
    }
    outcomes = [o for o in outcomes if o.sample in whole and o.condition in (NEUTRAL, ADVERSARIAL)]
    assume(any(right(o) for o in outcomes if o.condition == NEUTRAL))
    table, verdicts = measure(outcomes), {(o.sample, o.condition): right(o) for o in outcomes}
    n = len(whole)
    lost = sum(verdicts[s, NEUTRAL] and not verdicts[s, ADVERSARIAL] for s in whole)
    won = sum(verdicts[s, ADVERSARIAL] and not verdicts[s, NEUTRAL] for s in whole)
    neutral, adversarial = (number(table, "accuracy", c) for c in (NEUTRAL, ADVERSARIAL))
    tir, tir_all, kept = (number(table, m, ADVERSARIAL) for m in ("tir", "tir_all", "normalized_accuracy"))
    assert neutral - adversarial == pytest.approx((lost - won) / n)
    assert tir_all <= neutral + 1e-12
    assert tir == pytest.approx(tir_all / neutral)
    assert kept >= 1 - tir - 1e-12
    assert (kept == pytest.approx(1 - tir)) == (won == 0)


def comparable(table: Table) -> list[tuple[object, ...]]:
    """Rows without the keys that name labels, rounded: renamed labels are summed in another order."""
    kept = [r for r in table if "gold" not in r.extra and "text_label" not in r.extra]
    ends = [(r.value, r.low, r.high, r.lower95, r.upper95) for r in kept]
    rounded = [tuple(None if x is None else round(x, 9) for x in row) for row in ends]
    return [(r.task, r.metric, r.condition, *x, r.n, r.clusters, r.note) for r, x in zip(kept, rounded, strict=True)]


@settings(deadline=None, max_examples=25)
@given(runs(), st.permutations(LABELS))
def test_renaming_the_labels_changes_nothing(outcomes: list[Outcome], names: list[str]) -> None:
    new: dict[str | None, str | None] = {None: None, **dict(zip(LABELS, names, strict=True))}
    renamed = [
        replace(o, gold=new[o.gold] or "", answer=new[o.answer], text_label=new[o.text_label], best=new[o.best])
        for o in outcomes
    ]
    assert comparable(measure(renamed)) == comparable(measure(outcomes))


@settings(deadline=None, max_examples=25)
@given(runs(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(outcomes: list[Outcome], random: object) -> None:
    shuffled = sorted(outcomes, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert measure(shuffled) == measure(outcomes)


@settings(deadline=None, max_examples=25)
@given(runs(), st.integers(2, 3))
def test_copies_of_the_clips_do_not_narrow_an_interval(outcomes: list[Outcome], times: int) -> None:
    copies = [replace(o, sample=f"{o.sample}-{copy}") for o in outcomes for copy in range(times)]
    once, again = measure(outcomes), measure(copies)
    for row in once:
        twin = again.where(row.metric, row.condition, row.task, **row.extra)
        twin = tuple(r for r in twin if dict(r.extra) == dict(row.extra))
        if row.value is None or row.low is None or row.high is None:
            continue
        assert twin[0].value == pytest.approx(row.value)
        assert twin[0].low is not None
        assert twin[0].low == pytest.approx(row.low, abs=2e-4, rel=2e-4)
        if row.high <= 1:  # the last resort of an unbounded ratio is the number of samples
            assert twin[0].high is not None
            assert twin[0].high >= row.high - 2e-4
