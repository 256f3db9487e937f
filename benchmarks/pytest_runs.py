"""Whole pytest processes, started, checked and measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.rows import UnmeasuredError

Figures = dict[str, float]
"""``wall_s`` of the process, and what `benchmarks.probe` writes: ``cpu_s``, ``loop_s``, ``peak_mb``."""
ROOT: Final = Path(__file__).parents[1]


def run_pytest(folder: Path, words: Sequence[str]) -> Figures:
    """Run pytest in a folder.

    Args:
        folder: where it is started.
        words: its command line.

    Raises:
        UnmeasuredError: it did not end with exit code 0.
    """
    probe = folder / "probe.json"
    environment = {**os.environ, "MCR_PROBE": str(probe), "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "benchmarks.probe", "-p", "no:cacheprovider", *words]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        said = " | ".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise UnmeasuredError(f"pytest {' '.join(words)} ended with {done.returncode}: {said}")
    figures: Figures = json.loads(probe.read_text(encoding="utf-8"))
    return {**figures, "wall_s": seconds}


def results_of(folder: Path) -> dict[str, Any]:
    """``results.json`` of the latest run in a folder.

    Raises:
        UnmeasuredError: there is none.
    """
    path = folder / ".mcr" / "latest" / "results.json"
    if not path.is_file():
        raise UnmeasuredError(f"no results at {path}")
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results
