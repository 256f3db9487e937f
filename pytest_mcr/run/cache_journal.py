"""The journal of the cache's file: a write-ahead log where the place allows one, else SQLite's rollback journal."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from pytest_mcr.run.cache_sqlite import code_of, connect, try_to_write

NO_SHARED_MEMORY: Final = frozenset(
    (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_READONLY)
)
"""Error codes of a write-ahead log whose index cannot be mapped here."""
NETWORKED: Final = frozenset(
    (
        "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs",
        "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "smb3", "smbfs", "virtiofs",
    )
)  # fmt: skip
"""Linux file systems that several machines may share. The index of a write-ahead log lies in memory, which they cannot
share (https://sqlite.org/wal.html: "All processes using a database must be on the same host computer")."""


def choose_journal(path: Path, timeout: float) -> str | None:
    """Settle the journal of a database; say why it has no write-ahead log, None when it has one.

    A database that was begun without one stays so: trying again would disturb those who are using it.
    """
    with closing(connect(path, timeout)) as connection:
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        logs = connection.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
    shared = _shared_by_machines(path.parent)
    if shared:
        if logs:
            stop_log(path, timeout)
        return shared
    return _try_log(path, timeout) if empty or logs else "it was begun so"


def start_log(connection: sqlite3.Connection) -> str | None:
    """Use a write-ahead log, to which an empty database is switched; say what is in the way, None when nothing is.

    Raises:
        sqlite3.OperationalError: there is one, and it cannot be used.
    """
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heard only before anything is written
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    try_to_write(connection)  # the first to need the shared memory, and to be allowed to write to it
    return None if mode == b"wal" else f"SQLite has only journal mode {mode.decode('ascii')} here"


def does_without(path: Path, timeout: float, error: Exception) -> bool:
    """Whether the log may be to blame for an error, and now there is none."""
    if code_of(error) not in NO_SHARED_MEMORY:
        return False
    try:
        stop_log(path, timeout)
    except sqlite3.OperationalError:
        return False
    return True


def stop_log(path: Path, timeout: float) -> None:
    """Go back to a rollback journal; a connection that is alone needs no shared memory to read the log out."""
    with closing(connect(path, timeout)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def file_system(device: int, mounts: str) -> str | None:
    """Type of the file system with a device number, by the text of ``/proc/self/mountinfo`` (see proc(5))."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[2:3] == [wanted]:
            return right.split()[0]
    return None


def _try_log(path: Path, timeout: float) -> str | None:
    try:
        with closing(connect(path, timeout)) as connection:
            return start_log(connection)
    except sqlite3.OperationalError as error:
        if not does_without(path, timeout, error):
            raise
        return f"a write-ahead log fails here: {error}"


def _shared_by_machines(folder: Path) -> str | None:
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return None
    kind = file_system(folder.stat().st_dev, mounts)
    return f"several machines may share a file system of type {kind}" if kind in NETWORKED else None
