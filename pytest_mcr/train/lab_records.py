"""What was measured once on the shipped lab model and its controls, by means that a training run does not have."""

from __future__ import annotations

from typing import Final

RECORDS: Final = ""
