"""The ledger: Ctrl-C may come between any two steps, and what counts as a case has its line on disk all the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pytest_mcr.core.case import NEUTRAL
from pytest_mcr.run.journal import Journal
from pytest_mcr.run.ledger import Ledger
from tests.unit.outcomes import RIGHT, planted

OURS = ("ledger.py", "journal.py")
RECORD = {"id": "VSC-0000-neutral", "seconds": 0.1, "cached": True}


@contextmanager
def ctrl_c_at_line(number: int) -> Iterator[None]:
    """Raise KeyboardInterrupt before the n-th line (from 0) that runs in the ledger or the journal."""
    seen = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.endswith(OURS):
            return None
        nonlocal seen
        seen += event == "line"
        if event == "line" and seen == number + 1:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_ctrl_c_between_any_two_steps(tmp_path: Path) -> None:
    arrived = []
    for number in range(100):
        ledger = Ledger(Journal(tmp_path / f"{number}.part"))
        try:
            with ctrl_c_at_line(number):
                ledger.take(planted(0, NEUTRAL, RIGHT), RECORD)
        except KeyboardInterrupt:
            arrived.append(len(ledger.outcomes))
            assert len(ledger.outcomes) <= len(ledger.journal)
            continue
        finally:
            ledger.journal.publish(tmp_path / "cases.jsonl", [])
        break
    else:
        pytest.fail("the trace never let a whole arrival through")
    assert len(arrived) > 5
    assert len(ledger.outcomes) == len(ledger.journal) == 1
