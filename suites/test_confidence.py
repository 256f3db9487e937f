"""Confidence: does the model know when it is wrong, and does a false text take that away?

The numbers (calibration, ranking, and what a text does to both) rest on the benchmark's own cases and ask the model
nothing more; without the bench suite its cases come along. They are judged at the end of the run. The test of a task is
skipped where its answers carry no confidence, and the reason says why.
"""

import pytest

from pytest_mcr.glue.confiding import McrConfidence


def test_confidence(mcr_confidence: McrConfidence) -> None:
    """Look whether the answers of one task carry a confidence."""
    reason = mcr_confidence.missing()
    if reason is not None:
        pytest.skip(reason)
