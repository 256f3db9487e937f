"""Two models on the same cases: planted changes come out, and a model changes nothing against itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.before_after import Change, changes
from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, NEUTRAL, Outcome, Verdict
from tests.unit.outcomes import ERROR, RIGHT, TEXT, planted

RUN = st.lists(st.tuples(*[st.sampled_from((RIGHT, TEXT, ERROR))] * 4), min_size=6, max_size=20)


def outcomes(rows: list[tuple[Verdict, ...]], confidence: float = 0.8) -> list[Outcome]:
    return [
        planted(row, condition, verdict if condition != NEUTRAL or verdict is not TEXT else Verdict.OTHER,
                task=("SER", "VSC")[row % 2], confidence=confidence)
        for row, verdicts in enumerate(rows)
        for condition, verdict in zip(CONDITIONS, verdicts, strict=True)
    ]  # fmt: skip


def found(rows: list[Change], measure: str, condition: str, task: str = "*") -> Change:
    [one] = [row for row in rows if (row.measure, row.condition, row.task) == (measure, condition, task)]
    return one


def test_planted_changes_come_out() -> None:
    """Of 40 clips: adversarial 0 right before and 30 after, faithful 40 before and 36 after, neutral always right."""
    before = outcomes([(RIGHT, RIGHT, TEXT, RIGHT)] * 40)
    after = outcomes(
        [(RIGHT, TEXT if n < 4 else RIGHT, RIGHT if n < 30 else TEXT, RIGHT) for n in range(40)], confidence=0.6
    )
    rows = changes(before, after)
    gain = found(rows, "accuracy", ADVERSARIAL)
    assert (gain.before.value, gain.after.value) == (0.0, 0.75)
    assert gain.change.value == pytest.approx(0.75)
    assert gain.change.limits is not None
    assert 0.4 < gain.change.limits.low < 0.75 < gain.change.limits.high < 1
    assert gain.change.n == 40
    assert found(rows, "accuracy", FAITHFUL).change.value == pytest.approx(-0.1)
    assert found(rows, "accuracy", NEUTRAL).change.value == 0
    assert found(rows, "tir", ADVERSARIAL).change.value == pytest.approx(0.25 - 1)
    assert found(rows, "tir", FAITHFUL).change.value is None  # nothing was wrong without a text
    assert found(rows, "brier", ADVERSARIAL).before.value == pytest.approx(0.8**2)
    assert found(rows, "brier", ADVERSARIAL).after.value == pytest.approx(0.75 * 0.4**2 + 0.25 * 0.6**2)
    # ECE: one bin, |0.8 - 0| before; after, |0.6 - accuracy| of each task, which is 15 of 20 in both.
    assert found(rows, "ece", ADVERSARIAL).change.value == pytest.approx(0.15 - 0.8)


def test_an_error_on_one_side_takes_the_case_from_both() -> None:
    before = outcomes([(RIGHT, RIGHT, RIGHT, RIGHT)] * 8)
    after = outcomes([(RIGHT, RIGHT, ERROR if n < 2 else TEXT, RIGHT) for n in range(8)])
    one = found(changes(before, after), "accuracy", ADVERSARIAL)
    assert (one.before.n, one.after.n, one.change.n) == (6, 6, 6)
    assert one.change.value == pytest.approx(-1)


@settings(max_examples=12)  # betting intervals of every number: a second and more an example
@given(RUN, st.data())
def test_a_model_changes_nothing_against_itself_and_order_is_a_sign(
    rows: list[tuple[Verdict, ...]], data: st.DataObject
) -> None:
    other = data.draw(
        st.lists(st.tuples(*[st.sampled_from((RIGHT, TEXT))] * 4), min_size=len(rows), max_size=len(rows))
    )
    one, two = outcomes(rows), outcomes(other)
    for row in changes(one, one):
        assert row.change.value is None or row.change.value == pytest.approx(0, abs=1e-12)
    for ahead, back in zip(changes(one, two), changes(two, one), strict=True):
        if ahead.change.value is not None:
            assert back.change.value == pytest.approx(-ahead.change.value, abs=1e-12)
            assert ahead.change.limits is not None
            assert ahead.change.limits.low - 1e-9 <= ahead.change.value <= ahead.change.limits.high + 1e-9
        if None not in (ahead.before.value, ahead.after.value, ahead.change.value) and ahead.measure == "accuracy":
            assert ahead.change.value == pytest.approx((ahead.after.value or 0) - (ahead.before.value or 0))


def test_other_cases_are_no_pair() -> None:
    with pytest.raises(ValueError, match="different cases"):
        changes(outcomes([(RIGHT,) * 4] * 4), outcomes([(RIGHT,) * 4] * 5))
