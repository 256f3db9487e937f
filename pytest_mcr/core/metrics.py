"""From outcomes to the table of named numbers, each with n, clusters and interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from pytest_mcr.core.bounds import Bounds, reading_bounds
from pytest_mcr.core.case import CONDITIONS, Outcome
from pytest_mcr.core.catalogue import METRICS, Better, MetricSpec
from pytest_mcr.core.confidence import confidences
from pytest_mcr.core.estimates import Estimate, mean
from pytest_mcr.core.panel import Panel, panels
from pytest_mcr.core.rates import Estimates, Key, accuracies, following, influences
from pytest_mcr.core.ratios import ratios

__all__ = [
    "METRICS",
    "OVERALL",
    "Better",
    "Metric",
    "MetricSpec",
    "Table",
    "conflict_errors_per_1000",
    "measure",
    "overall",
    "rows_of",
]

OVERALL: Final = "*"
"""The task of a number over all tasks: the unweighted mean of the tasks' values."""
_BOUNDED_ROWS: Final = ("tir", "mrs")
"""Metrics whose bounds over unparsed answers are rows of their own."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number.

    Attributes:
        task: the task, or `OVERALL`.
        condition: None for a metric that takes none.
        value: None where undefined; ``note`` then says why.
        low: lower end of the two-sided 95 % interval.
        high: upper end of the two-sided 95 % interval.
        lower95: one-sided 95 % lower bound, for ``@95`` gates.
        upper95: one-sided 95 % upper bound.
        n: cases (or eligible samples) behind it.
        clusters: eligible clusters behind it.
        extra: keys beyond (task, condition, metric), e.g. ``{"gold": "yes"}``; the triple is unique among rows without.
        vacuous: undefined because nothing was wrong.
        step: change of the value when one clip's answer changes in its favour; None where no such step exists.
        bounds: least and largest value over every reading of the unparsed answers; None where there are none.
        flat: every clip agrees, so that the interval rests on their number alone.
        is_rate: a proportion or a mean of proportions, with Wilson's interval.
    """

    task: str
    condition: str | None
    metric: str
    value: float | None
    low: float | None
    high: float | None
    lower95: float | None
    upper95: float | None
    n: int
    clusters: int
    note: str | None = None
    extra: Mapping[str, str | int] = field(default_factory=dict)
    vacuous: bool = False
    step: float | None = None
    bounds: Bounds | None = None
    flat: bool = False
    is_rate: bool = False

    def to_json(self) -> dict[str, object]:
        """The row of ``results.json``: builtins only, ``note`` and the extra keys only where set."""
        row: dict[str, object] = {
            "task": self.task,
            "condition": self.condition,
            "metric": self.metric,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
        }
        return row | ({"note": self.note} if self.note else {}) | dict(self.extra)


class Table:
    """The numbers of a run, in a stable order: tasks by name, then `OVERALL`; metrics in the order of `METRICS`."""

    __slots__ = ("_index", "rows")

    def __init__(self, rows: Sequence[Metric]) -> None:
        self.rows = tuple(rows)
        by_arm = ((r, r.extra.get("arm", r.condition)) for r in self.rows if r.extra.keys() <= {"arm"})
        self._index = MappingProxyType({(r.metric, place, r.task): r for r, place in by_arm})

    def __iter__(self) -> Iterator[Metric]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.rows == other.rows

    __hash__ = None  # type: ignore[assignment]

    def get(self, metric: str, condition: str | None = None, task: str = OVERALL) -> Metric | None:
        """The row without extra keys, or of a repair arm in place of a condition; None if it was not measured."""
        return self._index.get((metric, condition, task))

    def value(self, metric: str, condition: str | None = None, task: str = OVERALL) -> float | None:
        """The value of that row, None if undefined or not measured."""
        row = self.get(metric, condition, task)
        return None if row is None else row.value

    def where(self, metric: str, condition: str | None = None, task: str = OVERALL, **extra: Any) -> tuple[Metric, ...]:
        """The rows of that triple that have all these extra keys."""
        wanted = (metric, condition, task)
        return tuple(
            r for r in self.rows if (r.metric, r.condition, r.task) == wanted and extra.items() <= dict(r.extra).items()
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks measured, by name, without `OVERALL`."""
        return tuple(dict.fromkeys(r.task for r in self.rows if r.task != OVERALL))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions measured, in the canonical order."""
        seen = {r.condition for r in self.rows}
        return tuple(c for c in CONDITIONS if c in seen)

    def mapped(self, change: Callable[[Metric], Metric]) -> Table:
        """The same table with every row changed."""
        return Table([change(row) for row in self.rows])


def measure(outcomes: Sequence[Outcome], *, mrs_alpha: float = 0.8) -> Table:
    """Measure everything that the outcomes allow.

    A condition that was not reported gives no rows. The result does not depend on the order of the outcomes.

    Args:
        outcomes: at most one a case.
        mrs_alpha: weight of the adversarial ratio in MRS, in [0, 1].

    Raises:
        ValueError: a case was reported twice, or a sample has two golds or clusters.
    """
    tasks = panels(outcomes)
    found = [_measure_task(panel, mrs_alpha) for panel in tasks]
    limits = [reading_bounds(panel, mrs_alpha) for panel in tasks]
    return Table(rows_of([panel.task for panel in tasks], found, limits))


def rows_of(
    names: Sequence[str],
    found: Sequence[Estimates],
    limits: Sequence[Mapping[tuple[str, str | None], Bounds]] | None = None,
) -> list[Metric]:
    """The rows of each task and, where there are tasks, those over them.

    Args:
        names: the tasks, in order.
        found: the numbers of each; metrics of `METRICS`, influence and share over the clusters of all tasks.
        limits: the bounds of each over unparsed answers, where there are such.
    """
    bounds = [{} for _ in names] if limits is None else limits
    rows = [row for name, own, ends in zip(names, found, bounds, strict=True) for row in _rows(name, own, ends)]
    return rows + _rows(OVERALL, overall(names, found), _overall_bounds(found, bounds)) if names else rows


def _measure_task(panel: Panel, alpha: float) -> Estimates:
    return accuracies(panel) | influences(panel) | ratios(panel, alpha) | following(panel) | confidences(panel)


def overall(names: Sequence[str], found: Sequence[Estimates]) -> Estimates:
    """Means over tasks of every number that some task has; slices by gold and text label stay with their task."""
    keys = dict.fromkeys(key for estimates in found for key in estimates if _is_common(key))
    means: Estimates = {}
    for key in keys:
        parts = [estimates.get(key) for estimates in found]
        whole = [part for part in parts if part is not None and part.value is not None]
        if len(whole) == len(parts):
            means[key] = mean(whole) if len(whole) > 1 else whole[0]
        else:
            means[key] = _undefined_overall(names, parts)
    return means


def _is_common(key: Key) -> bool:
    return all(name == "answers" for name, _ in key[2])


def _undefined_overall(names: Sequence[str], parts: Sequence[Estimate | None]) -> Estimate:
    """Null because some task's value is null: say which and why."""
    present = [part for part in parts if part is not None]
    reasons: dict[str, list[str]] = {}
    for name, part in zip(names, parts, strict=True):
        if part is None or part.value is None:
            reasons.setdefault("not measured" if part is None else part.note or "undefined", []).append(name)
    everywhere = len(reasons) == 1 and len(next(iter(reasons.values()))) == len(names)
    note = "; ".join(why if everywhere else f"{why} in {', '.join(tasks)}" for why, tasks in reasons.items())
    return replace(
        present[0],
        value=None,
        limits=None,
        n=sum(part.n for part in present),
        clusters=0,
        note=note,
        vacuous=len(present) == len(parts) and all(part.vacuous for part in present),
        step=None,
    )


def _overall_bounds(
    found: Sequence[Estimates], limits: Sequence[Mapping[tuple[str, str | None], Bounds]]
) -> dict[tuple[str, str | None], Bounds]:
    """Means of the tasks' bounds: the readings of different tasks' answers are independent."""
    overall: dict[tuple[str, str | None], Bounds] = {}
    for pair in dict.fromkeys(key for task in limits for key in task):
        ends: list[Bounds] = []
        for estimates, bounds in zip(found, limits, strict=True):
            part = estimates.get((*pair, ()))
            if pair in bounds:
                ends.append(bounds[pair])
            elif part is not None and part.value is not None:
                ends.append((part.value, part.value))
        if len(ends) == len(found):
            overall[pair] = (sum(e[0] for e in ends) / len(ends), sum(e[1] for e in ends) / len(ends))
    return overall


def _rows(task: str, found: Estimates, limits: Mapping[tuple[str, str | None], Bounds]) -> list[Metric]:
    order = {name: place for place, name in enumerate(METRICS)}
    rows: list[Metric] = []
    for key in sorted(found, key=lambda k: order[k[0]]):
        metric, condition, extra = key
        bounds = None if extra else limits.get((metric, condition))
        row = _row(task, key, found[key], bounds)
        rows.append(row)
        if bounds is not None and metric in _BOUNDED_ROWS:
            worst, best = bounds if METRICS[metric].better == Better.HIGHER else bounds[::-1]
            for name, value in (("worst", worst), ("best", best)):
                rows.append(
                    replace(
                        row, value=value, low=None, high=None, lower95=None, upper95=None, note=None,
                        extra={"bound": name}, step=None, bounds=None,
                    )
                )  # fmt: skip
    return rows


def _row(task: str, key: Key, found: Estimate, bounds: Bounds | None) -> Metric:
    metric, condition, extra = key
    limits = found.limits
    return Metric(
        task=task,
        condition=condition,
        metric=metric,
        value=found.value,
        low=None if limits is None else limits.low,
        high=None if limits is None else limits.high,
        lower95=None if limits is None else limits.lower95,
        upper95=None if limits is None else limits.upper95,
        n=found.n,
        clusters=found.clusters,
        note=found.note,
        extra=dict(extra),
        vacuous=found.vacuous,
        step=found.step,
        bounds=bounds,
        flat=not found.influence.any(),
        is_rate=found.is_rate,
    )


def conflict_errors_per_1000(prevalence: float, table: Table, task: str = OVERALL) -> float | None:
    """Expected errors that conflicting text causes per 1,000 requests.

    ``prevalence * tir[adversarial] * accuracy[neutral] * 1000``: a request carries a conflicting text, the model would
    have heard the answer, and the text takes it away.

    Args:
        prevalence: share of requests with a conflicting text, in [0, 1].
        table: the run's numbers.
        task: a task, or `OVERALL`.

    Returns:
        None where a factor is undefined.
    """
    tir, accuracy = table.value("tir", "adversarial", task), table.value("accuracy", "neutral", task)
    return None if tir is None or accuracy is None else 1000 * prevalence * tir * accuracy
