"""What the awareness suite found, as it arrives at the judgement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pytest_mcr.core.metrics import Metric

PREFIX: Final = "awareness."


def awareness_rows(packed: Mapping[str, Any]) -> list[Metric]:
    """The rows ``awareness.*``.

    Args:
        packed: what the suite's tests sent, by test.
    """
    return [Metric(**row) for found in packed.values() for row in found["rows"]]


def complaints(packed: Mapping[str, Any]) -> list[str]:
    """What went wrong, for the verdict."""
    return [f"awareness suite: {problem}" for found in packed.values() for problem in found["problems"]]
