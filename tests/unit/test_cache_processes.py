"""The response cache between processes: nothing is lost, nothing is half there, whoever dies or comes at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mcr.run.cache import open_cache
from tests.unit import cache_worker
from tests.unit.cache_worker import clip, whole

JOURNALS = pytest.mark.parametrize("journal", ["log", "rollback"])
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and limits processes as POSIX does")


def start(what: str, folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(cache_worker.__file__)), what, str(folder), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[list[int], list[str]]:
    """Numbers of the acknowledged chunks, and the notes."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    *chunks, notes = out.splitlines()
    return [int(chunk) for chunk in chunks], json.loads(notes)


def prepare(folder: Path, journal: str) -> list[str]:
    """A folder in which SQLite can, or cannot, keep a write-ahead log; the notes that every process will have."""
    if journal == "rollback":
        (folder / "responses.sqlite3-shm").mkdir(parents=True)
    cache = open_cache(folder, limit=None)
    cache.close()
    assert len(cache.notes) == (journal == "rollback")
    return cache.notes


@JOURNALS
@pytest.mark.parametrize("workers", [2, 4])
def test_processes_at_once_lose_nothing(tmp_path: Path, workers: int, journal: str) -> None:
    prepare(tmp_path, journal)
    processes = [start("share", tmp_path, f"w{number}") for number in range(workers)]
    for process in processes:
        chunks, notes = finish(process)
        assert chunks == list(range(40))
        assert all("rollback journal" in note for note in notes)
    cache = open_cache(tmp_path, limit=None)
    for number in range(workers):
        for chunk in range(40):
            assert whole(cache, f"w{number}", chunk)
            assert {key: cache.digest_of(key) for key in clip(f"w{number}", chunk)} == clip(f"w{number}", chunk)
    cache.close()


@JOURNALS
@pytest.mark.parametrize("moment", [1, 12, 60])
def test_a_killed_process_leaves_every_acknowledged_chunk(tmp_path: Path, moment: int, journal: str) -> None:
    prepare(tmp_path, journal)
    process = start("write", tmp_path, "w0")
    assert process.stdout is not None
    for _ in range(moment):
        assert process.stdout.readline()
    time.sleep(moment / 10_000)  # somewhere within a later chunk
    process.kill()
    rest = process.stdout.read()  # not communicate(), which knows nothing of the lines already buffered
    process.communicate(timeout=60)
    assert process.returncode == -9
    acknowledged = moment + rest.count("\n")
    cache = open_cache(tmp_path, limit=None)
    found = [chunk for chunk in range(acknowledged + 10) if whole(cache, "w0", chunk)]
    assert found in (list(range(acknowledged)), list(range(acknowledged + 1)))  # the last may be stored and unsaid
    assert not any("aside" in note for note in cache.notes)
    cache.close()


@pytest.mark.parametrize("attempt", range(3))
def test_a_torn_file_found_by_four_at_once_is_set_aside_once(tmp_path: Path, attempt: int) -> None:
    (tmp_path / "responses.sqlite3").write_bytes(b"torn" * (1000 + attempt))
    processes = [start("together", tmp_path, f"w{number}") for number in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    notes = [note for process in processes for note in finish(process)[1]]
    assert len(notes) == 1
    assert "set aside as responses.sqlite3.torn-1 (file is not a database)" in notes[0]
    aside = [path.name for path in tmp_path.iterdir() if "torn" in path.name]
    assert aside == ["responses.sqlite3.torn-1"]
    cache = open_cache(tmp_path, limit=None)
    assert all(whole(cache, f"w{number}", 0) for number in range(4))
    cache.close()


def test_a_full_disk_switches_off_with_one_note_and_keeps_what_was_stored(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the kernel refuses the write just so."""
    chunks, notes = finish(start("full", tmp_path, "w0"))
    assert len(chunks) > 5
    assert len(notes) == 1
    assert "off from here on" in notes[0]
    cache = open_cache(tmp_path, limit=None)
    assert [chunk for chunk in range(len(chunks) + 5) if whole(cache, "w0", chunk)] == chunks
    assert cache.notes == []
    cache.close()
