"""The benchmark: every clip with its neutral, faithful, adversarial and irrelevant text is one test.

A wrong answer is data: the test passes and its letter shows the verdict (a audio, t text, o other, c conflict flagged,
u unparsed). A test fails only when no answer could be obtained. The gates judge the numbers at the end of the run.
"""

import pytest

from pytest_mcr.glue.collect import McrCase


def test_mcr_bench(mcr_case: McrCase) -> None:
    """Ask the model about one clip under one condition."""
    observation = mcr_case.observe()
    if observation.error is not None:
        pytest.fail(observation.error, pytrace=False)
