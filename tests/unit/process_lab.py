"""Starts children for the tests of ``exec:`` and finds what they leave."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pytest_mcr.data.audio import digest
from pytest_mcr.models.process import ProcessModel
from pytest_mcr.models.process_command import Command, read_command
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.models.spec import parse_spec

WORKER = Path(__file__).with_name("process_worker.py")
HERE = Path(tempfile.gettempdir())


def command(*words: object, options: str = "") -> Command:
    """The command of a child of `process_worker`, as a spec would give it."""
    text = shlex.join([sys.executable, "-I", "-S", str(WORKER), *map(str, words)])
    return read_command(parse_spec(f"exec:{text}{options and '?'}{options}", invocation_dir=HERE), HERE)


def start(*words: object, options: str = "") -> ProcessModel:
    """Start children with limits that a test which hangs runs into."""
    limits = [limit for limit in ("start=20", "timeout=20") if limit.split("=")[0] not in options]
    return ProcessModel(command(*words, options="&".join([options, *limits] if options else limits)))


def clip(number: int, rate: int = 8000) -> Audio:
    samples = np.full(400, number / 32768, np.float32)
    return Audio(samples, rate, digest(samples, rate))


def ask(name: str, audio: Audio | None = None, candidates: tuple[str, ...] = ()) -> Request:
    return Request(name, audio, f"prompt of {name}", candidates, 5, want_scores=bool(candidates))


def questions(clips: int, each: int = 2) -> list[Request]:
    return [ask(f"c{number}-{part}", clip(number)) for number in range(clips) for part in range(each)]


def marked(mark: str) -> list[str]:
    """What runs with a text in its environment, which children and grandchildren inherit, and our zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            ours = f"PPid:\t{os.getpid()}\n" in status and "State:\tZ" in status
            if folder.name != str(os.getpid()) and (ours or mark.encode() in (folder / "environ").read_bytes()):
                found.append(f"{folder.name}: {(folder / 'cmdline').read_bytes()!r}")
        except OSError:  # gone meanwhile, or another user's
            continue
    return found


def left_behind(mark: str, seconds: float = 3.0) -> list[str]:
    """What still runs after at most `seconds`."""
    deadline = time.monotonic() + seconds
    found = marked(mark)
    while found and time.monotonic() < deadline:
        time.sleep(0.02)
        found = marked(mark)
    return found


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """After each test: no process, no zombie, no clip."""
    mark = f"mcr-{os.getpid()}-{tmp_path.name}"
    monkeypatch.setenv("MCR_TEST_MARK", mark)
    # Children are numbered by worker: a test sees the same numbers on whichever worker runs it.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert left_behind(mark) == []
    assert list(temporary.iterdir()) == []
