"""What a run leaves for judgement. Apart from the judge, whose statistics take time to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mcr.run.ledger import Ledger

if TYPE_CHECKING:
    from pytest_mcr.run.early_stop import EarlyStop

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run leaves for judgement.

    Attributes:
        ledger: what arrived.
        selected: (sample, condition) of the cases that pytest selected.
        interrupted: why the run ended early, None when it ran to the end.
        workers: xdist workers, 0 without.
        seconds: wall time since the session began.
        limited: the run was ended by its time limit.
        early: the evidence of a run that may end early, None for any other run.
    """

    ledger: Ledger
    selected: Sequence[Key]
    interrupted: str | None
    workers: int
    seconds: float
    limited: bool = False
    early: EarlyStop | None = None
