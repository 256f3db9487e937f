"""How much accuracy a model may lose against a baseline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MACRO_MARGIN: Final = 0.02
TASK_MARGIN: Final = 0.05
EXPECTED: Final = "a number between 0 and 1, or macro=X,task=Y"
_NUMBER: Final = re.compile(r"\d*\.?\d+([eE]-?\d+)?")


@dataclass(frozen=True, slots=True)
class Margins:
    """How much accuracy may be lost.

    Attributes:
        macro: in the mean over the tasks.
        task: in one task.
    """

    macro: float = MACRO_MARGIN
    task: float = TASK_MARGIN


def parse_margins(text: str) -> Margins:
    """Read one number in (0, 1) for both, or ``macro=X,task=Y``, either alone or both.

    Raises:
        ValueError: says what is expected.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        number = float(value) if _NUMBER.fullmatch(value.strip()) else 0.0
        if name.strip() in found or not 0 < number < 1:
            raise ValueError(EXPECTED)
        found[name.strip()] = number
    if set(found) == {""}:
        return Margins(found[""], found[""])
    if not set(found) <= {"macro", "task"}:
        raise ValueError(EXPECTED)
    return Margins(**found)
