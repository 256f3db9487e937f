"""Which rows share a clip: the numbering that makes every variance here one between clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


class Clustered(Protocol):
    """Rows that belong to clusters numbered over all tasks."""

    @property
    def clusters(self) -> int:
        """Number of clusters over all tasks."""

    def per_cluster(self, values: NDArray[np.generic]) -> Floats:
        """Sum a value by row over each cluster; shape (clusters,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Rows of one task.

    Attributes:
        cluster: each row's cluster.
        clusters: number of clusters over all tasks.
    """

    cluster: Codes
    clusters: int

    def per_cluster(self, values: NDArray[np.generic]) -> Floats:
        """Sum a value by row over each cluster; shape (clusters,)."""
        weights = values.astype(np.float64)
        return np.bincount(self.cluster, weights=weights, minlength=self.clusters).astype(np.float64)


def roster(names: Iterable[str]) -> dict[str, int]:
    """Number the clusters of all tasks, by name, so that a clip in several tasks counts as one."""
    return {name: code for code, name in enumerate(sorted(set(names)))}


def clustered(names: Sequence[str], among: Mapping[str, int]) -> Clusters:
    """The rows with these cluster names, numbered as in the roster."""
    return Clusters(np.array([among[name] for name in names], dtype=np.int64), len(among))
