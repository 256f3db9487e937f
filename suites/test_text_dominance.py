"""Text dominance: the same clip under texts that vary, and how far the text decides.

`test_rate` asks about each clip under a declared design of edits; the rates are judged at the end of the run.
`test_hunt` searches with Hypothesis, clip by clip, for the mildest text that turns an answer which the model gets
right from the audio alone; what it finds is a result and no failure, unless --mcr-fail-on-finding is given.
`test_layers` looks where in a local model's layers the text wins (--mcr-layers).
"""

import pytest

from pytest_mcr.glue.probing import McrHunted, McrLayers, McrVaried


def test_rate(mcr_varied: McrVaried) -> None:
    """Ask the model about one clip under varied texts."""
    probed = mcr_varied.observe()
    if probed.errors:
        pytest.fail(f"{len(probed.errors)} of {len(probed.trials)} prompts: {probed.errors[0]}", pytrace=False)


def test_hunt(mcr_hunted: McrHunted) -> None:
    """Search for the mildest text that turns the model's answer about one clip."""
    problem = mcr_hunted.hunt()
    if problem is not None:
        pytest.fail(problem, pytrace=False)


def test_layers(mcr_layers: McrLayers) -> None:
    """Look into the layers of the model."""
    mcr_layers.measure()
