"""What the plugin costs beside the same number of empty parametrized tests: time, memory, controller CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks.pytest_runs import Figures, run_pytest
from benchmarks.rows import Row, at_most
from tests.support import folders

EMPTY: Final = """
import pytest

@pytest.mark.parametrize("case", [pytest.param(n, id=f"EMPTY-{{n:04d}}-neutral") for n in range({count})])
def test_empty(case):
    pass
"""
GROWTH_MB: Final = 60.0
CPU_GROWTH: Final = 1.4
"""Most CPU a case of the controller at the large run, as a multiple of that at the small one."""


class Overhead:
    """Folders and measured runs, each made at most once.

    Args:
        root: where the folders are made.
        cases: of the large run; the small one has a twelfth.
    """

    def __init__(self, root: Path, cases: int) -> None:
        self.root = root
        self.cases = cases
        self.small = max(8, cases // 12 // 8 * 8)
        self._measured: dict[tuple[str, int, str], Figures] = {}

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        cases, small = self.cases, self.small
        span = f"{small} to {cases} cases"
        collect = f"CPU of pytest --collect-only, {cases} cases"
        run = f"CPU of running {cases} cases of an oracle"
        grow, grow_workers = f"memory growth in MB, {span}", f"memory growth in MB of the -n2 controller, {span}"
        controller, startup = (
            f"CPU of the -n2 controller at {cases} cases",
            "start-up CPU in ms that the unused plugin adds",
        )
        return {
            collect: lambda: at_most(
                collect, f"{cases} empty cases", self._beside_empty("--collect-only", "cpu_s"), 2.0
            ),
            run: lambda: at_most(run, f"{cases} empty cases", self._beside_empty("", "loop_s"), 3.0),
            grow: lambda: at_most(grow, "the same growth of empty cases", self._growth(""), GROWTH_MB),
            grow_workers: lambda: at_most(
                grow_workers, "the same growth of empty cases", self._growth("-n2"), GROWTH_MB
            ),
            controller: lambda: at_most(
                controller, f"at {small} cases", self._controller_cpu(), CPU_GROWTH * cases / small
            ),
            startup: lambda: at_most(startup, "pytest -p no:mcr", 1000 * (self.startup[1] - self.startup[0]), 50.0),
        }

    def measure(self, what: str, cases: int, mode: str) -> Figures:
        """Figures of one pytest run: ``what`` is mcr or empty, ``mode`` its extra arguments."""
        key = (what, cases, mode)
        if key not in self._measured:
            folder = self._folder(what, cases)
            words = ["--mcr-model", "oracle:listener", "--mcr-data", "data", "--mcr-profile", "report"]
            words = words if what == "mcr" else ["test_empty.py"]
            self._measured[key] = run_pytest(folder, [*words, *mode.split()])
        return self._measured[key]

    @cached_property
    def startup(self) -> tuple[float, float]:
        """CPU seconds of one empty test without and with the unused plugin: interleaved, the least of nine each."""
        folder = self._folder("empty", 1)
        seconds: dict[str, list[float]] = {"off": [], "on": []}
        for _ in range(9):
            for name, words in (("off", ["-p", "no:mcr"]), ("on", [])):
                seconds[name].append(run_pytest(folder, ["test_empty.py", *words])["cpu_s"])
        return min(seconds["off"]), min(seconds["on"])

    def _beside_empty(self, mode: str, figure: str) -> float:
        return self.measure("mcr", self.cases, mode)[figure] / self.measure("empty", self.cases, mode)[figure]

    def _growth(self, mode: str) -> float:
        """MB that the peak memory grows by from the small to the large run, less the same of empty tests."""
        peaks = {
            (what, cases): self.measure(what, cases, mode)["peak_mb"]
            for what in ("mcr", "empty")
            for cases in (self.cases, self.small)
        }
        ours = peaks["mcr", self.cases] - peaks["mcr", self.small]
        return ours - (peaks["empty", self.cases] - peaks["empty", self.small])

    def _controller_cpu(self) -> float:
        return self.measure("mcr", self.cases, "-n2")["cpu_s"] / self.measure("mcr", self.small, "-n2")["cpu_s"]

    def _folder(self, what: str, cases: int) -> Path:
        folder = self.root / f"{what}-{cases}"
        if not folder.exists():
            folder.mkdir()
            if what == "mcr":
                folders.dataset(folder / "data", cases // 8)
            else:
                (folder / "test_empty.py").write_text(EMPTY.format(count=cases), encoding="utf-8")
        return folder
