"""Where a text does its harm: slices by task, gold answer, text label and source, each against the rest of its task."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Outcome, Sample, Verdict
from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.paired_tests import holm

LEAST: Final = 10
"""Clips below which a slice is not looked at."""
LEVEL: Final = 0.05
"""Family-wise error rate at which a slice stands out."""

Row = tuple[str, str, bool]
"""Sample, cluster, whether the answer was lost."""
Name = tuple[str, str | None, str | None, str | None]
"""Task, gold, text label, source."""
WHOLE: Final = (None, None, None)


@dataclass(frozen=True, slots=True)
class Slice:
    """The cases of a task with one gold answer, text label or source, or with several of them; or a whole task.

    Attributes:
        gold: the gold answer, None for any.
        text_label: the label that the text supports, None for any.
        source: of the clip, None for any.
        lost: answers that are wrong under the condition.
        n: answers that could be lost.
        rest_lost: the same over the rest of the task; of a whole task, over the other tasks.
        rest_n: the same.
        p: one-sided exact p of so many lost ones, Holm-corrected over all slices.
    """

    task: str
    gold: str | None
    text_label: str | None
    source: str | None
    lost: int
    n: int
    rest_lost: int
    rest_n: int
    p: float

    @property
    def stands_out(self) -> bool:
        """Whether more is lost here than luck explains."""
        return self.p < LEVEL

    @property
    def is_task(self) -> bool:
        """Whether it is a whole task."""
        return self.gold is None and self.text_label is None and self.source is None


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of a run under one condition, the worst first.

    Attributes:
        condition: whose answers are counted.
        paired: only clips count that were right in neutral.
    """

    condition: str
    paired: bool
    rows: tuple[Slice, ...] = ()


def slices(
    outcomes: Mapping[tuple[str, str], Outcome], samples: Mapping[str, Sample], condition: str = ADVERSARIAL
) -> Slices:
    """Count lost answers by task, gold answer, text label and source.

    Each slice is tested against the rest of its task, a whole task against the others. Lost: right in neutral and wrong
    under the condition; where the condition is neutral itself or neutral was not run, wrong. The test is Fisher's exact
    test, one-sided, on one answer a clip (the first by sample), because answers about one clip are not independent; a
    clip with answers on both sides is left out of the rest. p is corrected by Holm (Scand. J. Statist. 6, 1979).

    Args:
        outcomes: by (sample, condition).
        samples: by id, for their sources.
        condition: whose answers are counted.
    """
    paired = condition != NEUTRAL and any(key[1] == NEUTRAL for key in outcomes)
    groups: dict[Name, list[Row]] = defaultdict(list)
    for (name, asked), outcome in outcomes.items():
        if asked == condition and outcome.verdict is not Verdict.ERROR and (not paired or _heard(outcomes, name)):
            source = samples[name].source if name in samples else None
            row = (name, outcome.cluster, outcome.verdict is not Verdict.AUDIO)
            for keys in itertools.product({outcome.gold, None}, {outcome.text_label, None}, {source, None}):
                groups[outcome.task, *keys].append(row)
    whole = {key[0]: rows for key, rows in groups.items() if key[1:] == WHOLE}
    everything = [row for rows in whole.values() for row in rows]
    found = []
    for key, rows in _different(groups):
        tested = _tested(rows, everything if key[1:] == WHOLE else whole[key[0]])
        if tested is not None:
            found.append((key, tested))
    adjusted = holm([tested[-1] for _, tested in found])
    made = [Slice(*key, *tested[:4], p) for (key, tested), p in zip(found, adjusted, strict=True)]
    return Slices(condition, paired, tuple(sorted(made, key=_order)))


def _different(groups: Mapping[Name, Sequence[Row]]) -> list[tuple[Name, Sequence[Row]]]:
    """The groups that differ in their cases; of equal ones that with the fewest keys."""
    kept: dict[tuple[str, ...], tuple[Name, Sequence[Row]]] = {}
    for key, rows in sorted(groups.items(), key=lambda item: (sum(part is not None for part in item[0]), str(item[0]))):
        kept.setdefault(tuple(sorted(row[0] for row in rows)), (key, rows))
    return list(kept.values())


def _heard(outcomes: Mapping[tuple[str, str], Outcome], name: str) -> bool:
    neutral = outcomes.get((name, NEUTRAL))
    return neutral is not None and neutral.verdict is Verdict.AUDIO


def _order(one: Slice) -> tuple[float, float, str, str, str, str]:
    return one.p, -one.lost / one.n, one.task, one.gold or "", one.text_label or "", one.source or ""


def _tested(rows: Sequence[Row], task: Sequence[Row]) -> tuple[int, int, int, int, float] | None:
    """Lost and all, inside and in the rest, and the plain p; None for too few clips, or for no rest."""
    inside = _by_clip(rows)
    rest_rows = [row for row in task if row[1] not in inside]
    outside = _by_clip(rest_rows)
    if len(inside) < LEAST or not outside:
        return None
    lost, every = sum(inside.values()), sum(inside.values()) + sum(outside.values())
    p = chance_of(lost, len(inside), every, len(inside) + len(outside))
    return sum(row[2] for row in rows), len(rows), sum(row[2] for row in rest_rows), len(rest_rows), p


def chance_of(least: int, drawn: int, marked: int, total: int) -> float:
    """P of at least so many marked ones among those drawn from all without replacement (hypergeometric)."""
    k = np.arange(max(least, drawn + marked - total), min(drawn, marked) + 1)
    logs = _log_choose(marked, k) + _log_choose(total - marked, drawn - k) - _log_choose(total, np.array(drawn))
    return min(float(np.exp(logs).sum()), 1.0)


def _log_choose(n: int, k: NDArray[np.intp]) -> Floats:
    found: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found


def _by_clip(rows: Iterable[Row]) -> dict[str, bool]:
    """Whether the first answer of each clip was lost."""
    found: dict[str, bool] = {}
    for _, cluster, lost in sorted(rows):
        found.setdefault(cluster, lost)
    return found
