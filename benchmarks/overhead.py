"""What the plugin costs beside the same number of empty parametrized tests: time, memory, controller CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from benchmarks.rows import Row, at_most
from tests.support import folders

EMPTY = """
import pytest

@pytest.mark.parametrize("case", [pytest.param(n, id=f"EMPTY-{{n:04d}}-neutral") for n in range({count})])
def test_empty(case):
    pass
"""
Figures = dict[str, float]


class Bench:
    """Folders and measured runs, each made at most once."""

    def __init__(self, root: Path, cases: int) -> None:
        self.root = root
        self.cases = cases
        self._measured: dict[tuple[str, int, str], Figures] = {}

    def measure(self, what: str, cases: int, mode: str) -> Figures:
        """Figures of one pytest run: ``what`` is mcr or empty, ``mode`` its extra arguments."""
        key = (what, cases, mode)
        if key not in self._measured:
            folder = self._folder(what, cases)
            words = ["--mcr-model", "oracle:listener", "--mcr-data", "data", "--mcr-profile", "report"]
            words = words if what == "mcr" else ["test_empty.py"]
            self._measured[key] = self._pytest(folder, [*words, *mode.split()])
        return self._measured[key]

    def _folder(self, what: str, cases: int) -> Path:
        folder = self.root / f"{what}-{cases}"
        if not folder.exists():
            folder.mkdir()
            if what == "mcr":
                folders.dataset(folder / "data", cases // 8)
            else:
                (folder / "test_empty.py").write_text(EMPTY.format(count=cases), encoding="utf-8")
        return folder

    def _pytest(self, folder: Path, words: list[str]) -> Figures:
        probe = folder / "probe.json"
        root = str(Path(__file__).parents[1])
        environment = {**os.environ, "MCR_PROBE": str(probe), "PYTHONPATH": root, "PYTEST_ADDOPTS": ""}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "benchmarks.probe", "-p", "no:cacheprovider", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        figures: Figures = json.loads(probe.read_text(encoding="utf-8"))
        return figures

    @cached_property
    def startup(self) -> tuple[float, float]:
        """CPU seconds of one empty test without and with the unused plugin: interleaved, the least of nine each."""
        folder = self._folder("empty", 1)
        seconds: dict[str, list[float]] = {"off": [], "on": []}
        for _ in range(9):
            for name, words in (("off", ["-p", "no:mcr"]), ("on", [])):
                seconds[name].append(self._pytest(folder, ["test_empty.py", *words])["cpu_s"])
        return min(seconds["off"]), min(seconds["on"])


def overhead_rows(cases: int, only: str) -> Iterator[Row]:
    """Measure and compare, one row at a time."""
    small = cases // 10
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root), cases)

        def growth(what: str, mode: str) -> float:
            return bench.measure(what, cases, mode)["peak_mb"] - bench.measure(what, small, mode)["peak_mb"]

        rows: dict[str, Callable[[str], Row]] = {
            f"CPU of pytest --collect-only, {cases} cases": lambda name: at_most(
                name, f"{cases} empty cases",
                bench.measure("mcr", cases, "--collect-only")["cpu_s"]
                / bench.measure("empty", cases, "--collect-only")["cpu_s"], 2.0,
            ),
            f"CPU of running {cases} cases of an oracle": lambda name: at_most(
                name, f"{cases} empty cases",
                bench.measure("mcr", cases, "")["loop_s"] / bench.measure("empty", cases, "")["loop_s"], 3.0,
            ),
            f"memory growth in MB, {small} to {cases} cases": lambda name: at_most(
                name, "the same growth of empty cases", growth("mcr", "") - growth("empty", ""), 60.0
            ),
            f"memory growth in MB of the -n2 controller, {small} to {cases} cases": lambda name: at_most(
                name, "the same growth of empty cases", growth("mcr", "-n2") - growth("empty", "-n2"), 60.0
            ),
            f"CPU of the -n2 controller at {cases} cases": lambda name: at_most(
                name, f"at {small} cases",
                bench.measure("mcr", cases, "-n2")["cpu_s"] / bench.measure("mcr", small, "-n2")["cpu_s"], 14.0,
            ),
            "start-up CPU in ms that the unused plugin adds": lambda name: at_most(
                name, "pytest -p no:mcr", 1000 * (bench.startup[1] - bench.startup[0]), 50.0
            ),
        }  # fmt: skip
        for name, measure in rows.items():
            if only in name:
                yield measure(name)
