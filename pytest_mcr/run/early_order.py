"""The order in which clips count in a run that may end early; every process has to know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mcr.core.case import Case
from pytest_mcr.data.dataset import nested_order

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """One clip of one task with everything that is asked about it.

    Attributes:
        place: in its task's order.
    """

    task: str
    place: int
    samples: tuple[str, ...]
    cases: tuple[Case, ...]

    @property
    def keys(self) -> tuple[Key, ...]:
        """Its cases."""
        return tuple((case.sample.id, case.condition) for case in self.cases)


def units_of(cases: Sequence[Case], seed: int) -> list[Unit]:
    """Cut the cases into clips, in the order in which they count: that of ``--mcr-limit``, one clip a task in turn.

    A clip is a ``split_group`` or a sound file; all its samples stand where its first one does.
    """
    names = dict.fromkeys(case.sample.id for case in cases)
    order = nested_order(names, seed)
    by_sample: dict[str, list[Case]] = {}
    for case in cases:
        by_sample.setdefault(case.sample.id, []).append(case)
    clips: dict[tuple[str, str], list[str]] = {}
    for name in order:
        sample = by_sample[name][0].sample
        clips.setdefault((sample.task, sample.clip), []).append(name)
    places: dict[str, int] = {}
    units = []
    for (task, _), samples in clips.items():
        place = places[task] = places.get(task, -1) + 1
        own = tuple(case for name in samples for case in by_sample[name])
        units.append(Unit(task, place, tuple(samples), own))
    return sorted(units, key=lambda unit: (unit.place, unit.task))


def in_order(cases: Sequence[Case], seed: int) -> list[Case]:
    """The cases in the order in which they count, so that a run that ends early has asked little more."""
    return [case for unit in units_of(cases, seed) for case in unit.cases]
