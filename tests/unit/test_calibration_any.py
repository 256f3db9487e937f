"""Calibration rows on any run, gaps and all: in range, ordered, named, and the same in any order."""

from __future__ import annotations

import dataclasses
import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.calibration_rows import calibration_rows
from pytest_mcr.core.case import PLACEBO, Outcome
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.metrics import Metric
from tests.unit.outcomes import runs

SLACK = 1e-9


def scored(outcomes: list[Outcome], losses: list[float]) -> list[Outcome]:
    """The same run with losses where there are confidences."""
    return [
        dataclasses.replace(outcome, log_loss=loss, brier=min(loss, 2.0)) if outcome.confidence is not None else outcome
        for outcome, loss in zip(outcomes, losses, strict=False)
    ]


def in_order(row: Metric) -> bool:
    """Whether the interval holds the value."""
    assert row.value is not None
    assert row.low is not None
    assert row.high is not None
    return row.low - SLACK <= row.value <= row.high + SLACK


@settings(deadline=None, max_examples=60)
@given(runs(), st.lists(st.floats(0, 50), min_size=60, max_size=80), st.randoms(use_true_random=False))
def test_any_run(outcomes: list[Outcome], losses: list[float], shuffler: random.Random) -> None:
    made = scored(outcomes, losses * 2)
    rows = calibration_rows(made)
    tasks = {outcome.task for outcome in made if outcome.condition != PLACEBO}
    plain = [(row.task, row.condition, row.metric) for row in rows if not row.extra]
    assert len(plain) == len(set(plain))
    assert {row.task for row in rows} <= tasks | {"*"}
    for row in rows:
        spec = METRICS[row.metric]
        assert spec.suite == "confidence"
        assert row.condition in spec.conditions
        if row.value is None:
            assert row.note
            continue
        ends = [x for x in (row.value, row.low, row.high, row.lower95, row.upper95) if x is not None]
        assert all(map(math.isfinite, ends))
        assert spec.low - SLACK <= row.value <= spec.high + SLACK
        assert in_order(row), row
    shuffler.shuffle(made)
    assert calibration_rows(made) == rows
