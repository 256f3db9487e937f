"""Is a model worse than a baseline on the same cases? Paired non-inferiority, cell by cell.

A *cell* is the accuracy of one task under one condition, or the mean over the tasks (*macro*). The claim "worse in no
cell" is an intersection-union test: it holds where every cell's one-sided 95 % bound of the paired difference is inside
its margin, with no correction (Berger, Technometrics 24, 1982). Holm's correction serves only to name the cells that
have become worse for sure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, NEUTRAL, Outcome
from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.comparison import (
    PASS,
    POWER_FACTOR,
    REGRESSED,
    UNDECIDED,
    Cell,
    Comparison,
    Influence,
    Key,
)
from pytest_mcr.core.intervals import ONE_SIDED, TWO_SIDED
from pytest_mcr.core.margins import Margins
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.core.paired_bounds import lower_bound
from pytest_mcr.core.paired_tests import holm, mcnemar_worse, sign_flip_worse
from pytest_mcr.core.panel import Panel, panels

ALPHA: Final = 0.05
ASSUMED_DISCORDANCE: Final = 0.08
"""Share of clips on which two releases differ, where no pair of blessed runs says it."""
RULE_OF_THREE: Final = math.log(20)
_SLACK: Final = 1e-9


def compare(
    before: Iterable[Outcome],
    after: Iterable[Outcome],
    margins: Margins,
    planned: Mapping[Key, float] | None = None,
) -> Comparison:
    """Compare two runs case by case.

    A case with an error in either run leaves its cell. Clips are told apart as in the second run.

    Args:
        before: outcomes of the baseline; cases that `after` lacks are left out.
        after: of the model.
        margins: what may be lost.
        planned: share of samples that differ between two releases, by cell; 8 % where it says nothing.

    Raises:
        ValueError: the baseline lacks a case.
    """
    now = {(o.sample, o.condition): o for o in after if o.condition in CONDITIONS}
    was = {(o.sample, o.condition): o for o in before}
    missing = sorted(now.keys() - was.keys())
    if missing:
        raise ValueError(f"the baseline lacks {len(missing)} cases, e.g. {'-'.join(missing[0])}")
    clusters = {o.sample: o.cluster for o in sorted(now.values(), key=lambda o: (o.verdict != "error", o.condition))}
    one, two = (panels(replace(run[key], cluster=clusters[key[0]]) for key in now) for run in (was, now))
    planned = planned or {}
    cells = [cell for condition in CONDITIONS for cell in _cells(one, two, condition, margins)]
    cells.sort(key=lambda cell: (cell.task == OVERALL, cell.task, CONDITIONS.index(cell.condition)))
    corrected = holm([cell.p for cell in cells])
    judged = [
        _judged(replace(cell, holm=p), planned.get((cell.task, cell.condition), ASSUMED_DISCORDANCE))
        for cell, p in zip(cells, corrected, strict=True)
    ]
    return Comparison(tuple(judged), tuple(_influence(one, two)))


@dataclass(frozen=True, slots=True)
class _Paired:
    """One task's pairs under a condition, by clip: what each adds to the difference, and its weight."""

    before: float
    after: float
    moved: Floats
    weight: Floats
    n: int
    clips: float
    discordant: float
    simple: bool


def _paired(one: Panel, two: Panel, condition: str) -> _Paired | None:
    a, b = one.cells[condition], two.cells[condition]
    both = a.ok & b.ok
    n = int(both.sum())
    if not n:
        return None
    rows = two.per_cluster(both)
    moved = two.per_cluster((b.right.astype(np.float64) - a.right) * both) / n
    return _Paired(
        before=float((a.right & both).sum()) / n,
        after=float((b.right & both).sum()) / n,
        moved=moved,
        weight=rows / n,
        n=n,
        clips=n**2 / float((rows**2).sum()),
        discordant=float(((a.right ^ b.right) & both).sum()) / n,
        simple=bool(rows.max() == 1),
    )


def _cells(one: Sequence[Panel], two: Sequence[Panel], condition: str, margins: Margins) -> list[Cell]:
    """The tasks' cells under a condition and, of several tasks, their mean's."""
    pairs = [
        (new.task, found)
        for old, new in zip(one, two, strict=True)
        if condition in new.cells and (found := _paired(old, new, condition)) is not None
    ]
    cells = [_cell(task, condition, found, margins) for task, found in pairs]
    if len(pairs) > 1:
        cells.append(_cell(OVERALL, condition, _mean([found for _, found in pairs]), margins))
    return cells


def _mean(parts: Sequence[_Paired]) -> _Paired:
    """The unweighted mean of the tasks; as many clips as its smallest task would give if all had its size, at most."""
    weight = np.mean([part.weight for part in parts], axis=0)
    return _Paired(
        before=float(np.mean([part.before for part in parts])),
        after=float(np.mean([part.after for part in parts])),
        moved=np.mean([part.moved for part in parts], axis=0),
        weight=weight,
        n=sum(part.n for part in parts),
        clips=min(1 / float((weight**2).sum()), len(parts) * min(part.clips for part in parts)),
        discordant=float(np.mean([part.discordant for part in parts])),
        simple=False,
    )


def _cell(task: str, condition: str, pair: _Paired, margins: Margins) -> Cell:
    """A cell without its verdict.

    A clip's answers move its number by at most its weight, so n clips of equal weight, of which the shares of the moves
    down and up are losses and gains, vary at least as much. With one question a clip this is exact.
    """
    clips = max(math.floor(pair.clips + _SLACK), 1)
    down, up = float(-pair.moved[pair.moved < 0].sum()) * clips, float(pair.moved[pair.moved > 0].sum()) * clips
    ends = [_bound(down, up, clips, level) for level in (TWO_SIDED, ONE_SIDED)]
    p = mcnemar_worse(round(down), round(up)) if pair.simple else sign_flip_worse(pair.moved)
    return Cell(
        task=task,
        condition=condition,
        before=pair.before,
        after=pair.after,
        change=float(pair.moved.sum()) + 0.0,
        low=ends[0],
        high=-_bound(up, down, clips, TWO_SIDED),
        lower95=ends[1],
        n=pair.n,
        clips=clips,
        discordance=pair.discordant,
        margin=margins.macro if task == OVERALL else margins.task,
        p=p,
    )


def _bound(losses: float, gains: float, clips: int, level: float) -> float:
    """A lower bound; shares of a clip count as a whole loss and as no gain."""
    lost = min(math.ceil(losses - _SLACK), clips)
    return lower_bound(lost, min(math.floor(gains + _SLACK), clips - lost), clips, level)


def needed_clips(discordance: float, margin: float) -> int:
    """Clips a cell needs for 80 % power at no difference: discordance * 6.18 / margin^2.

    At least ``log(20) / margin``, the rule of three: on fewer, not even a run against itself is inside.
    """
    return math.ceil(max(discordance * POWER_FACTOR / margin**2, RULE_OF_THREE / margin) - _SLACK)


def detectable_loss(discordance: float, clips: int) -> float:
    """Smallest loss that so many clips tell from none with 80 % power: sqrt(6.18 * discordance / n).

    At least ``log(20) / n``, the rule of three.
    """
    return max(math.sqrt(POWER_FACTOR * discordance / clips), RULE_OF_THREE / clips)


def _judged(cell: Cell, planned: float) -> Cell:
    discordance = max(planned, cell.discordance)
    needed = needed_clips(discordance, cell.margin)
    if cell.lower95 >= -cell.margin:
        verdict = PASS
    elif cell.change < -cell.margin and cell.holm <= ALPHA:
        verdict = REGRESSED
    else:
        verdict = UNDECIDED
    return replace(
        cell,
        verdict=verdict,
        needed=needed,
        detectable=detectable_loss(discordance, cell.clips),
        underpowered=verdict == UNDECIDED and cell.clips < needed,
    )


def _influence(one: Sequence[Panel], two: Sequence[Panel]) -> list[Influence]:
    rows = []
    for old, new in zip(one, two, strict=True):
        if not {NEUTRAL, ADVERSARIAL} <= new.cells.keys():
            continue
        cells = [panel.cells[condition] for condition in (NEUTRAL, ADVERSARIAL) for panel in (old, new)]
        ok = np.logical_and.reduce([cell.ok for cell in cells])
        heard, hears, told, tells = (cell.right & ok for cell in cells)
        both = heard & hears
        n = int(both.sum())
        shares = [float((both & ~right).sum()) / n if n else None for right in (told, tells)]
        rows.append(Influence(new.task, n, int((heard & ~hears).sum()), int((hears & ~heard).sum()), *shares))
    if len(rows) > 1:
        rows.append(_overall(rows))
    return rows


def _overall(rows: Sequence[Influence]) -> Influence:
    sizes = [sum(getattr(row, name) for row in rows) for name in ("both", "only_before", "only_after")]
    means = []
    for side in ("before", "after"):
        values = [getattr(row, side) for row in rows]
        means.append(None if None in values else float(np.mean(values)))
    return Influence(OVERALL, *sizes, *means)
