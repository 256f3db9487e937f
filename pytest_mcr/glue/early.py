"""The end of a run whose gates are decided (``--mcr-early-stop``), bare and under xdist."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_mcr.glue.ending import end
from pytest_mcr.run.early_order import Key
from pytest_mcr.run.ledger import Ledger

if TYPE_CHECKING:
    from pytest_mcr.run.early_stop import EarlyStop

WORDS = {"pass": "every gate passes", "fail": "a gate failed"}


class Early:
    """Looks at the ledger after every report.

    Attributes:
        message: why the run ended, None as long as it did not.
    """

    def __init__(self, early: EarlyStop | None) -> None:
        self._early = early
        self.message: str | None = None
        self._failed: list[Key | None] = []

    @property
    def wanted(self) -> bool:
        """Whether the run may end early."""
        return self._early is not None

    def select(self, selected: Collection[Key], chunks: Sequence[Sequence[Key]]) -> None:
        """A part of the cases decides nothing."""
        if self._early is not None:
            self._early.chunks = list(chunks)
            self._early.active = {key for unit in self._early.units for key in unit.keys} == set(selected)

    def tick(self, session: pytest.Session, ledger: Ledger) -> None:
        """End the run if the gates are decided; what is still under way arrives and does not count."""
        if self._early is None or self.message is not None or ledger.stop is not None or not self._early.read(ledger):
            return
        clips = self._early.used
        self.message = f"early stopping: {WORDS[str(self._early.stopped)]}, sure after {clips} clips (--mcr-early-stop)"
        end(session, self.message)

    def note(self, failed: Key | None) -> None:
        """Remember the case of a report that failed, None for any other test."""
        self._failed.append(failed)

    def only_beyond(self) -> bool:
        """Whether all that failed are cases beyond the end, which do not count: how many there are is up to workers."""
        if self.message is None or self._early is None or not self._failed:
            return False
        counted = {sample for unit in self._early.units[: self._early.used] for sample in unit.samples}
        return all(key is not None and key[0] not in counted for key in self._failed)

    def is_end(self, error: BaseException) -> bool:
        """Whether the loop was ended by this; what workers had under way cannot change it, Ctrl-C (no words) can."""
        return self.message is not None and isinstance(error, KeyboardInterrupt) and bool(str(error))
