"""The live table of a run on a terminal: drawn below everything else, taken away before anything else is written."""

from __future__ import annotations

from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.case import ADVERSARIAL
from pytest_mcr.report.terminal_tables import grid
from pytest_mcr.report.wording import NOTHING, figure, safe
from pytest_mcr.run.tally import Count, Tally


def live_table(tally: Tally, total: int, status: str) -> RenderableType:
    """The running numbers of each task.

    Args:
        tally: what arrived.
        total: cases of the run.
        status: rate and time left, in words.
    """
    block = grid("task", "cases", *(f"acc {condition[:3]}" for condition in tally.conditions), "text-follow", "unp/err")
    for task in tally.tasks:
        found, whole = tally.counts[task], tally.total(task)
        follow = found[ADVERSARIAL].follow if ADVERSARIAL in found else None
        cells = [_share(found.get(condition)) for condition in tally.conditions]
        block.add_row(safe(task), str(whole.seen), *cells, figure(follow), f"{whole.unparsed}/{whole.errors}")
    done = tally.total().seen
    bar = f"{done} of {total} cases, {status}" if status else f"{done} of {total} cases"
    return Group(Padding(block, (0, 0, 0, 2)), Text(f"  {bar}", no_wrap=True, overflow="ellipsis"))


def _share(count: Count | None) -> str:
    return NOTHING if count is None or count.accuracy is None else figure(count.accuracy)


class Screen:
    """A terminal whose last lines are the live table; stands in for its file, so that others' text comes above.

    Args:
        file: the terminal.
        width: its columns.
        color: whether to add ANSI colours.
    """

    def __init__(self, file: IO[str], *, width: int, color: bool) -> None:
        self.file = file
        self._console = Console(
            file=file, width=width, force_terminal=True, no_color=not color, highlight=False, markup=False, emoji=False
        )
        self._live: Live | None = None
        self._column = 0

    def show(self, table: RenderableType, column: int = 0) -> None:
        """Draw the table, or draw it anew in its place.

        Args:
            table: to draw.
            column: length of the line that others have begun and will go on with; the table stands below it.
        """
        if self._live is None:
            self._column = column
            self.file.write("\n" if column else "")
            self._live = Live(
                table, console=self._console, auto_refresh=False, transient=True, redirect_stdout=False,
                redirect_stderr=False,
            )  # fmt: skip
            self._live.start(refresh=True)
        else:
            self._live.update(table, refresh=True)

    def clear(self) -> None:
        """Take the table away; the cursor is then where others left it."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
            self.file.write(f"\x1b[1A\x1b[{self._column + 1}G" if self._column else "")
            self.file.flush()

    def write(self, text: str) -> int:
        """Write somebody else's text above the table, which is drawn again later."""
        if text and not text.startswith("\x1b]"):  # a title or progress of the window moves no cursor
            self.clear()
        return self.file.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
