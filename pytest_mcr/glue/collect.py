"""Parametrization: one test a case, and the two fixtures `mcr_case` and `mcr_model`. Always loaded, so light."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mcr.data.shipped import suite

if TYPE_CHECKING:
    from pytest_mcr.core.case import Case, Observation
    from pytest_mcr.models.protocol import Model, Response
    from pytest_mcr.run.run import Result, Run

RUN: pytest.StashKey[Run] = pytest.StashKey()
OFF = "needs a model: pass --mcr-model SPEC, e.g. --mcr-model lab"

SUITE_FILES = {
    "bench": "test_mcr_bench.py",
    "confidence": "test_confidence.py",
    "dominance": "test_text_dominance.py",
    "awareness": "test_awareness.py",
    "mitigation": "test_mitigation.py",
}
"""Built-in suites: name and file."""
SHELF = "mcr"
"""Folder under which pytest names the built-in suites, wherever this package is installed."""


class McrCase:
    """One case of the benchmark inside a test.

    Attributes:
        case: sample and condition; `case.sample` has question, gold, texts and candidates.
        result: what the case gave, once observed; taken off by the report.
    """

    __slots__ = ("_run", "case", "result")

    def __init__(self, case: Case, run: Run) -> None:
        self.case = case
        self._run = run
        self.result: Result | None = None

    @property
    def id(self) -> str:
        """The case id, e.g. ``SER-0042-adversarial``."""
        return self.case.id

    def observe(self) -> Observation:
        """Ask the model and return what it gave; the first case of a chunk computes the whole chunk.

        A wrong answer is data, so look at ``observation.verdict``; ``observation.error`` says why there is no answer.
        """
        self.result = self._run.result(self.case.sample.id, self.case.condition)
        return self.result.observation

    def ask(self, branch: str, silence: str = "silence") -> Response:
        """Ask the case in another branch and return the model's response; through the cache, as every question.

        Args:
            branch: J (clip and text, as `observe` asks), A (the clip alone), T (the text over silence), 0 (silence).
            silence: what T and 0 are given: ``silence`` of the clip's length, or ``none`` for no audio at all.

        Raises:
            OptionError: no such branch or silence.
        """
        return self._run.ask(self.case.sample.id, self.case.condition, branch, silence)

    def __repr__(self) -> str:
        return f"<McrCase {self.id}>"


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `mcr_case` one parameter a case, or one that skips when the plugin is off."""
    if "mcr_case" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash.get(RUN, None)
    if run is None:
        off = pytest.param(None, id="no-model", marks=pytest.mark.skip(reason=OFF))
        metafunc.parametrize("mcr_case", [off])
        return
    cases = [pytest.param(McrCase(case, run), id=case.id) for case in run.cases]
    metafunc.parametrize("mcr_case", cases)


def suite_files(suites: Sequence[str]) -> list[str]:
    """Files of the suites asked for; confidence is measured on the benchmark's cases and brings them along."""
    names = ("bench", *suites) if "confidence" in suites and "bench" not in suites else suites
    return [SUITE_FILES[name] for name in names]


def suite_id(name: str) -> str:
    """Node id of a built-in suite; pytest itself would name a file outside of its root by nothing at all."""
    return f"{SHELF}/{SUITE_FILES[name]}"


def suite_module(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """The module of a built-in suite under its own node id; None for every other file."""
    if RUN not in parent.config.stash:
        return None
    for name, file in SUITE_FILES.items():
        if module_path.name == file and module_path == suite(file):
            module: pytest.Module = pytest.Module.from_parent(parent, path=module_path, nodeid=suite_id(name))
            return module
    return None


def real_path(arg: str, invocation_dir: Path) -> str:
    """A command line argument in which the node id of a built-in suite stands for its file."""
    name, colons, rest = arg.partition("::")
    shelf, _, file = name.partition("/")
    if shelf != SHELF or file not in SUITE_FILES.values() or (invocation_dir / name).exists():
        return arg
    return f"{suite(file)}{colons}{rest}"


@pytest.fixture
def mcr_case() -> McrCase:
    """One case of the audio-text conflict benchmark (sample x condition); ``mcr_case.observe()`` asks the model."""
    raise pytest.UsageError("mcr_case is parametrized: ask for it as an argument of a test function, not of a fixture")


@pytest.fixture(scope="session")
def mcr_model(request: pytest.FixtureRequest) -> Model:
    """The model under test (`pytest_mcr.Model`), loaded once a process and proven to hear."""
    run = request.config.stash.get(RUN, None)
    if run is None:
        pytest.skip(OFF)
    return run.model
