"""Rows of the response cache: looked up, stored, dropped, and evicted when they take too much room."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from pytest_mcr.run.cache_entry import Entry, checksum
from pytest_mcr.run.cache_sqlite import UnsoundError, number

KEYS_A_SELECT: Final = 500
EVICTED_AT_ONCE: Final = 256
KEPT: Final = 0.9
"""Share of the limit that eviction leaves, so that it does not run again at the next chunk."""
OLDEST: Final = "DELETE FROM entries WHERE seq IN (SELECT seq FROM entries WHERE seq < ? ORDER BY seq LIMIT ?)"


def select(
    connection: sqlite3.Connection, keys: Sequence[bytes]
) -> tuple[dict[bytes, bytes], list[tuple[object, ...]]]:
    """The bodies that are stored under these keys, and the rows whose checksum is wrong."""
    good: dict[bytes, bytes] = {}
    damaged: list[tuple[object, ...]] = []
    for start in range(0, len(keys), KEYS_A_SELECT):
        some = keys[start : start + KEYS_A_SELECT]
        marks = ",".join("?" * len(some))
        for row in connection.execute(f"SELECT key, body, checksum, seq FROM entries WHERE key IN ({marks})", some):
            key, body, stored, _ = row  # of any type, where the file is damaged
            if isinstance(key, bytes) and isinstance(body, bytes) and checksum(key, body) == stored:
                good[key] = body
            else:
                damaged.append(row)
    return good, damaged


def drop(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Delete rows that are exactly these; another process may have stored the key anew by now."""
    with transaction(connection):
        same = "DELETE FROM entries WHERE key = ? AND body IS ? AND checksum IS ? AND seq = ?"
        connection.executemany(same, rows)


def insert(connection: sqlite3.Connection, rows: Sequence[Entry], limit: int | None) -> None:
    """Store rows in one transaction, in place of those with the same keys, and evict what is then too much.

    Raises:
        UnsoundError: the file takes rows and does not find them; nothing was stored.
    """
    with transaction(connection):
        first = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM entries").fetchone()[0]
        connection.executemany("INSERT OR REPLACE INTO entries (key, body, checksum) VALUES (?, ?, ?)", rows)
        if len(select(connection, [row.key for row in rows])[0]) < len(rows):
            raise UnsoundError("what was written cannot be found")
        if limit is not None:
            evict(connection, limit, first)


def evict(connection: sqlite3.Connection, limit: int, first: int) -> None:
    """Delete the oldest entries, none from `first` on, when the pages in use exceed the limit (bytes).

    Age is the order of writing; a look-up does not renew it, or every look-up would have to write. Later entries
    reuse the pages that become free; those that lie beyond the limit go back to the file system.
    """
    size = number(connection, "page_size")
    if pages_in_use(connection) * size <= limit:
        return
    while pages_in_use(connection) * size > limit * KEPT:
        if not connection.execute(OLDEST, (first, EVICTED_AT_ONCE)).rowcount:
            break
    for _ in range(number(connection, "page_count") - limit // size):
        connection.execute("PRAGMA incremental_vacuum(1)")  # of more pages than one, Python's sqlite3 frees the first


def pages_in_use(connection: sqlite3.Connection) -> int:
    """Pages of the database that hold something."""
    return number(connection, "page_count") - number(connection, "freelist_count")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all of a block, or none of it; waits its turn at the beginning, where waiting cannot deadlock."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite has rolled back by itself after some errors
            connection.execute("ROLLBACK")
        raise
