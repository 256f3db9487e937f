"""Folds for cross-validation by clip and by text: no fold shares either with another."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.clusters import Codes

FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Fold:
    """One round of the cross-validation; places of rows.

    Attributes:
        train: all rows outside of the fold.
        fit: of these, the rows that a choice between probes is fitted on.
        choose: of these, the rows that the choice is made on; together with `fit` they are `train`.
        test: rows of the fold.
    """

    number: int
    train: Codes
    fit: Codes
    choose: Codes
    test: Codes


def components(*keys: Sequence[Hashable]) -> Codes:
    """Number rows so that two rows with a key in common, or linked through others, have one number.

    Args:
        keys: by row, one sequence a kind, e.g. clips and texts; equal values of different kinds are different keys.
    """
    count = len(keys[0])
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for kind in keys:
        first: dict[Hashable, int] = {}
        for row, key in enumerate(kind):
            low, high = sorted((root(first.setdefault(key, row)), root(row)))
            parent[high] = low
    roots = [root(row) for row in range(count)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[name] for name in roots], dtype=np.int64)


def fold_numbers(groups: Codes, count: int = FOLDS) -> Codes | None:
    """The fold of each row: whole groups, the largest first, each into the fold with the fewest rows.

    Args:
        groups: by row.
        count: folds.

    Returns:
        None where there are fewer groups than folds.
    """
    names, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    if len(names) < count:
        return None
    filled = [0] * count
    fold: dict[int, int] = {}
    for place in sorted(range(len(names)), key=lambda place: (-sizes[place], first[place])):
        least = int(np.argmin(filled))
        fold[int(names[place])] = least
        filled[least] += int(sizes[place])
    return np.array([fold[int(group)] for group in groups], dtype=np.int64)


def rounds(numbers: Codes, among: NDArray[np.bool_] | None = None) -> Iterator[Fold]:
    """The rounds of a cross-validation that have rows to test.

    Args:
        numbers: fold by row.
        among: the rows that take part, None for all.
    """
    used = np.ones(len(numbers), dtype=np.bool_) if among is None else among
    names = np.unique(numbers)
    for place, name in enumerate(names):
        following = names[(place + 1) % len(names)]
        train, choose = used & (numbers != name), used & (numbers == following)
        parts = (train, train & ~choose, choose, used & (numbers == name))
        if parts[-1].any():
            yield Fold(int(name), *(np.flatnonzero(part) for part in parts))
