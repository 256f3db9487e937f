"""The flag of calibration heads."""

from __future__ import annotations

from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import folder

CALIBRATION = (
    Option(
        "--mcr-calibration",
        "FILE",
        "apply a calibration head that python -m pytest_mcr.train.calibration_head saved: calibrated confidence of "
        "each case, and calibration before and after; asks two more questions a text (default: none)",
        folder,
    ),
)
