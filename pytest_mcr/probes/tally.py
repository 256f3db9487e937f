"""Numbers by clip, gathered and turned into rows of the results: mean or share, interval over clips, n."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_mcr.core.averages import mean_value
from pytest_mcr.core.clusters import Clusters, clustered, roster
from pytest_mcr.core.intervals import rate_limits

Row = dict[str, Any]
"""A row of ``results.json``: builtins only."""


@dataclass(frozen=True, slots=True)
class Name:
    """Which number.

    Attributes:
        metric: without ``dominance.``.
        layer: None for all blocks at once.
        draw: of a control, None elsewhere.
    """

    metric: str
    layer: int | None = None
    draw: int | None = None

    def row(self, value: float | None, low: float | None, high: float | None, n: int, note: str | None = None) -> Row:
        """The row with this name; extra keys and note only where there are any."""
        extra = {"layer": self.layer, "draw": self.draw, "note": note}
        found: Row = {"metric": f"dominance.{self.metric}", "value": value, "low": low, "high": high, "n": n}
        return found | {key: given for key, given in extra.items() if given is not None}


@dataclass(slots=True)
class Tally:
    """Numbers by name, each with its clip's cluster; as small as the numbers are."""

    means: dict[Name, list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    shares: dict[Name, list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[Name, str] = field(default_factory=dict)

    def add(self, name: Name, cluster: str, value: float | None) -> None:
        """A clip's number, e.g. nats; None where it is undefined for this clip."""
        known = self.means[name]
        if value is not None:
            known.append((cluster, float(value)))

    def count(self, name: Name, cluster: str, hit: bool) -> None:
        """Whether a clip is a hit."""
        self.shares[name].append((cluster, float(hit)))

    def rows(self) -> list[Row]:
        """All rows, by metric, draw and layer."""
        rows = [_mean_row(name, values, self.notes.get(name)) for name, values in self.means.items()]
        rows += [_share_row(name, values, self.notes.get(name)) for name, values in self.shares.items()]
        return sorted(rows, key=lambda row: (row["metric"], row.get("draw", -1), row.get("layer", -1)))


def _clusters(values: list[tuple[str, float]]) -> tuple[Clusters, Any]:
    names = [cluster for cluster, _ in values]
    return clustered(names, roster(names)), np.array([value for _, value in values], dtype=np.float64)


def _mean_row(name: Name, values: list[tuple[str, float]], note: str | None) -> Row:
    if not values:
        return name.row(None, None, None, 0, note or "undefined for every clip")
    clips, numbers = _clusters(values)
    found = mean_value(clips, numbers, np.ones(len(numbers), dtype=np.bool_), empty="")
    if found.limits is None:
        return name.row(float(numbers.mean()), None, None, len(numbers), _joined(note, found.note))
    return name.row(found.value, found.limits.low, found.limits.high, len(numbers), note)


def _share_row(name: Name, values: list[tuple[str, float]], note: str | None) -> Row:
    clips, hits = _clusters(values)
    limits = rate_limits(clips.per_cluster(hits), clips.per_cluster(np.ones_like(hits)))
    return name.row(float(hits.mean()), limits.low, limits.high, len(hits), note)


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note) or None
