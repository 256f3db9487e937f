"""SQLite as the response cache uses it: how to connect, and what its errors say."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

DAMAGE: Final = frozenset(
    (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_ERROR)
)
"""Error codes that speak of the file's content; the rest speak of its place: disk, locks, permissions, memory.

SQLITE_ERROR is what our few fixed statements get when a table is gone or the format is from the future.
"""


class UnsoundError(sqlite3.DatabaseError):
    """What was written cannot be found: an index is damaged in a way that SQLite did not notice."""


TROUBLE: Final = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What using the file can raise; the last where SQLite's message quotes damaged text, which Python cannot decode."""


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """A connection for any thread that leaves transactions to us, and gives text as bytes: damaged text may be none."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes
    return connection


def number(connection: sqlite3.Connection, pragma: str) -> int:
    """The value of a pragma that is a number."""
    value: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return value


def try_to_write(connection: sqlite3.Connection) -> None:
    """Change nothing, and fail where nothing can be changed; to begin a transaction is allowed even there."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {number(connection, 'user_version')}")
    connection.execute("ROLLBACK")


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file, not its place, is wrong."""
    return code_of(error) in DAMAGE or isinstance(error, UnsoundError | UnicodeDecodeError)


def said(error: Exception) -> str:
    """What went wrong, in a line."""
    if isinstance(error, UnicodeDecodeError):
        return "its schema is damaged"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(reason.split()) or type(error).__name__


def code_of(error: Exception) -> int | None:
    """SQLite's primary error code, without the details in the upper bits."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
