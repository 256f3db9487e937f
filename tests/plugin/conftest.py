"""Fixtures of the plugin tests: datasets on disk, and pytest in three modes (bare, ``-n0``, ``-n2``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# pytester forgets the modules that an inner run imports first, and numpy cannot be imported twice: what a run imports
# lazily is imported here, once.
import pytest

import pytest_mcr.glue.controller
import pytest_mcr.glue.distribution
import pytest_mcr.glue.session
import pytest_mcr.report.terminal  # noqa: F401
from tests.support import folders, models

MODES = {"bare": (), "n0": ("-n0",), "n2": ("-n2",)}
EXTRA_KEYS = {"gold", "text_label", "bound", "answers", "bin", "coverage", "layer", "arm"}
"""Keys of metric rows that are a part or a variant of a number."""


@dataclass(frozen=True)
class Ran:
    """A finished pytest run: its output and what it wrote."""

    result: pytest.RunResult
    out: Path

    @property
    def code(self) -> int:
        return int(self.result.ret)

    @property
    def text(self) -> str:
        return "\n".join([*self.result.outlines, *self.result.errlines])

    @property
    def results(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.out / "results.json").read_text(encoding="utf-8"))
        return loaded

    @property
    def cases(self) -> list[dict[str, Any]]:
        text = (self.out / "cases.jsonl").read_text(encoding="utf-8")
        return [
            json.loads(line) for line in text.split("\n")[:-1]
        ]  # a text may hold U+2028, a line of its own to Python

    @property
    def gates(self) -> dict[str, str]:
        """Verdict by expression."""
        return {gate["expr"]: gate["verdict"] for gate in self.results["gates"]}

    def metric(self, name: str, condition: str | None, task: str = "*") -> Any:
        rows = [
            row
            for row in self.results["metrics"]
            if (row["metric"], row["condition"], row["task"]) == (name, condition, task) and not EXTRA_KEYS & set(row)
        ]
        assert len(rows) == 1, rows
        return rows[0]["value"]

    def refused(self, *words: str) -> None:
        """Assert that nothing was measured: exit code 4 and one line that holds all the words."""
        lines = [line for line in self.text.splitlines() if "ERROR: " in line]
        assert self.code == 4, self.text
        assert len(lines) == 1, self.text
        assert all(word in lines[0] for word in words), lines[0]
        self.clean()
        assert not self.out.exists()

    def clean(self) -> None:
        """Assert that nothing of ours escaped as a traceback."""
        assert "Traceback" not in self.text, self.text
        assert "INTERNALERROR" not in self.text, self.text


Runner = Callable[..., Ran]


@pytest.fixture(params=sorted(MODES))
def mode(request: pytest.FixtureRequest) -> Sequence[str]:
    """Arguments of one of the three modes."""
    return MODES[str(request.param)]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 samples, 96 cases: AQA and SER, twelve each, the least on which hearing is shown. Not to be written to."""
    return folders.dataset(tmp_path_factory.mktemp("mcr") / "data", 12)


@pytest.fixture(scope="session")
def data40(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 samples: AQA and SER, forty each; enough for the release profile. Not to be written to."""
    return folders.dataset(tmp_path_factory.mktemp("mcr") / "data40", 40)


@pytest.fixture
def factories(pytester: pytest.Pytester) -> Path:
    """``models.py`` in the invocation folder: the factories of `tests.support.models`."""
    return pytester.makepyfile(models=models.SOURCE)


@pytest.fixture
def mcr(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run pytest with a model in this process (xdist workers are real processes)."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("CI", raising=False)  # pytest prints other lines there
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # workers start in half the time from bytecode

    def run(model: str | None, data: Path | None, *args: object) -> Ran:
        out = pytester.path / "out"
        # The outer session collects garbage already; an inner one would do it five times a run.
        words = ["-p", "no:unraisableexception", *(str(arg) for arg in args)]
        if model is not None:
            words += ["--mcr-model", model, "--mcr-out", str(out)]
            if not any(word.startswith("--mcr-suite") for word in words):
                words += ["-o", "mcr_suite=bench"]  # the other suites have tests of their own
        if data is not None:
            words += ["--mcr-data", str(data)]
        return Ran(pytester.runpytest_inprocess(*words), out)

    return run
