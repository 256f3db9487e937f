"""Proper scores and ranking: against scikit-learn and plain loops, and on planted answers within their intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from pytest_mcr.core.calibration import equal_width
from pytest_mcr.core.calibration_rows import NAMES, calibration_rows
from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Outcome
from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.metrics import Table, measure
from pytest_mcr.core.scored import ONE_CONFIDENCE, Scored
from pytest_mcr.core.scoring import brier, decomposition
from pytest_mcr.core.selective import aurc
from pytest_mcr.run import observe
from tests.unit.answers_scored import answers, asked
from tests.unit.outcomes import RIGHT, UNPARSED, number, planted

PAIRS = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.sampled_from((0.2, 0.5, 0.9))), st.booleans()), min_size=1, max_size=40
)
SCORES = st.lists(st.floats(-700, 0), min_size=2, max_size=5)


def rows_of(pairs: list[tuple[float, bool]]) -> Scored:
    return answers([sure for sure, _ in pairs], [hit for _, hit in pairs])


@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_brier_is_that_of_scikit_learn_and_the_sum_of_its_parts(pairs: list[tuple[float, bool]]) -> None:
    rows = rows_of(pairs)
    value = brier(rows).value
    assert value is not None
    assert value == pytest.approx(brier_score_loss(rows.right, rows.confidence, pos_label=1), abs=1e-9)
    parts = decomposition(rows)
    reliability, resolution, uncertainty = (
        parts[f"brier_{name}"].value or 0.0 for name in ("reliability", "resolution", "uncertainty")
    )
    within = 0.0  # what bins hide: the variance of confidence in them, less twice its covariance with being right
    for code in np.unique(equal_width(rows.confidence)):
        sure, right = (x[equal_width(rows.confidence) == code] for x in (rows.confidence, rows.right))
        covariance = float(((sure - sure.mean()) * (right - right.mean())).sum())
        within += float(((sure - sure.mean()) ** 2).sum()) - 2 * covariance
    assert value == pytest.approx(reliability - resolution + uncertainty + within / len(rows), abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_the_influence_of_each_part_is_its_derivative(pairs: list[tuple[float, bool]]) -> None:
    """Against a small change of one answer's weight, by counting it a little more often."""
    rows = rows_of(pairs)
    for name, found in (decomposition(rows) | {"aurc": aurc(rows)}).items():
        assert float(found.influence.sum()) == pytest.approx(0, abs=1e-9), name
    times = 400
    base = [pair for pair in pairs for _ in range(times)]
    for name, found in decomposition(rows_of(base)).items():
        more = decomposition(rows_of([*base, pairs[0]]))[name].value or 0.0
        slope = (more - (found.value or 0.0)) * (len(base) + 1)
        assert slope == pytest.approx(float(found.influence[0]) * len(base), abs=0.02), name


def curve_area(pairs: list[tuple[float, bool]]) -> float:
    """The mean over k of the share of wrong among the k most confident answers, in this order of equals."""
    ordered = sorted(pairs, key=lambda pair: -pair[0])
    return float(np.mean([np.mean([not hit for _, hit in ordered[:k]]) for k in range(1, len(ordered) + 1)]))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from((0.2, 0.5, 0.9)), st.booleans()), min_size=1, max_size=5))
def test_aurc_is_the_mean_over_all_orders_of_equals(pairs: list[tuple[float, bool]]) -> None:
    expected = np.mean([curve_area(list(order)) for order in itertools.permutations(pairs)])
    assert aurc(rows_of(pairs)).value == pytest.approx(expected, abs=1e-9)


def test_aurc_changes_with_an_answers_weight_as_its_influence_says() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0, 1, 400)
    hits = rng.random(400) < confidence
    whole = aurc(answers(confidence, hits))
    for row in (0, 7, 99, int(confidence.argmin()), int(confidence.argsort()[200])):
        left = np.arange(400) != row
        moved = 399 * ((whole.value or 0.0) - (aurc(answers(confidence[left], hits[left])).value or 0.0))
        assert moved == pytest.approx(float(whole.influence[row]) * 400, abs=0.03)


@settings(deadline=None, max_examples=40)
@given(PAIRS, st.floats(0.2, 5))
def test_a_temperature_changes_the_errors_and_never_the_ranking(pairs: list[tuple[float, bool]], power: float) -> None:
    pairs = [(round(sure, 3), hit) for sure, hit in pairs]  # ties stay ties
    warmer = [(sure**power, hit) for sure, hit in pairs]
    assert aurc(rows_of(pairs)).value == pytest.approx(aurc(rows_of(warmer)).value, abs=1e-12)
    assume(len({hit for _, hit in pairs}) == 2)
    one, two = (measure(asked([s for s, _ in each], [h for _, h in each])) for each in (pairs, warmer))
    expected = roc_auc_score([hit for _, hit in pairs], [sure for sure, _ in pairs])
    assert number(one, "auroc", NEUTRAL) == pytest.approx(expected, abs=1e-9)
    assert number(two, "auroc", NEUTRAL) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(SCORES, st.integers(0, 4))
def test_losses_of_scores_are_those_of_the_field(scores: list[float], place: int) -> None:
    labels = [f"l{k}" for k in range(len(scores))]
    gold = labels[place % len(labels)]
    given_scores = dict(zip(labels, scores, strict=True))
    chances = np.exp(np.array(scores) - max(scores))
    chances /= chances.sum()
    truth = np.array([label == gold for label in labels], dtype=float)
    assert observe.brier(given_scores, gold) == pytest.approx(float(((chances - truth) ** 2).sum()), abs=1e-9)
    loss = observe.log_loss(given_scores, gold)
    assert loss is not None
    assert math.isfinite(loss)
    if chances[labels.index(gold)] > 1e-12:  # scikit-learn clips below
        assert loss == pytest.approx(log_loss([gold], [chances], labels=labels), abs=1e-9)
    assert observe.brier(given_scores, "unheard of") is None
    assert observe.log_loss(None, gold) is None


PLANTED: dict[str, Callable[[Scored], Estimate]] = {
    "brier": brier,
    "aurc": aurc,
    "brier_uncertainty": lambda rows: decomposition(rows)["brier_uncertainty"],
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_answers_are_recovered_within_the_interval(name: str) -> None:
    rng = np.random.default_rng(2)

    def draw(count: int) -> Scored:
        confidence = rng.beta(4, 2, count)
        return answers(confidence, rng.random(count) < confidence**2)

    truth = PLANTED[name](draw(400_000) if name != "brier" else draw(20_000)).value or 0.0
    inside = 0
    for _ in range(100):
        limits = PLANTED[name](draw(80)).limits
        assert limits is not None
        inside += limits.low <= truth <= limits.high
    assert inside >= 91


def test_no_scores_give_null_with_the_reason() -> None:
    table = Table(calibration_rows([planted(row, NEUTRAL, RIGHT) for row in range(30)]))
    found = [table.get(name, NEUTRAL) for name in NAMES]
    assert {(row.value, row.note) for row in found if row is not None} == {(None, "the model gives no scores")}
    assert None not in found
    assert not table.where("reliability", NEUTRAL)
    failed = Table(calibration_rows([planted(row, NEUTRAL, UNPARSED) for row in range(3)])).get("ece", NEUTRAL)
    assert failed is not None
    assert failed.note == "no answers"


def test_one_confidence_and_one_class_are_said() -> None:
    table = Table(calibration_rows(asked([0.9] * 30, [True] * 20 + [False] * 10)))
    for name in ("ece", "ece_mass", "ece_adaptive", "aurc"):
        row = table.get(name, NEUTRAL)
        assert row is not None
        assert row.note == ONE_CONFIDENCE
    assert number(table, "brier_resolution", NEUTRAL) == 0
    assert number(table, "aurc", NEUTRAL) == pytest.approx(1 / 3)
    right = Table(calibration_rows(asked([0.8, 0.9] * 15, [True] * 30)))
    assert (number(right, "aurc", NEUTRAL), number(right, "brier_uncertainty", NEUTRAL)) == (0, 0)


def test_a_gold_answer_without_a_score_has_no_loss() -> None:
    table = Table(calibration_rows(asked([0.9, 0.8], [True, False])))  # planted without losses
    for name in ("nll", "brier_multi"):
        row = table.get(name, NEUTRAL)
        assert row is not None
        assert (row.value, row.note) == (None, "the gold answer has no score")


def sides(count: int = 60, unpaired: int = 0) -> list[Outcome]:
    """Calibrated without the text; under it always wrong, and as sure."""
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.5, 1, count)
    neutral = asked(list(confidence), list(rng.random(count) < confidence))
    return neutral + asked(list(confidence), [False] * count, ADVERSARIAL)[unpaired:]


def test_shifts_are_differences_on_the_same_clips() -> None:
    table = Table(calibration_rows(sides()))
    for name in ("ece", "brier"):
        shift = table.get(f"{name}_shift", ADVERSARIAL)
        assert shift is not None
        assert shift.value == pytest.approx(number(table, name, ADVERSARIAL) - number(table, name, NEUTRAL))
        assert shift.n == 60
        assert (shift.low or 0) > 0.2
    few = table.get("overconfidence_shift", ADVERSARIAL)
    assert few is not None
    assert few.value is None
    assert "fewer than 20 wrong answers" in str(few.note)
    assert str(few.note).endswith("in neutral")
    none = table.get("auroc_shift", ADVERSARIAL)
    assert none is not None
    assert none.note == "no right answers in adversarial"
    fewer = Table(calibration_rows(sides(unpaired=20))).get("ece_shift", ADVERSARIAL)
    assert fewer is not None
    assert fewer.n == 40
    apart = [row for row in sides() if (row.condition == NEUTRAL) == (row.sample < "VSC-0030")]
    alone = Table(calibration_rows(apart)).get("brier_shift", ADVERSARIAL)
    assert alone is not None
    assert (alone.value, alone.note) == (None, "no clip has a confidence with and without the text")


def test_a_text_without_effect_shifts_nothing() -> None:
    """Paired: the same answers on both sides differ by nothing, whatever their number."""
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(30):
        confidence = rng.uniform(0.5, 1, 80)
        chance = np.clip(confidence - 0.1, 0, 1)
        outcomes = [
            outcome
            for condition in (NEUTRAL, ADVERSARIAL)
            for outcome in asked(list(confidence), list(rng.random(80) < chance), condition)
        ]
        row = Table(calibration_rows(outcomes)).get("ece_shift", ADVERSARIAL)
        assert row is not None
        assert row.low is not None
        assert row.high is not None
        inside += row.low <= 0 <= row.high
    assert inside >= 28


def test_the_order_of_outcomes_changes_nothing() -> None:
    outcomes = sides()
    assert calibration_rows(outcomes) == calibration_rows(outcomes[::-1])
    assert calibration_rows([]) == []
