"""The clock of a run: says how long it will take, and ends it when its time is up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from pytest_mcr.glue import options
from pytest_mcr.glue.ending import end
from pytest_mcr.run.deadline import Deadline
from pytest_mcr.run.ledger import Ledger
from pytest_mcr.run.timing import duration, remaining

EVERY: Final = 120.0
"""Seconds between two estimates."""
SOON: Final = 0.5
"""Seconds until the next try, where there was nothing to say."""
WORTH_SAYING: Final = 2.0
"""Seconds left below which nobody needs an estimate."""


class Clock:
    """Looks at the ledger after every report.

    Attributes:
        expired: why the run was ended, None as long as it was not.
    """

    def __init__(self, config: pytest.Config, ledger: Ledger, deadline: Deadline, *, quiet: bool = False) -> None:
        self._config = config
        self._ledger = ledger
        self._deadline = deadline
        self._next = 0.0
        self._quiet = quiet
        self._said = self._told = False
        self.expired: str | None = None

    @property
    def seconds(self) -> float:
        """Since the session began."""
        return self._deadline.seconds

    def tick(
        self, session: pytest.Session, total: int, *, so_far: Callable[[], str] = str, shown: bool = False
    ) -> None:
        """End the run or print an estimate, if it is time to.

        Args:
            session: that runs.
            total: selected cases.
            so_far: gives the running numbers, in words.
            shown: a table shows them already.
        """
        now = self.seconds
        over = self._deadline.passed
        if over is not None and self.expired is None:
            self.expired = over
            end(session, over)
        elif now >= self._next and not shown:
            self._next = now + (EVERY if self._estimate(total, so_far) else SOON)

    def _estimate(self, total: int, so_far: Callable[[], str]) -> bool:
        """Print how long it will take; False when there is nothing worth saying yet."""
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is None or self._quiet or options.verbosity(self._config) < 0:
            return True
        left = self._left(total)
        if left is None or left < WORTH_SAYING:
            return False
        heard = "" if self._said else f"canary {self._canary()}, "
        self._said = True
        numbers = so_far() if self._told else ""  # the first line comes too soon for numbers
        self._told = True
        terminal.ensure_newline()
        terminal.write_line(f"mcr: {heard}{self._pace(total, left)} of {total} cases{numbers and f'; {numbers}'}")
        return True

    def _left(self, total: int) -> float | None:
        """Seconds that the open cases will take, None before the model was asked."""
        workers = max(1, options.workers(self._config))
        done, asked = self._ledger.cases, self._ledger.cases - len(self._ledger.cached)
        return remaining(asked, total - done, self._ledger.asked, workers)

    def _pace(self, total: int, left: float) -> str:
        pace = (total - self._ledger.cases) / left
        return f"{pace:.3g} cases a second, about {duration(left)} left"

    def status(self, total: int) -> str:
        """Canary, rate and time left, in words."""
        left = self._left(total)
        return f"canary {self._canary()}" + (f", {self._pace(total, left)}" if left else "")

    def _canary(self) -> str:
        verdicts = {(process["canary"] or {}).get("verdict", "not run") for process in self._ledger.processes.values()}
        words = {"pass": "passed", "not_applicable": "not applicable"}
        return " and ".join(sorted(words.get(verdict, str(verdict)) for verdict in verdicts)) or "not run"
