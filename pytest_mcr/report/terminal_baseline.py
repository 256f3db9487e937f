"""The comparison with earlier runs in the summary: which run, every cell with its bound and margin, what is decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.comparison import PASS, REGRESSED, UNDECIDED, Cell, Comparison, Influence
from pytest_mcr.report.terminal_tables import grid
from pytest_mcr.report.wording import NOTHING, end, figure, safe
from pytest_mcr.run.record import RunRecord

STYLES: Final = {PASS: "green", REGRESSED: "bold red", UNDECIDED: "bold yellow"}
ORDER: Final = (REGRESSED, UNDECIDED, PASS)
ROOM: Final = 400


def baseline(record: RunRecord) -> Iterator[RenderableType]:
    """Every comparison of the run."""
    for compared in record.judgement.compared:
        yield Text(f"  {compared.reference.role}: {safe(compared.reference.named, ROOM)}")
        if compared.comparison is None:
            yield Text(f"  INVALID: cannot be compared: {safe('; '.join(compared.differences), ROOM)}", "bold magenta")
        else:
            yield from comparison(compared.comparison)


def comparison(found: Comparison) -> Iterator[RenderableType]:
    """The cells, what blocks first, then TIR on common clips."""
    yield Text(f"  {sentence(found)}")
    yield Padding(cells_grid(found), (0, 0, 0, 2))
    for line in (*remarks(found), *legend(found)):
        yield Padding(Text(line), (0, 0, 0, 2))


def sentence(found: Comparison) -> str:
    """The verdict over all cells."""
    total = len(found.cells)
    counts = {verdict: sum(cell.verdict == verdict for cell in found.cells) for verdict in ORDER}
    if counts[REGRESSED]:
        worse = ", ".join(cell.name for cell in found.cells if cell.verdict == REGRESSED)
        return f"REGRESSED in {counts[REGRESSED]} of {total} cells: {worse}"
    if counts[UNDECIDED]:
        few = sum(cell.underpowered for cell in found.cells)
        why = f", {few} of them underpowered (too few clips to tell)" if few else ""
        return f"UNDECIDED in {counts[UNDECIDED]} of {total} cells{why}; no cell is worse for sure"
    return f"pass: worse in none of {total} cells by more than may be lost"


def cells_grid(found: Comparison) -> RenderableType:
    """One row a cell, what blocks first."""
    table = grid("accuracy", "", "was", "now", "change [95 %]", "bound", "allow", "clips", gap=1)
    for cell in sorted(found.cells, key=lambda cell: ORDER.index(cell.verdict)):
        table.add_row(
            Text(cell.verdict if cell.verdict == PASS else cell.verdict.upper(), style=STYLES[cell.verdict]),
            f"{safe(cell.task)} {cell.condition}",
            figure(cell.before),
            figure(cell.after),
            f"{_signed(cell.change)} [{end(cell.low)},{end(cell.high)}]",
            _signed(cell.lower95, 3),
            f"{-cell.margin:g}",
            str(cell.clips),
        )
    return table


def remarks(found: Comparison) -> Iterator[str]:
    """What is missing for a pass, without the numbers in the table; cells that lack the same share a line."""
    lines: dict[str, list[str]] = {}
    for cell in sorted(found.cells, key=lambda cell: ORDER.index(cell.verdict)):
        if cell.verdict != PASS:
            lines.setdefault(_remark(cell), []).append(f"{safe(cell.task)} {cell.condition}")
    for why, names in lines.items():
        yield f"{', '.join(names)}: {why}"


def _remark(cell: Cell) -> str:
    if cell.verdict == REGRESSED:
        return f"worse for sure (p {cell.p:.2g}, {cell.holm:.2g} with Holm's correction)"
    if cell.underpowered:
        return f"underpowered, needs n = {cell.needed} clips, has {cell.clips}"
    return cell.reason.rpartition("may be lost; ")[2]


def legend(found: Comparison) -> Iterator[str]:
    """How to read the table, the smallest losses that would be seen, and TIR on common clips."""
    yield (
        "change: accuracy now less before, by pairs; *: mean of the tasks. The one-sided 95 % bound must not lie below "
        "what is allowed, in any cell. Smallest loss told from none with 80 % power: "
        f"{detectable_words(found.cells)}"
    )
    yield from (influence_line(row) for row in found.influence[-1:])


def detectable_words(cells: Sequence[Cell]) -> str:
    """The smallest detectable loss of each task over its conditions, as a range."""
    tasks: dict[str, list[float]] = {}
    for cell in cells:
        tasks.setdefault(cell.task, []).append(cell.detectable)
    return ", ".join(f"{safe(task)} {_span(min(found), max(found))}" for task, found in tasks.items())


def influence_line(row: Influence) -> str:
    """TIR of both models where both hear."""
    if row.before is None or row.after is None:
        return "TIR[adversarial]: some task has no clip that both get right without a text"
    return (
        f"TIR[adversarial] on the {row.both} clips that both get right without a text: {figure(row.before)} before, "
        f"{figure(row.after)} now (only the earlier run hears {row.only_before} more, only this one {row.only_after})"
    )


def _span(low: float, high: float) -> str:
    one, two = figure(low, 3), figure(high, 3)
    return one if one == two else f"{one}-{two}"


def _signed(value: float | None, digits: int = 2) -> str:
    return NOTHING if value is None else f"{round(value, digits) + 0.0:+.{digits}f}"
