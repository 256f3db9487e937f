"""Peak memory, each figure from a process of its own: the engine beside plain batches, and over a long run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.pytest_runs import ROOT
from benchmarks.rows import Row, UnmeasuredError, at_most

CLIPS: Final = (1, 8)
"""Clips of a call: the smallest, and a run's chunk."""
GROWTH_MB: Final = 30.0


class Memory:
    """Figures of child processes.

    Args:
        root: where the checkpoints are made.
        cases: of the long run.
    """

    def __init__(self, root: Path, cases: int) -> None:
        self._root = root
        self._cases = cases
        self._small = cases // 12

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        return {"memory-batched": self.batched, "memory-flat": self.flat}

    def batched(self) -> Row:
        """The same prompts on the long model: the engine with text and scores, and one left-padded batch of text."""
        from benchmarks.random_model import LONG, build_folder

        folder = build_folder(LONG, self._root / "memory-long")
        pairs = [(kind, clips) for clips in CLIPS for kind in ("plain", "engine")]
        peaks = {(kind, clips): self._child(kind, folder, clips)["peak_mb"] for kind, clips in pairs}
        ratios = {clips: peaks["engine", clips] / peaks["plain", clips] for clips in CLIPS}
        lines = [
            f"{clips} clips of 30 s x 4 conditions: engine {peaks['engine', clips]:.0f} MB, "
            f"plain left-padded batch {peaks['plain', clips]:.0f} MB, {ratio:.2f}"
            for clips, ratio in ratios.items()
        ]
        return at_most(
            "memory-batched", "a plain left-padded batch of the same prompts", max(ratios.values()), 1.2,
            *lines, "above the imported libraries, the model included; the worse of the two counts",
        )  # fmt: skip

    def flat(self) -> Row:
        """What the engine's peak grows by, in MB, when its run goes on."""
        from benchmarks.random_model import BRIEF, build_folder

        folder = build_folder(BRIEF, self._root / "memory-brief")
        found = self._child("long-run", folder, self._cases)
        return at_most(
            "memory-flat", f"the engine's own peak at {self._small} cases", found["peak_mb"] - found["early_mb"],
            GROWTH_MB,
            f"MB more at {self._cases} cases of a tiny Qwen2-Audio, text and scores: {found['early_mb']:.0f} MB, then "
            f"{found['peak_mb']:.0f} MB above the loaded model",
        )  # fmt: skip

    def _child(self, kind: str, folder: Path, count: int) -> dict[str, float]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "benchmarks.memory_child", kind, str(folder), str(count)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnmeasuredError(f"{kind} process ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures
