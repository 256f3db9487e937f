"""The test of the mitigation suite: its object and its parametrization. Always loaded, so light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mcr.glue.collect import OFF, RUN
from pytest_mcr.glue.probing import Probe, one_each

if TYPE_CHECKING:
    from pytest_mcr.core.repair_cases import RepairCase


class McrRepair(Probe):
    """One clip under everything that a repair arm needs."""

    def ask(self) -> RepairCase:
        """Ask the model: the clip's branches under each condition, and the prompt arms' prompts."""
        found = self._run.mitigation.asked(self.id)
        self.payload = {"mitigation": found.to_json()}
        return found


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give the test one parameter a clip, or one that skips with the reason."""
    if "mcr_repair" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash.get(RUN, None)
    if run is None:
        one_each(metafunc, "mcr_repair", OFF)
    else:
        suite = run.mitigation
        one_each(metafunc, "mcr_repair", suite.absent() or [McrRepair(name, run) for name in suite.ids()])


@pytest.fixture
def mcr_repair() -> McrRepair:
    """One clip of the mitigation suite; ``mcr_repair.ask()`` asks the model what its repair arms need."""
    raise pytest.UsageError("mcr_repair is parametrized: ask for it as an argument of a test function")
