"""The clock of a run: says how long it will take, and ends it when its time is up."""

from __future__ import annotations

import time
from typing import Final

import pytest

from pytest_mcr.glue import options
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

    def __init__(self, config: pytest.Config, ledger: Ledger, limit: float | None) -> None:
        self._config = config
        self._ledger = ledger
        self._limit = limit
        self._next = 0.0
        self._said = False
        self.started = time.perf_counter()
        self.expired: str | None = None

    @property
    def seconds(self) -> float:
        """Since the session began."""
        return time.perf_counter() - self.started

    def tick(self, session: pytest.Session, total: int) -> None:
        """End the run or print an estimate, if it is time to.

        Args:
            session: that runs.
            total: selected cases.
        """
        now = self.seconds
        if self._limit is not None and now >= self._limit and self.expired is None:
            self.expired = f"time limit of {self._limit:g} s (--mcr-time-limit)"
            self._end(session)
        elif now >= self._next:
            self._next = now + (EVERY if self._estimate(total) else SOON)

    def _end(self, session: pytest.Session) -> None:
        session.shouldstop = self.expired or False
        controller = self._config.pluginmanager.getplugin("dsession")
        if controller is not None:  # xdist's loop has a flag of its own
            controller.shouldstop = self.expired

    def _estimate(self, total: int) -> bool:
        """Print how long it will take; False when there is nothing worth saying yet."""
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is None or options.verbosity(self._config) < 0:
            return True
        workers = max(1, options.workers(self._config))
        done, asked = self._ledger.cases, self._ledger.cases - len(self._ledger.cached)
        left = remaining(asked, total - done, self._ledger.asked, workers)
        if left is None or left < WORTH_SAYING:
            return False
        heard = "" if self._said else f"canary {self._canary()}, "
        self._said = True
        pace = (total - done) / left
        terminal.ensure_newline()
        terminal.write_line(f"mcr: {heard}{pace:.3g} cases a second, about {duration(left)} left of {total} cases")
        return True

    def _canary(self) -> str:
        verdicts = {(process["canary"] or {}).get("verdict", "not run") for process in self._ledger.processes.values()}
        words = {"pass": "passed", "not_applicable": "not applicable"}
        return " and ".join(sorted(words.get(verdict, str(verdict)) for verdict in verdicts)) or "not run"
