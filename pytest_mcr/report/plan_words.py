"""A plan as plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mcr.core.tiers import DISCORDANCE
from pytest_mcr.report.wording import count, figure, safe
from pytest_mcr.run.plan import Pace, Planned
from pytest_mcr.run.timing import duration

UNKNOWN = "unknown"
HEADS = ("tier", "samples", "cases", "gate tells", "mean tells", "loss shows", "mean shows", "time")


def plan_lines(title: str, plans: Sequence[Planned], pace: Pace | None, workers: int, *, gates: int) -> Iterator[str]:
    """The plan of a run.

    Args:
        title: model, data and profile.
        plans: the tiers.
        pace: of a former run, None where there is none.
        workers: processes side by side.
        gates: how many there are to judge.
    """
    yield f"mcr plan: {title}; nothing is asked"
    rows = [HEADS, *(_row(plan, pace, workers) for plan in plans)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield (
        "  gate tells: least distance from a threshold that a @95 gate tells with a power of 0.8, at a rate of 0.5, in "
        "the smallest task; mean: over tasks"
    )
    yield (
        f"  loss shows: the same for a loss of accuracy against a baseline, where {100 * DISCORDANCE:.0f} % of the "
        "answers differ in rightness"
    )
    yield f"  time: {_source(pace)}"
    for plan in plans:
        yield f"  {plan.tier}: {_gates(plan, gates)}"


def _row(plan: Planned, pace: Pace | None, workers: int) -> tuple[str, ...]:
    effects = (plan.task_effect, plan.mean_effect, plan.task_loss, plan.mean_loss)
    time = UNKNOWN if pace is None else f"about {duration(pace.seconds(plan.cases, workers))}"
    return (plan.tier, _samples(plan), str(plan.cases), *map(figure, effects), time)


def _samples(plan: Planned) -> str:
    sizes = set(plan.samples.values())
    if len(sizes) == 1:
        return f"{len(plan.samples)} x {sizes.pop()}"
    return " + ".join(map(str, plan.samples.values()))


def _source(pace: Pace | None) -> str:
    if pace is None:
        return "unknown until a run of this model was made from this folder"
    data = "" if pace.same_data else ", on other data"
    return (
        f"of the benchmark's cases alone, at the pace of run {safe(pace.run, 60)} on {safe(pace.device, 60)}{data}: "
        f"{figure(1000 * pace.case, 1)} ms a case"
    )


def _gates(plan: Planned, gates: int) -> str:
    if not gates:
        return "no gate to judge"
    parts = []
    if plan.undecided:
        parts.append(f"undecided even if every answer is right: {_listed(plan.undecided)}")
    if plan.not_judged:
        parts.append(f"not judged: {_listed(plan.not_judged)}")
    return "; ".join(parts) if parts else f"{count(gates, 'gate')}, none too strict for so many clips"


def _listed(names: Sequence[str]) -> str:
    return f"{count(len(names), 'gate')} ({'; '.join(safe(name, 80) for name in names)})"
