"""Fixtures of the plugin tests: datasets on disk, and pytest in three modes (bare, ``-n0``, ``-n2``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# pytester forgets the modules that an inner run imports first, and numpy cannot be imported twice: everything that a
# run imports lazily is imported here, once.
import pytest_mcr.glue.controller
import pytest_mcr.glue.distribution
import pytest_mcr.glue.session
import pytest_mcr.report.terminal  # noqa: F401
from tests.support import folders

MODES = {"bare": (), "n0": ("-n0",), "n2": ("-n2",)}


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
        return [json.loads(line) for line in (self.out / "cases.jsonl").read_text(encoding="utf-8").splitlines()]

    def metric(self, name: str, condition: str | None, task: str = "*") -> Any:
        rows = [
            row
            for row in self.results["metrics"]
            if (row["metric"], row["condition"], row["task"]) == (name, condition, task)
            and not {"gold", "text_label", "bound", "answers"} & set(row)
        ]
        assert len(rows) == 1, rows
        return rows[0]["value"]


Runner = Callable[..., Ran]


@pytest.fixture(params=sorted(MODES))
def mode(request: pytest.FixtureRequest) -> Sequence[str]:
    """Arguments of one of the three modes."""
    return MODES[str(request.param)]


@pytest.fixture
def data(pytester: pytest.Pytester) -> Path:
    """16 samples: AQA and SER, eight each."""
    return folders.dataset(pytester.path / "data")


@pytest.fixture
def data40(pytester: pytest.Pytester) -> Path:
    """80 samples: AQA and SER, forty each; enough for the release profile."""
    return folders.dataset(pytester.path / "data40", 40)


@pytest.fixture
def mcr(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run pytest with a model in this process (xdist workers are real processes)."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(model: str, data: Path | None, *args: object) -> Ran:
        out = pytester.path / "out"
        words = ["--mcr-model", model, "--mcr-out", str(out), *(str(arg) for arg in args)]
        if data is not None:
            words += ["--mcr-data", str(data)]
        return Ran(pytester.runpytest_inprocess(*words), out)

    return run
