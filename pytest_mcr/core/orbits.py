"""Rates over variants of a text, clustered by clip: events, orbit consistency, paired differences, slopes.

Every function takes the trials of one task and, where the numbers of several tasks are to be pooled, the clusters of
all of them; `over_tasks` does both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtrit

from pytest_mcr.core.averages import settled, student_limits, weighted_share
from pytest_mcr.core.betting import DIFFERENCE
from pytest_mcr.core.clusters import Clusters, clustered, roster
from pytest_mcr.core.estimates import Estimate, mean_of, rate, undefined
from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED, Limits, wilson
from pytest_mcr.core.metrics import OVERALL, overall

BASE: Final = "base"
NO_TRIALS: Final = "no trials"


@dataclass(frozen=True, slots=True)
class Trial:
    """One decision of the model on one variant of a sample's text.

    Attributes:
        task: the task.
        sample: the sample; its trials form an orbit.
        cluster: the clip.
        variant: which variant of the text, e.g. `BASE` or an operator; several trials of a sample may share it.
        event: what happened: flipped, followed, ...
        level: strength of the variant on an ordered scale, None where it has none.

    Raises:
        ValueError: the level is not finite.
    """

    task: str
    sample: str
    cluster: str
    variant: str
    event: bool
    level: float | None = None

    def __post_init__(self) -> None:
        if self.level is not None and not math.isfinite(self.level):
            raise ValueError(f"sample {self.sample}, variant {self.variant}: level {self.level} is not finite")


Roster = Mapping[str, int]
Measure = Callable[[Sequence[Trial], Roster], Estimate]


def over_tasks(trials: Iterable[Trial], measure: Measure) -> dict[str, Estimate]:
    """One number per task, by name, then over tasks under `OVERALL`: the unweighted mean, null where one is null.

    Args:
        trials: of any number of tasks; the result does not depend on their order.
        measure: a function of this module, with its other arguments bound.
    """
    tasks: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda t: (t.task, t.sample, t.variant, t.level or 0.0, t.event)):
        tasks.setdefault(trial.task, []).append(trial)
    among = roster(trial.cluster for kept in tasks.values() for trial in kept)
    found = {task: measure(kept, among) for task, kept in tasks.items()}
    if not found:
        return {}
    key = ("", None, ())
    return found | {OVERALL: overall(list(found), [{key: estimate} for estimate in found.values()])[key]}


def _clips(names: Sequence[str], among: Roster | None) -> Clusters:
    return clustered(names, roster(names) if among is None else among)


def event_rate(trials: Sequence[Trial], among: Roster | None = None, *, empty: str = NO_TRIALS) -> Estimate:
    """Share of the trials with the event, with the clustered Wilson interval.

    Args:
        trials: of one task.
        among: the clusters of all tasks, numbered; None: those of the trials.
        empty: reason given when there are no trials.
    """
    clips = _clips([t.cluster for t in trials], among)
    events = np.array([t.event for t in trials], dtype=np.bool_)
    return rate(clips, events, np.ones(len(trials), dtype=np.bool_), empty=empty)


@dataclass(frozen=True, slots=True)
class _Orbit:
    cluster: str
    base: list[bool]
    others: list[bool]


def _orbits(trials: Sequence[Trial], base: str) -> tuple[list[_Orbit], str | None]:
    orbits: dict[str, _Orbit] = {}
    for trial in trials:
        orbit = orbits.setdefault(trial.sample, _Orbit(trial.cluster, [], []))
        (orbit.base if trial.variant == base else orbit.others).append(trial.event)
    repeated = [sample for sample, orbit in orbits.items() if len(orbit.base) > 1]
    if repeated:
        raise ValueError(
            f"sample {repeated[0]} has {len(orbits[repeated[0]].base)} trials of variant {base!r}, not one"
        )
    whole = [orbit for orbit in orbits.values() if orbit.base and orbit.others]
    lost = len(orbits) - len(whole)
    return whole, f"{lost} of {len(orbits)} samples lack variant {base!r} or any other" if lost else None


def orbit_consistency(trials: Sequence[Trial], among: Roster | None = None, *, base: str = BASE) -> Estimate:
    """Share of the variants with the base's decision, mean over samples, clustered by clip.

    Each sample weighs the same however many variants it has. Wilson's interval on an effective size of at most the
    number of clips (`averages.weighted_share`); n counts samples.

    Args:
        trials: of one task; one of variant ``base`` a sample, at least one other.
        among: the clusters of all tasks, numbered.
        base: the variant that the others are held to.

    Raises:
        ValueError: a sample has several trials of the base.
    """
    orbits, lost = _orbits(trials, base)
    same = np.array([sum(x == o.base[0] for x in o.others) / len(o.others) for o in orbits], dtype=np.float64)
    clips, everyone = _clips([o.cluster for o in orbits], among), np.ones(len(orbits), dtype=np.bool_)
    found = weighted_share(clips, same, np.ones(len(orbits)), everyone, empty=NO_TRIALS)
    return found.noted(lost)


def orbit_worst(trials: Sequence[Trial], among: Roster | None = None, *, base: str = BASE) -> Estimate:
    """Worst case over the orbit: share of the samples whose decision no variant changes, clustered by clip.

    It falls with the number of variants, so it compares only between runs of one design.

    Args:
        trials: as for `orbit_consistency`.
        among: the clusters of all tasks, numbered.
        base: the variant that the others are held to.

    Raises:
        ValueError: a sample has several trials of the base.
    """
    orbits, lost = _orbits(trials, base)
    constant = np.array([all(x == o.base[0] for x in o.others) for o in orbits], dtype=np.bool_)
    clips, everyone = _clips([o.cluster for o in orbits], among), np.ones(len(orbits), dtype=np.bool_)
    return rate(clips, constant, everyone, empty=NO_TRIALS).noted(lost)


def paired_difference(
    trials: Sequence[Trial], among: Roster | None = None, *, plus: str, minus: str = BASE
) -> Estimate:
    """P(event | plus) - P(event | minus) over the samples that have both variants, paired, clustered by clip.

    Several trials of a variant count as their mean. The interval is the betting one of paired differences, valid for
    any number of clips.

    Args:
        trials: of one task; other variants are ignored.
        among: the clusters of all tasks, numbered.
        plus: the variant whose rate counts up.
        minus: the variant whose rate counts down.

    Raises:
        ValueError: both variants are the same.
    """
    if plus == minus:
        raise ValueError(f"variant {plus!r} cannot be compared with itself")
    events: dict[str, dict[str, list[bool]]] = {}
    cluster: dict[str, str] = {}
    for trial in trials:
        if trial.variant in (plus, minus):
            events.setdefault(trial.sample, {plus: [], minus: []})[trial.variant].append(trial.event)
            cluster[trial.sample] = trial.cluster
    pairs = {sample: sides for sample, sides in events.items() if all(sides.values())}
    difference = np.array([_share(sides[plus]) - _share(sides[minus]) for sides in pairs.values()], dtype=np.float64)
    clips, everyone = _clips([cluster[s] for s in pairs], among), np.ones(len(pairs), dtype=np.bool_)
    empty = f"no sample has both {plus!r} and {minus!r}"
    found = mean_of(clips, difference, everyone, corners=DIFFERENCE, span=(-1.0, 1.0), empty=empty)
    lost = len(events) - len(pairs)
    return found.noted(f"{lost} of {len(events)} samples lack {plus!r} or {minus!r}" if lost and pairs else None)


def _share(events: Sequence[bool]) -> float:
    return sum(events) / len(events)


def slope(trials: Sequence[Trial], among: Roster | None = None) -> Estimate:
    """Change of P(event) per unit of level: slope of a linear probability model, clustered by clip.

    Least squares of the event on the level, with the cluster-robust (Liang-Zeger) variance times G/(G-1) and Student's
    quantile of G-1 degrees. Where every clip agrees with the fit that variance is 0; the interval is then as wide as
    Wilson's for an event never seen on G clips, over the range of the levels.

    Args:
        trials: of one task; those without a level are ignored.
        among: the clusters of all tasks, numbered.

    Returns:
        Undefined, with the reason, for fewer than two levels or two clips.
    """
    kept = [t for t in trials if t.level is not None]
    x = np.array([t.level for t in kept], dtype=np.float64)
    y = np.array([t.event for t in kept], dtype=np.float64)
    clips = _clips([t.cluster for t in kept], among)
    rows = clips.per_cluster(np.ones(len(kept)))
    clusters, levels = int((rows > 0).sum()), len(np.unique(x))
    if levels < 2 or clusters < 2:
        why = f"{levels} of the two levels" if levels < 2 else f"{clusters} of the two clips"
        return undefined(clips, f"{why} that a slope needs" if kept else NO_TRIALS, len(kept))
    centred = x - x.mean()
    spread = float(centred @ centred)
    value = float(centred @ y) / spread
    residual = y - y.mean() - value * centred
    influence = settled(clips.per_cluster(centred * residual) / spread, float(np.abs(centred).max()) / spread)
    limits = student_limits(value, influence, clusters)
    if not influence.any():
        limits = _silent_limits(value, clusters, float(np.ptp(x)))
    return Estimate(value, limits, len(kept), clusters, influence, rows / len(kept))


def _silent_limits(value: float, clusters: int, width: float) -> Limits:
    two, one = (
        float(wilson(0.0, clusters, stdtrit(clusters - 1, level))[1]) / width for level in (TWO_SIDED, ONE_SIDED)
    )
    return Limits(value - two, value + two, value - one, value + one)
