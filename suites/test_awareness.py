"""Awareness: do the model's hidden states know that the text contradicts the clip, whatever it answers?

Opt-in (``--mcr-suite awareness`` or this path); needs a model in this process and ``pytest-mcr[analysis]``. Texts are
exchanged between clips first, so that no text alone gives a clip away. Numbers are judged at the end of the run.
"""

import pytest

from pytest_mcr.glue.awareness import McrAwareness


def test_awareness(mcr_awareness: McrAwareness) -> None:
    """Read the states of the crossed design and probe them."""
    found = mcr_awareness.measure()
    if found.problems:
        pytest.fail("; ".join(found.problems), pytrace=False)
    if found.skipped is not None:
        pytest.skip(found.skipped)
