"""Whole pytest processes against each other: a run from the cache, and a run on two workers."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from benchmarks.agreement import MOST_DIFFERENT
from benchmarks.alternating import ROUNDS, SLOW, SLOW_ROUNDS
from benchmarks.pytest_runs import results_of, run_pytest
from benchmarks.rows import Row, UnmeasuredError, at_least, at_most
from pytest_mcr.data.shipped import fixture
from tests.support import folders

RATE: Final = 16_000
SECONDS: Final = 3.0
MODULE: Final = "steady_model"
SOURCE: Final = '''
import hashlib

from pytest_mcr import Response


class Steady:
    """Answers by a hash of what it is given, so that its answers may be cached."""

    name = "steady"

    def __init__(self, options):
        pass

    def fingerprint(self):
        return "steady/1"

    def respond(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        heard = request.audio.digest if request.audio else ""
        draws = [hashlib.sha256((heard + request.prompt + label).encode()).digest()[0] for label in request.candidates]
        if not draws:
            return Response(heard[:8])
        scores = {label: -draw / 16 for label, draw in zip(request.candidates, draws)}
        return Response(max(scores, key=scores.get), scores)
'''
QUIET: Final = ("--mcr-profile", "report")


class WholeRuns:
    """The comparisons of whole processes.

    Args:
        root: where folders are made.
        cases: of the cached run, a multiple of 8.
        limit: samples a task of the mini benchmark, None for all.
    """

    def __init__(self, root: Path, cases: int, limit: int | None = None) -> None:
        self._root = root
        self._cases = cases
        self._limit = limit

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        return {"cached": self.cached, "workers": self.workers}

    def cached(self) -> Row:
        """A second run, all from the cache, against an oracle that reads the same clips."""
        folder = self._root / "cached"
        folder.mkdir()
        write_clips(folder / "data", self._cases // 8)
        (folder / f"{MODULE}.py").write_text(SOURCE, encoding="utf-8")
        steady = ["--mcr-model", f"{MODULE}:Steady", "--mcr-data", "data", "--mcr-cache", "cache", *QUIET]
        oracle = ["--mcr-model", "oracle:listener", "--mcr-data", "data", "--mcr-cache", "off", *QUIET]
        first = run_pytest(folder, steady)["wall_s"]
        fresh = results_of(folder)["counts"]["cached"]
        timings = alternate_runs({"second": (folder, steady), "oracle": (folder, oracle)}, all_cached(self._cases))
        problem = f"{fresh} cases of the first run came from the cache" if fresh else None
        second, reads = timings["second"], timings["oracle"]
        return at_most(
            "cached", "the same data with an oracle that reads the audio",
            statistics.median(second) / statistics.median(reads), 1.5,
            f"{self._cases} cases, clips of {SECONDS:g} s, whole pytest processes; all cached in every second run",
            f"first run {first:.3g} s, second {words_of(second)}, oracle {words_of(reads)}",
            problem=problem,
        )  # fmt: skip

    def workers(self) -> Row:
        """Two workers with one thread each against one process with two, lab model, no cache."""
        limit = [] if self._limit is None else ["--mcr-limit", str(self._limit)]
        words = ["--mcr-model", str(fixture("lab-model")), "--mcr-cache", "off", *limit, *QUIET]
        runs = {}
        for name in ("-n0", "-n2"):
            folder = self._root / f"workers{name}"
            folder.mkdir()
            runs[name] = (folder, [*words, name])
        timings = alternate_runs(runs, lambda name, folder: None)
        answers = {name: answers_of(folder) for name, (folder, _) in runs.items()}
        different = sum(answers["-n0"][case] != answers["-n2"].get(case) for case in answers["-n0"])
        wrong = different > MOST_DIFFERENT * len(answers["-n0"])
        one, two = timings["-n0"], timings["-n2"]
        return at_least(
            "workers", "one process with the same number of threads",
            statistics.median(one) / statistics.median(two), 0.9,
            f"{len(answers['-n0'])} cases of the mini benchmark, lab model, whole pytest processes",
            f"-n0 {words_of(one)}, -n2 {words_of(two)}",
            problem=f"{different} answers differ" if wrong else None,
        )  # fmt: skip


def all_cached(cases: int) -> Callable[[str, Path], None]:
    """A check of a run named ``second``: every case of it came from the cache."""

    def check(name: str, folder: Path) -> None:
        if name == "second" and (found := results_of(folder)["counts"]["cached"]) != cases:
            raise UnmeasuredError(f"{found} of {cases} cases of the second run came from the cache")

    return check


def write_clips(root: Path, per_task: int) -> Path:
    """A dataset of two tasks with a clip of seeded noise for each sample."""
    made = folders.records(per_task)
    for task, rows in made.items():
        audio = root / task / "audio"
        audio.mkdir(parents=True)
        draws = np.random.default_rng(len(rows) + sum(task.encode()))
        for row in rows:
            noise = draws.integers(-8000, 8000, round(SECONDS * RATE), dtype=np.int16)
            soundfile.write(audio / row["audio"], noise, RATE, subtype="PCM_16")
        (root / task / f"{task}.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


def answers_of(folder: Path) -> dict[str, Any]:
    """The raw answers of the latest run by case id."""
    path = folder / ".mcr" / "latest" / "cases.jsonl"
    if not path.is_file():
        raise UnmeasuredError(f"no cases at {path}")
    cases = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {case["id"]: case["raw"] for case in cases}


Runs = Mapping[str, tuple[Path, Sequence[str]]]


def alternate_runs(runs: Runs, check: Callable[[str, Path], None], figure: str = "wall_s") -> dict[str, list[float]]:
    """Seconds of each run, in turn: five times, three times where one is slower than ten seconds.

    Args:
        runs: folder and command line, by name.
        check: is told a run's name and folder when it has ended.
        figure: of `pytest_runs.Figures`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    rounds = SLOW_ROUNDS
    while any(len(took) < rounds for took in seconds.values()):
        for name, (folder, words) in runs.items():
            shutil.rmtree(folder / ".mcr", ignore_errors=True)
            seconds[name].append(run_pytest(folder, words)[figure])
            check(name, folder)
        rounds = SLOW_ROUNDS if any(max(took) > SLOW for took in seconds.values()) else ROUNDS
    return seconds


def words_of(seconds: list[float]) -> str:
    """Their median as a phrase."""
    return f"{statistics.median(seconds):.3g} s (median of {len(seconds)})"
