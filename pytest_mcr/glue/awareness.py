"""The test of the awareness suite: its object, its parametrization, and what its path stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mcr.glue.collect import OFF, RUN, SUITE_FILES
from pytest_mcr.glue.probing import Probe, one_each

if TYPE_CHECKING:
    from pytest_mcr.run.awareness import Found
    from pytest_mcr.run.settings import Settings

SUITE = "awareness"


class McrAwareness(Probe):
    """What a local model's hidden states know about conflicts."""

    def measure(self) -> Found:
        """Ask, read the states, and probe them."""
        from pytest_mcr.errors import OptionError

        suite = self._run.awareness
        try:
            found = suite.measured()
        except OptionError as error:  # a layer that the model does not have is known once it is loaded
            found = suite.refused(str(error))
        self.payload = {SUITE: found.to_json()}
        return found


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give the test its object, or skip it with the reason."""
    if "mcr_awareness" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash.get(RUN, None)
    one_each(metafunc, "mcr_awareness", OFF if run is None else run.awareness.absent() or [McrAwareness("states", run)])


@pytest.fixture
def mcr_awareness() -> McrAwareness:
    """The awareness suite; ``mcr_awareness.measure()`` probes the hidden states of a local model."""
    raise pytest.UsageError("mcr_awareness is parametrized: ask for it as an argument of a test function")


def by_path(settings: Settings, args: Sequence[str]) -> Settings:
    """The suite is opt-in by its path, too: alone there, it is the only one.

    Args:
        settings: as given.
        args: paths and node ids of the command line.
    """
    names = [Path(arg.partition("::")[0]).name for arg in args]
    file = SUITE_FILES[SUITE]
    if file not in names or SUITE in settings.suites:
        return settings
    return replace(settings, suites=(SUITE,) if set(names) == {file} else (*settings.suites, SUITE))
