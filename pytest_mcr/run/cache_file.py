"""The file of the response cache: found, checked, begun, and opened with the journal that its place allows.

Nothing here or elsewhere may open the database file except through SQLite: closing any other handle on it would drop
the locks that SQLite holds (POSIX gives them to the process, not to the handle).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_mcr.run.cache_aside import Identity, Reason, exclusively, identity, set_aside
from pytest_mcr.run.cache_journal import choose_journal, does_without
from pytest_mcr.run.cache_sqlite import TROUBLE, code_of, connect, is_damage, number, said, try_to_write

NAME: Final = "responses.sqlite3"
LOCK: Final = "responses.lock"
APPLICATION: Final = 0x6D637263
"""SQLite's application id of our files: "mcrc"."""
SCHEMA: Final = 1
TABLE: Final = (
    "CREATE TABLE entries "
    "(seq INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, body BLOB NOT NULL, checksum BLOB NOT NULL)"
)
WAL_BYTES: Final = 8 << 20
"""What a write-ahead log is cut back to after one large transaction."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open cache file.

    Attributes:
        identity: of the file that the connection has open, whatever lies at `path` by now.
        wal: whether it writes ahead into a log; else a rollback journal.
        notes: lines to tell the user.
    """

    path: Path
    connection: sqlite3.Connection
    identity: Identity | None
    wal: bool
    notes: tuple[str, ...]

    def moved(self) -> bool:
        """Whether another process has set the file aside, or somebody deleted it."""
        return identity(self.path) != self.identity


def open_database(folder: Path, *, timeout: float, damaged: Identity | None = None) -> Database:
    """Open the cache file of a folder; make both if need be, and set aside what cannot be trusted.

    Args:
        folder: of the cache.
        timeout: seconds to wait for other processes' locks.
        damaged: the file that turned out to be damaged while it was read. It is set aside, too, unless another
            process has been faster: what lies there by now may be good.

    Raises:
        OSError: the folder cannot be made, written to or locked.
        sqlite3.Error: SQLite cannot work in it (and UnicodeDecodeError, see `TROUBLE`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    notes: list[str] = []
    with exclusively(folder / LOCK, timeout):
        if damaged is not None and identity(path) == damaged:
            notes.append(set_aside(path, "torn", "part of it is damaged"))
        found = _examine(path, timeout)
        if found is not None:
            notes.append(set_aside(path, *found))
        obstacle = choose_journal(path, timeout)
        with closing(connect(path, timeout)) as connection:
            begin(connection)
        if obstacle is not None:
            notes.append(f"response cache: {path} is written with a rollback journal, which is slower ({obstacle})")
        connection = _ready(path, timeout, wal=obstacle is None)
        return Database(path, connection, identity(path), obstacle is None, tuple(notes))


def examine(connection: sqlite3.Connection) -> tuple[Reason, str] | None:
    """Say why a database is not ours to use; None when it is, or when there is nothing in it.

    Raises:
        sqlite3.Error: it cannot be read, or not be written to.
    """
    application, version = number(connection, "application_id"), number(connection, "user_version")
    statements = connection.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
    if not (application or version or statements):
        try_to_write(connection)
        return None
    if application != APPLICATION:
        return "foreign", "the database of another program"
    if version > SCHEMA:
        return "newer", f"it has schema {version}, and this version of pytest-mcr knows {SCHEMA}"
    if version < SCHEMA or statements != [(TABLE.encode("ascii"),)]:
        return "foreign", f"its tables are not those of schema {SCHEMA}"
    try_to_write(connection)
    return None


def begin(connection: sqlite3.Connection) -> None:
    """Make the table in an empty database, in one transaction, so that a killed process leaves all of it or nothing."""
    if number(connection, "application_id"):
        return
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heard only before anything is written
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(TABLE)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _examine(path: Path, timeout: float) -> tuple[Reason, str] | None:
    try:
        return _look(path, timeout)
    except TROUBLE as error:
        if does_without(path, timeout, error):  # begun elsewhere, and brought to a place without shared memory
            return _look(path, timeout)
        if is_damage(error):
            return "torn", said(error)
        if code_of(error) == sqlite3.SQLITE_READONLY and _may_write(path):
            return "torn", "its header forbids to write to it"
        raise


def _look(path: Path, timeout: float) -> tuple[Reason, str] | None:
    with closing(connect(path, timeout)) as connection:
        return examine(connection)


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _ready(path: Path, timeout: float, *, wal: bool) -> sqlite3.Connection:
    """The connection to work with; fails now, not after the first answers, where nothing can be written."""
    connection = connect(path, timeout)
    try:
        # With a log, a power cut may cost the last answers but not the file; without one, only FULL keeps it whole.
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if wal else 'FULL'}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        try_to_write(connection)
    except BaseException:
        connection.close()
        raise
    return connection
