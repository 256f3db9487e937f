"""The response cache: a second run asks nothing and decodes nothing, a killed one goes on, errors are never kept."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import pytest_mcr.run.clips
from pytest_mcr.run.chunks import CHUNK_CASES
from tests.plugin.conftest import Ran, Runner
from tests.support import folders

REPORT = ("--mcr-profile", "report")
DATABASE = Path(".mcr/cache/responses.sqlite3")


def asked(pytester: pytest.Pytester) -> list[str]:
    """What the model was asked since the last look, its canary apart."""
    log = pytester.path / "asked.txt"
    lines = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line for line in lines if not line.startswith("canary::")]


def without_time(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in case.items() if key not in ("seconds", "cached")} for case in cases]


@pytest.mark.usefixtures("factories")
def test_a_second_run_asks_nothing(pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    first = mcr("models:Kept", data, *REPORT, *mode)
    metrics, cases = first.results["metrics"], first.cases
    assert (first.results["counts"]["cached"], len(cases)) == (0, 96)
    assert len(asked(pytester)) == 96 + 24  # and the placebo
    second = mcr("models:Kept", data, *REPORT, *mode)
    assert asked(pytester) == []
    assert second.results["counts"]["cached"] == 96
    assert second.results["metrics"] == metrics
    assert without_time(second.cases) == without_time(cases)
    assert "96 of 96 answers" in second.text
    assert second.results["canary"]["verdict"] == "pass"
    assert "found by an earlier run" in second.results["canary"]["detail"]


@pytest.mark.usefixtures("factories")
def test_a_cached_run_decodes_nothing(mcr: Runner, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mcr("models:Kept", data, *REPORT)

    def decode(path: Path) -> None:
        raise AssertionError(f"{path} was decoded")

    monkeypatch.setattr(pytest_mcr.run.clips, "decode", decode)
    assert mcr("models:Kept", data, *REPORT).results["counts"]["cached"] == 96
    again = mcr("models:Kept?version=2", data, *REPORT)  # shows that the trap above can snap
    assert again.results["verdict"] == "invalid" or again.code != 0


@pytest.mark.usefixtures("factories")
def test_what_changes_an_answer_is_asked_again(pytester: pytest.Pytester, mcr: Runner, tmp_path: Path) -> None:
    data = folders.dataset(tmp_path / "data", 12)
    mcr("models:Kept", data, *REPORT)
    asked(pytester)
    clip = data / "AQA" / "audio" / "aqa-0.wav"
    samples, rate = soundfile.read(clip, dtype="float32")
    soundfile.write(clip, np.concatenate([samples, samples[:100]]), rate)
    mcr("models:Kept", data, *REPORT)
    again = asked(pytester)
    assert {name.partition("::")[0].rpartition("-")[0] for name in again} == {"AQA-0000"}
    for words in (["--mcr-template", "paper"], ["--mcr-max-new-tokens", "7"]):
        mcr("models:Kept", data, *REPORT, *words)
        assert len(asked(pytester)) >= 72, words
    mcr("models:Kept?version=2", data, *REPORT)
    assert len(asked(pytester)) == 120
    mcr("models:Kept", data, *REPORT, "--mcr-seed", "1")
    assert asked(pytester) == []


def test_new_code_is_asked_again_though_its_fingerprint_is_old(
    pytester: pytest.Pytester, mcr: Runner, data: Path, factories: Path
) -> None:
    mcr("models:Kept", data, *REPORT)
    asked(pytester)
    factories.write_text(factories.read_text() + "\n# a change\n")
    assert mcr("models:Kept", data, *REPORT).results["model"]["fingerprint"] == "kept 1"
    assert len(asked(pytester)) == 120


@pytest.mark.usefixtures("factories")
def test_unparsable_answers_are_kept_and_errors_are_not(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    for _ in range(2):
        ran = mcr("models:Kept", data, *REPORT)
        assert ran.results["counts"]["unparsed"] == 1
    asked(pytester)
    for _ in range(2):
        ran = mcr("models:Kept?errors=1&version=2", data, *REPORT)
        assert ran.results["counts"]["errors"] == 1
    assert asked(pytester).count("AQA-0001-neutral") == 2
    assert ran.results["counts"]["cached"] == 95


@pytest.mark.usefixtures("factories")
def test_off_and_oracles_write_no_cache(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    for _ in range(2):
        assert mcr("models:Kept", data, *REPORT, "--mcr-cache", "off").results["counts"]["cached"] == 0
    assert len(asked(pytester)) == 240
    mcr("oracle:listener", data, *REPORT)
    assert not (pytester.path / ".mcr" / "cache").exists()


def test_a_folder_that_cannot_be_is_refused(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    pytester.makefile(".txt", occupied="")
    mcr("oracle:listener", data, "--mcr-cache", "occupied.txt/deeper").refused("--mcr-cache", "occupied.txt", "a file")
    mcr("oracle:listener", data, "--mcr-cache-size", "0").refused("--mcr-cache-size", "at least 1")


@pytest.mark.usefixtures("factories")
def test_a_torn_database_is_set_aside(pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    database = pytester.path / DATABASE
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database " * 1000)
    ran = mcr("models:Kept", data, *REPORT, *mode)
    assert (ran.code, ran.results["counts"]["cached"]) == (0, 0)
    assert len(ran.results["run"]["notes"]) == 1
    assert "set aside" in ran.results["run"]["notes"][0]
    assert "set aside" in " ".join(ran.text.split())
    assert mcr("models:Kept", data, *REPORT, *mode).results["counts"]["cached"] == 96


def start(data: Path, out: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "--mcr-data", str(data), "--mcr-out", str(out), *REPORT, *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def stored(database: Path) -> int:
    """Entries of the cache, as another process sees them."""
    if not database.exists():
        return 0
    with sqlite3.connect(database, timeout=10) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        count = connection.execute("SELECT count(*) FROM entries").fetchone()[0] if "entries" in tables else 0
    connection.close()
    return int(count)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL for a process group")
@pytest.mark.usefixtures("factories")
def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(
    pytester: pytest.Pytester, mcr: Runner, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    whole = mcr("models:Kept", data, *REPORT, "--mcr-cache", "off")
    metrics, cases = whole.results["metrics"], whole.cases
    asked(pytester)
    process = start(data, pytester.path / "killed", "--mcr-model", "models:Kept?seconds=0.02")
    deadline = time.monotonic() + 60
    while stored(pytester.path / DATABASE) < CHUNK_CASES and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    before = asked(pytester)
    resumed = mcr("models:Kept", data, *REPORT)
    after = asked(pytester)
    assert 0 < len(after) < 120
    assert len({*before, *after}) == 120
    assert len(before) + len(after) - 120 <= 40  # the chunk that was under way
    assert CHUNK_CASES <= resumed.results["counts"]["cached"] < 96
    assert resumed.results["metrics"] == metrics
    assert without_time(resumed.cases) == without_time(cases)
    assert "found by an earlier run" not in resumed.results["canary"]["detail"]  # it asked, so it proved


@pytest.mark.usefixtures("factories")
def test_two_runs_at_once_share_one_cache(
    pytester: pytest.Pytester, mcr: Runner, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    words = ("--mcr-model", "models:Kept?seconds=0.005", "-n2")
    runs = [start(data, pytester.path / f"run{number}", *words) for number in range(2)]
    assert [process.wait(timeout=120) for process in runs] == [0, 0]
    found = [Ran(pytest.RunResult(0, [], [], 0.0), pytester.path / f"run{number}") for number in range(2)]
    assert without_time(found[0].cases) == without_time(found[1].cases)
    assert [ran.results["run"]["notes"] for ran in found] == [[], []]
    assert mcr("models:Kept", data, *REPORT).results["counts"]["cached"] == 96
