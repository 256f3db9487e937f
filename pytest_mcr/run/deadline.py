"""The end that ``--mcr-time-limit`` sets: looked at between tests, and inside of a test that is long."""

from __future__ import annotations

import time

from pytest_mcr.errors import TimeUpError


class Deadline:
    """Counts from its making; a worker's begins after its controller's, so that it never ends a test too soon.

    Args:
        limit: seconds, None for no limit.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self.start()

    def start(self) -> None:
        """Count from now."""
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._started

    @property
    def passed(self) -> str | None:
        """Why the run is over, None as long as it is not."""
        if self._limit is None or self.seconds < self._limit:
            return None
        return f"time limit of {self._limit:g} s (--mcr-time-limit)"

    def check(self) -> None:
        """Do nothing while there is time.

        Raises:
            TimeUpError: the time is up.
        """
        reason = self.passed
        if reason is not None:
            raise TimeUpError(reason)
