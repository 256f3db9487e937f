"""The place of the cache's file decides its journal; a bad place is named."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pytest_mcr.errors import OptionError
from pytest_mcr.run import cache_journal
from pytest_mcr.run.cache import open_cache
from pytest_mcr.run.cache_aside import exclusively
from pytest_mcr.run.cache_file import LOCK, NAME, open_database
from pytest_mcr.run.cache_journal import file_system, start_log
from pytest_mcr.run.cache_sqlite import connect
from tests.unit.cache_files import ANSWERS, names, posix, stored

NOBODY = 65534


def test_a_log_is_used_where_there_can_be_one(tmp_path: Path) -> None:
    with closing(open_database(tmp_path, timeout=1).connection) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)


def test_sqlite_says_so_where_it_has_no_shared_memory(tmp_path: Path) -> None:
    """Its dot-file locking has none, as some network file systems."""
    uri = f"{(tmp_path / NAME).as_uri()}?vfs=unix-dotfile"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.text_factory = bytes
        assert start_log(connection) == "SQLite has only journal mode delete here"
    with closing(connect(tmp_path / "other", 1)) as connection:
        assert start_log(connection) is None


@posix
def test_a_rollback_journal_where_no_log_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}-shm").mkdir()  # where the log's index would be
    for why in ("a write-ahead log fails here: attempt to write a readonly database", "it was begun so"):
        database = open_database(tmp_path, timeout=1)
        assert not database.wal
        assert database.notes == (
            f"response cache: {tmp_path / NAME} is written with a rollback journal, which is slower ({why})",
        )
        assert database.connection.execute("PRAGMA journal_mode").fetchone() == (b"delete",)
        assert database.connection.execute("PRAGMA synchronous").fetchone() == (2,)
        database.connection.close()
    stored(tmp_path)
    cache = open_cache(tmp_path, limit=None)
    assert cache.get(list(ANSWERS)) == ANSWERS
    cache.close()


@posix
def test_a_log_is_read_out_where_none_can_be_kept(tmp_path: Path) -> None:
    """A cache with answers still in its log is brought to a place without shared memory."""
    here, there = tmp_path / "here", tmp_path / "there"
    live = open_cache(here, limit=None)
    live.put({}, ANSWERS)
    there.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(here / f"{NAME}{ending}", there / f"{NAME}{ending}")
    live.close()
    (there / f"{NAME}-shm").mkdir()
    assert b"answer 7" not in (there / NAME).read_bytes()
    cache = open_cache(there, limit=None)
    assert cache.get(list(ANSWERS)) == ANSWERS
    assert ["rollback journal" in note for note in cache.notes] == [True]
    cache.close()


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue
40 27 0:45 / /home rw,relatime shared:7 - nfs4 server:/home rw,vers=4.2
"""


@posix
def test_the_type_of_a_file_system() -> None:
    kinds = [file_system(os.makedev(*number), MOUNTS) for number in ((0, 21), (98, 0), (0, 45), (0, 4))]
    assert kinds == ["proc", "ext3", "nfs4", None]
    assert "nfs4" in cache_journal.NETWORKED
    assert "ext3" not in cache_journal.NETWORKED


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_log_where_several_machines_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The type of this very file system is taken for a network's, as there is none to be had in a test."""
    kind = file_system(tmp_path.stat().st_dev, Path("/proc/self/mountinfo").read_text())
    if kind is None:
        pytest.skip("this file system's device has no entry in mountinfo")
    stored(tmp_path)  # with a log
    monkeypatch.setattr(cache_journal, "NETWORKED", frozenset((kind,)))
    for _ in range(2):
        cache = open_cache(tmp_path, limit=None)
        assert cache.get(list(ANSWERS)) == ANSWERS
        assert f"(several machines may share a file system of type {kind})" in cache.notes[0]
        assert cache._database is not None
        assert cache._database.connection.execute("PRAGMA journal_mode").fetchone() == (b"delete",)
        cache.close()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write anywhere, so be somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that other users reach; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)
        Path(name).chmod(0o777)


def refused(folder: Path, why: str, timeout: float = 1) -> None:
    with pytest.raises(OptionError) as caught:
        open_cache(folder, limit=None, timeout=timeout)
    assert str(caught.value) == (
        f"--mcr-cache {folder}: cannot be used ({why}); name a folder that can be written to, or type --mcr-cache off"
    )


@posix
def test_a_read_only_folder_is_named(open_to_all: Path) -> None:
    open_to_all.chmod(0o555)
    with as_nobody():
        refused(open_to_all, "Permission denied")
        refused(open_to_all / "deeper", "Permission denied")


@posix
def test_a_read_only_file_is_named(open_to_all: Path) -> None:
    stored(open_to_all).chmod(0o444)
    (open_to_all / LOCK).chmod(0o666)
    with as_nobody():
        refused(open_to_all, "attempt to write a readonly database")
    assert not any("-1" in name for name in names(open_to_all))  # nor set aside


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "File exists")
    refused(tmp_path / "file" / "deeper", "Not a directory")


def test_a_folder_in_the_way_is_named_and_not_set_aside(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    refused(tmp_path, "unable to open database file")
    assert names(tmp_path) == [NAME]


@posix
def test_a_lock_that_is_never_let_go_is_named(tmp_path: Path) -> None:
    with exclusively(tmp_path / LOCK, 1):
        refused(tmp_path, f"another process holds {LOCK}", timeout=0.05)
    open_cache(tmp_path, limit=None).close()
    with closing(connect(tmp_path / NAME, 0)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused(tmp_path, "database is locked", timeout=0.05)
    open_cache(tmp_path, limit=None).close()
