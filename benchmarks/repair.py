"""The mitigation suite with five rules on scores against one: whole runs of the lab model that ask the same prompts."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.pytest_runs import results_of
from benchmarks.rows import Row, at_most
from benchmarks.whole_runs import QUIET, alternate_runs, words_of
from pytest_mcr.core.repair_arms import CONTROLS, DEFAULT_ARMS
from pytest_mcr.data.shipped import fixture

ONE: Final = "contextual"
"""Combines J, T and 0, and in neutral A: all that the five take."""


class RepairArms:
    """The comparison.

    Args:
        root: where folders are made.
        limit: samples a task of the mini benchmark, None for all.
    """

    def __init__(self, root: Path, limit: int | None = None) -> None:
        self._root = root
        self._limit = limit

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        return {"repair-arms": self.arms}

    def arms(self) -> Row:
        """Five arms on J, A, T, 0 against one of them: CPU seconds, as neighbours move wall time by more than 5 %."""
        limit = [] if self._limit is None else ["--mcr-limit", str(self._limit)]
        words = ["--mcr-model", str(fixture("lab-model")), "--mcr-suite", "mitigation", "--mcr-cache", "off"]
        runs = {}
        for name, arms in (("one", (ONE,)), ("five", DEFAULT_ARMS)):
            folder = self._root / f"repair-{name}"
            folder.mkdir()
            runs[name] = (folder, [*words, *limit, *QUIET, *(f"--mcr-mitigation={arm}" for arm in arms)])
        timings = alternate_runs(runs, lambda name, folder: None, "cpu_s")
        one, five = (_gains(results_of(folder)) for folder, _ in runs.values())
        return at_most(
            "repair-arms", "one of them on the same branches",
            statistics.median(timings["five"]) / statistics.median(timings["one"]), 1.05,
            f"{len(DEFAULT_ARMS)} arms on J, A, T, 0, lab model, mini benchmark, CPU of whole processes, no cache",
            *(f"{name}: {words_of(seconds)}" for name, seconds in timings.items()),
            problem=differences(one, five),
        )  # fmt: skip


def differences(one: dict[str, Any], five: dict[str, Any]) -> str | None:
    """Why the two runs are no comparison: an arm without a number, or another number for the arm that both have."""
    silent = [arm for arm in (*CONTROLS, *DEFAULT_ARMS) if five.get(arm) is None]
    if silent:
        return f"no gain of {', '.join(silent)}"
    return None if one[ONE] == five[ONE] else f"the gain of {ONE} is {five[ONE]}, alone {one[ONE]}"


def _gains(results: dict[str, Any]) -> dict[str, Any]:
    rows = [row for row in results["metrics"] if row["metric"] == "gain" and row["task"] == "*"]
    return {row["arm"]: row["value"] for row in rows}
