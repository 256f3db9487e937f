"""Mitigation: what repairs a model that follows the text, and what each repair costs.

`test_repair` asks about each clip what the arms need: beside the case itself the audio alone, the text over silence and
silence, and the prompts of prompt arms. The arms are arithmetic on these answers, compared and judged at the end of the
run (--mcr-mitigation ARM, --mcr-tune).
"""

import pytest

from pytest_mcr.glue.mitigating import McrRepair


def test_repair(mcr_repair: McrRepair) -> None:
    """Ask the model about one clip."""
    found = mcr_repair.ask()
    if found.failures:
        pytest.fail(f"{len(found.failures)} of {found.asked} prompts: {found.failures[0]}", pytrace=False)
