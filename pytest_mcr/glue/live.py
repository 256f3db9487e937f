"""What is shown while a run goes on: a table on a terminal, in place of the letters; nothing new anywhere else."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_mcr.glue import options
from pytest_mcr.run.tally import Tally

if TYPE_CHECKING:
    from pytest_mcr.report.terminal_live import Screen

EVERY: Final = 0.2
"""Seconds between two drawings."""
NARROWEST: Final = 60
"""Columns below which letters are easier to read than a table."""


class Live:
    """Draws the running numbers after a report; drawn from no thread, since pytest captures output meanwhile.

    Args:
        config: of the session.
        quiet: ``--mcr-quiet``.

    Attributes:
        tally: the running numbers.
    """

    def __init__(self, config: pytest.Config, *, quiet: bool) -> None:
        self._config = config
        self._quiet = quiet
        self._screen: Screen | None = None
        self._next = 0.0
        self.tally = Tally()

    @property
    def drawn(self) -> bool:
        """Whether the table stands in for letters."""
        return self._screen is not None

    def start(self) -> None:
        """Take the terminal over, where there is one that is not wanted for anything else."""
        writer = self._config.get_terminal_writer() if self._wanted() else None
        if writer is None or writer.fullwidth < NARROWEST:
            return
        from pytest_mcr.report.terminal_live import Screen  # rich is imported only to print

        self._screen = Screen(writer._file, width=writer.fullwidth, color=writer.hasmarkup)
        writer._file = self._screen  # pytest has no other way to let others write above a table

    def _wanted(self) -> bool:
        terminal: Any = self._config.pluginmanager.getplugin("terminalreporter")
        plain = options.verbosity(self._config) == 0 and options.captures(self._config)
        dumb = os.environ.get("TERM", "dumb") == "dumb" or bool(os.environ.get("CI"))
        return not self._quiet and plain and not dumb and terminal is not None and bool(terminal.isatty())

    def tick(self, total: int, status: str) -> None:
        """Draw the table, if it is time to.

        Args:
            total: selected cases.
            status: rate and time left, in words.
        """
        now = time.monotonic()
        if self._screen is None or now < self._next or not self.tally.counts:
            return
        from pytest_mcr.report.terminal_live import live_table

        self._next = now + EVERY
        column = self._config.get_terminal_writer().width_of_current_line
        self._screen.show(live_table(self.tally, total, status), column)

    def stop(self) -> None:
        """Give the terminal back."""
        if self._screen is not None:
            self._screen.clear()
            self._config.get_terminal_writer()._file = self._screen.file
            self._screen = None
