"""How far a gate is from passing: in clips whose answers must change, and in clips that would have to be added."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.grammar import Gate
from pytest_mcr.core.intervals import wilson
from pytest_mcr.core.metrics import OVERALL, Metric, Table

_SLACK: Final = 1e-9


def clips_to_pass(gate: Gate, row: Metric, table: Table) -> int | None:
    """Least number of clips whose answers must change for the value (and for ``@95`` its bound) to be inside.

    Over all tasks the clips that move the mean most come first. Exact for the value; a rate's bound follows Wilson's
    formula at the row's present effective size, any other bound keeps its distance from the value.

    Returns:
        None where a metric has no such step, or where even all clips changed would not do.
    """
    parts = [row] if row.task != OVERALL else [table.get(row.metric, row.condition, task) for task in table.tasks]
    moves: list[float] = []
    spec = METRICS[row.metric]
    for part in sorted(parts, key=lambda p: 0.0 if p is None or p.step is None else -p.step):
        if part is None or part.value is None or part.step is None or row.value is None:
            return None
        room = (spec.high - part.value if gate.upward else part.value - spec.low) / part.step
        # A ratio has no highest value, but at most every sample can become right.
        count = round(room) if math.isfinite(room) else part.n - round(part.value / part.step)
        moves += [part.step / len(parts)] * max(count, 0)
    shifts = np.cumsum(moves) * (1 if gate.upward else -1)
    for changed, shift in enumerate(shifts, start=1):
        value = row.value + float(shift) if row.value is not None else math.nan
        if _inside(gate, value) and (not gate.at95 or _inside(gate, _bound(gate, row, value))):
            return changed
    return None


def _inside(gate: Gate, value: float) -> bool:
    """Whether a computed value is inside, rounding aside: three clips of 0.1 make 0.3."""
    if gate.op in (">=", "<="):
        return gate.holds(value) or abs(value - gate.threshold) < _SLACK
    return gate.holds(value) and abs(value - gate.threshold) >= _SLACK


def _bound(gate: Gate, row: Metric, value: float) -> float:
    """The unfavourable one-sided bound if the row's value were this one."""
    now = row.lower95 if gate.upward else row.upper95
    if now is None or row.value is None:
        return math.nan
    square = _inverse_size(row)
    if square is None:
        return value + (now - row.value)
    low, high = wilson(min(max(value, 0.0), 1.0), 1 / square, 1.0)
    return float(low if gate.upward else high)


def _inverse_size(row: Metric) -> float | None:
    """Squared quantile over effective size, read back from a Wilson bound: (p - b)^2 / (b (1 - b)); None if no rate."""
    if not row.is_rate or row.value is None:
        return None
    for bound in (row.lower95, row.upper95):
        if bound is not None and 0 < bound < 1 and bound != row.value:
            return (row.value - bound) ** 2 / (bound * (1 - bound))
    return None


def needed_size(gate: Gate, row: Metric) -> int | None:
    """About how many cases would bring the bound of this value inside, the value staying as it is.

    Returns:
        None for a value exactly at its threshold, or without a bound.
    """
    bound = row.lower95 if gate.upward else row.upper95
    if row.value is None or bound is None or abs(row.value - gate.threshold) < _SLACK:
        return None
    gap = (row.value - gate.threshold) ** 2
    square = _inverse_size(row)
    if square is not None and 0 < gate.threshold < 1:
        factor = square * gate.threshold * (1 - gate.threshold) / gap
    elif row.flat:  # every clip agrees: a betting bound then closes in like 1/n
        factor = abs(row.value - bound) / math.sqrt(gap)
    else:
        factor = (row.value - bound) ** 2 / gap
    return math.ceil(row.n * max(factor, 1.0) + 1 - _SLACK)
