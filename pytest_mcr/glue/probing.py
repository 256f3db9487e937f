"""The dominance suite's tests: what each is parametrized with, and the three objects that they ask. Always loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_mcr.glue.collect import OFF, RUN

if TYPE_CHECKING:
    from pytest_mcr.core.dominance_trials import Probed
    from pytest_mcr.run.dominance import Dominance
    from pytest_mcr.run.run import Run


class Probe:
    """What one test of the suite asks; its payload travels on the test's report.

    Attributes:
        id: of the clip, or of the task.
        payload: kind and what was found, once asked; taken off by the report.
    """

    __slots__ = ("_run", "id", "payload")

    def __init__(self, name: str, run: Run) -> None:
        self.id = name
        self._run = run
        self.payload: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class McrVaried(Probe):
    """One clip under the texts of the declared design."""

    def observe(self) -> Probed:
        """Ask the model about the clip: its branches, its texts, and the varied ones."""
        probed = self._run.dominance.varied(self.id)
        self.payload = {"varied": probed.to_json()}
        return probed


class McrHunted(Probe):
    """One clip that is searched for the mildest text that turns the model's answer."""

    def hunt(self) -> str | None:
        """Search, and record what was found.

        Returns:
            Why the test fails, None where it does not: a finding under ``--mcr-fail-on-finding``, or a model that does
            not answer the same question alike.
        """
        hunted = self._run.dominance.hunted(self.id)
        self.payload = {"hunted": hunted.to_json()}
        return self._run.dominance.complaint(hunted)


class McrLayers(Probe):
    """The layers of a local model, on the suite's clips of one task."""

    def measure(self) -> None:
        """Measure, and record the rows."""
        self.payload = {"layers": {"id": self.id, "rows": self._run.dominance.layered(self.id)}}


KINDS: Final[dict[str, Callable[[Dominance], tuple[type[Probe], list[str], str | None]]]] = {
    "mcr_varied": lambda suite: (McrVaried, suite.varied_ids(), suite.absent()),
    "mcr_hunted": lambda suite: (McrHunted, suite.hunted_ids(), suite.absent()),
    "mcr_layers": lambda suite: (McrLayers, suite.layered_ids(), suite.absent() or suite.no_layers()),
}
"""By fixture: the object, the ids that it is made with, and why there is none."""


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a test of the suite one parameter a clip (or task), or one that skips with the reason."""
    for name, kind in KINDS.items():
        if name not in metafunc.fixturenames:
            continue
        run = metafunc.config.stash.get(RUN, None)
        if run is None:
            metafunc.parametrize(name, [pytest.param(None, id="no-model", marks=pytest.mark.skip(reason=OFF))])
            continue
        make, ids, absent = kind(run.dominance)
        one_each(metafunc, name, absent or [make(each, run) for each in ids])


def one_each(metafunc: pytest.Metafunc, fixture: str, probes: Sequence[Probe] | str) -> None:
    """Give a test one parameter a probe, or one that skips.

    Args:
        metafunc: the test function.
        fixture: the parameter's name.
        probes: what the test is run with, or why there is nothing.
    """
    if isinstance(probes, str):
        metafunc.parametrize(fixture, [pytest.param(None, id="none", marks=pytest.mark.skip(reason=probes))])
    else:
        metafunc.parametrize(fixture, [pytest.param(probe, id=probe.id) for probe in probes])


@pytest.fixture
def mcr_varied() -> McrVaried:
    """One clip of the dominance suite; ``mcr_varied.observe()`` asks about it under the texts of the design."""
    raise pytest.UsageError("mcr_varied is parametrized: ask for it as an argument of a test function")


@pytest.fixture
def mcr_hunted() -> McrHunted:
    """One clip of the dominance suite; ``mcr_hunted.hunt()`` searches for a text that turns the model's answer."""
    raise pytest.UsageError("mcr_hunted is parametrized: ask for it as an argument of a test function")


@pytest.fixture
def mcr_layers() -> McrLayers:
    """A task of the dominance suite; ``mcr_layers.measure()`` looks into the layers of a local model."""
    raise pytest.UsageError("mcr_layers is parametrized: ask for it as an argument of a test function")
