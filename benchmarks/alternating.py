"""Several ways of doing one thing, timed in turn, so that a machine that slows down slows all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

ROUNDS: Final = 5
SLOW: Final = 10.0
"""Seconds from which on a way is timed three times only, on its stated part if it has one."""
SLOW_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Way:
    """One way of doing the work.

    Attributes:
        run: does all of it.
        part: does ``1 / parts`` of it, None where it cannot be cut.
        parts: how many such parts make the whole.
    """

    run: Callable[[], object]
    part: Callable[[], object] | None = None
    parts: float = 10


@dataclass(frozen=True, slots=True)
class Timing:
    """What a way took.

    Attributes:
        seconds: median wall time of the whole work.
        times: how often it was timed.
        parts: 1, or how many parts the whole has when only one of them was timed.
    """

    seconds: float
    times: int
    parts: float = 1

    def words(self) -> str:
        """As a phrase that states the subsample."""
        sample = "" if self.parts == 1 else f", a 1/{self.parts:g} subsample x {self.parts:g}"
        return f"{self.seconds:.3g} s (median of {self.times}{sample})"


def alternate(ways: Mapping[str, Way], clock: Callable[[], float] = time.perf_counter) -> dict[str, Timing]:
    """Time every way, in turn, after one untimed turn that warms up and tells which are slow.

    Args:
        ways: by name; the part of a slow one stands for the whole.
        clock: seconds.

    Returns:
        By name: the median of five, of three when any way takes longer than ten seconds.
    """
    chosen = {name: _choose(way, clock) for name, way in ways.items()}
    rounds = SLOW_ROUNDS if any(slow for _, _, slow in chosen.values()) else ROUNDS
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (run, parts, _) in chosen.items():
            seconds[name].append(parts * timed(run, clock))
    return {name: Timing(statistics.median(seconds[name]), rounds, chosen[name][1]) for name in ways}


def timed(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call, without the rubbish that others left."""
    gc.collect()
    began = clock()
    run()
    return clock() - began


def _choose(way: Way, clock: Callable[[], float]) -> tuple[Callable[[], object], float, bool]:
    """What to time, how many of it make the whole, and whether the whole is slow."""
    if way.part is None:
        return way.run, 1, timed(way.run, clock) > SLOW
    slow = timed(way.part, clock) * way.parts > SLOW
    return (way.part, way.parts, slow) if slow else (way.run, 1, slow)
