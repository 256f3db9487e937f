"""The confidence suite's tests: one a task, on the benchmark's own cases. Always loaded, so light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mcr.glue.collect import OFF, RUN

if TYPE_CHECKING:
    from pytest_mcr.run.run import Run


class McrConfidence:
    """A task of the confidence suite.

    Attributes:
        task: its name.
    """

    __slots__ = ("_run", "task")

    def __init__(self, task: str, run: Run) -> None:
        self.task = task
        self._run = run

    def missing(self) -> str | None:
        """Why the answers of this task carry no confidence, None where they do.

        What this process has seen of the task decides; one that has seen nothing asks one case.
        """
        return self._run.unscored(self.task)

    def __repr__(self) -> str:
        return f"<McrConfidence {self.task}>"


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `mcr_confidence` one parameter a task, or one that skips when the plugin is off."""
    if "mcr_confidence" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash.get(RUN, None)
    if run is None:
        off = pytest.param(None, id="no-model", marks=pytest.mark.skip(reason=OFF))
        metafunc.parametrize("mcr_confidence", [off])
        return
    tasks = list(dict.fromkeys(case.sample.task for case in run.cases))
    metafunc.parametrize("mcr_confidence", [pytest.param(McrConfidence(task, run), id=task) for task in tasks])


@pytest.fixture
def mcr_confidence() -> McrConfidence:
    """A task of the benchmark; ``mcr_confidence.missing()`` says why its answers carry no confidence."""
    raise pytest.UsageError("mcr_confidence is parametrized: ask for it as an argument of a test function")
