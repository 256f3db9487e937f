"""The response cache: what a model answered, kept on disk, for the next run and for the rest of one that was killed.

One SQLite file, used by all workers and all runs at once. It only ever saves time: whatever goes wrong with it, the
run goes on, asks the model and keeps every result.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from pytest_mcr.errors import OptionError
from pytest_mcr.models.protocol import Response
from pytest_mcr.run.cache_aside import Identity
from pytest_mcr.run.cache_entry import Entry, Kind, entry, packed, packed_text, stored_key, unpacked, unpacked_text
from pytest_mcr.run.cache_file import Database, open_database
from pytest_mcr.run.cache_rows import drop, insert, select
from pytest_mcr.run.cache_sqlite import TROUBLE, is_damage, said

BUSY_SECONDS: Final = 60.0
"""How long to wait for another process before the cache is given up."""
REOPENINGS: Final = 3
"""How often a damaged or vanished file is replaced in one process; more than that is no accident."""

T = TypeVar("T")


def open_cache(folder: Path, *, limit: int | None, timeout: float = BUSY_SECONDS) -> ResponseCache:
    """Open the response cache of a folder; folder and file are made if need be.

    Args:
        folder: of the cache; it holds nothing else.
        limit: bytes of the database file, above which the oldest entries are dropped; None for no limit.
        timeout: seconds to wait for the locks of other processes.

    Raises:
        OptionError: the folder cannot be made, written to or locked.
    """
    try:
        database = open_database(folder, timeout=timeout)
    except TROUBLE as error:
        raise OptionError(
            f"--mcr-cache {folder}: cannot be used ({said(error)}); "
            "name a folder that can be written to, or type --mcr-cache off"
        ) from error
    return ResponseCache(database, limit=limit, timeout=timeout)


class ResponseCache:
    """Answers, digests of clips and canary verdicts by key; safe between threads, processes and runs.

    Errors of the disk or of SQLite never leave it. A file that turns out to be damaged, or that somebody moved or
    deleted, is replaced by a fresh one; any other error switches the cache off for the rest of the process. Both
    leave a line in `notes`, and what was looked up counts as not found.

    An entry whose checksum is wrong is dropped, and the rest of the file stays in use: every entry is checked when it
    is read, so no other can be trusted wrongly, and each may have cost seconds of a GPU.

    Attributes:
        notes: lines to tell the user, in the order they came up.
    """

    def __init__(self, database: Database, *, limit: int | None, timeout: float) -> None:
        self.notes: list[str] = []
        self._database: Database | None = database
        self._folder = database.path.parent
        self._limit = limit
        self._timeout = timeout
        self._lock = threading.Lock()
        self._reopened = 0
        self._note(*database.notes)

    @property
    def on(self) -> bool:
        """Whether it still stores and finds anything."""
        return self._database is not None

    def digest_of(self, clip_key: str) -> str | None:
        """The digest of a clip that was decoded before, by its `cache_key.clip_key`."""
        return self._one("clip", clip_key)

    def get(self, keys: Sequence[str]) -> dict[str, Response]:
        """The stored answers among these keys."""
        return {key: unpacked(body) for key, body in self._find("answer", keys).items()}

    def put(self, clips: Mapping[str, str], answers: Mapping[str, Response]) -> None:
        """Store the answers of a chunk and the digests of its clips, all of them or none, and make room for them.

        Args:
            clips: digest by `cache_key.clip_key`.
            answers: response by `cache_key.answer_key`.

        Raises:
            ValueError: one of the responses is an error; nothing was stored.
        """
        rows = [entry("clip", key, packed_text(digest)) for key, digest in clips.items()]
        rows += [entry("answer", key, packed(response)) for key, response in answers.items()]
        self._store(rows)

    def proof(self, key: str) -> str | None:
        """What a canary that passed said, by `cache_key.proof_key`."""
        return self._one("proof", key)

    def prove(self, key: str, detail: str) -> None:
        """Store what a canary that passed said."""
        self._store([entry("proof", key, packed_text(detail))])

    def close(self) -> None:
        """Let go of the file; afterwards nothing is found or stored."""
        with self._lock:
            self._let_go()

    def _one(self, kind: Kind, key: str) -> str | None:
        found = self._find(kind, (key,)).get(key)
        return None if found is None else unpacked_text(found)

    def _find(self, kind: Kind, keys: Sequence[str]) -> dict[str, bytes]:
        names = {stored_key(kind, key): key for key in keys}

        def find(connection: sqlite3.Connection) -> dict[str, bytes]:
            rows, damaged = select(connection, list(names))
            if damaged:
                self._note(f"response cache: an entry in {self._folder} was damaged and dropped; it is asked again")
                drop(connection, damaged)
            return {names[key]: body for key, body in rows.items()}

        return self._attempt(find, {}, writes=False) if keys else {}

    def _store(self, rows: Sequence[Entry]) -> None:
        if rows:
            self._attempt(lambda connection: insert(connection, rows, self._limit), None, writes=True)

    def _attempt(self, action: Callable[[sqlite3.Connection], T], missed: T, *, writes: bool) -> T:
        """Do something with the file that lies there now, or switch off and return `missed`."""
        with self._lock:
            while self._database is not None:
                try:
                    if not self._database.moved():
                        result = action(self._database.connection)
                        if not (writes and self._database.moved()):  # else it was written to a file set aside
                            return result
                    self._reopen(None)
                except TROUBLE as error:
                    self._recover(error)
            return missed

    def _recover(self, error: Exception) -> None:
        database = self._database
        try:
            if database is None:  # a fresh one could not be opened
                self._switch_off(said(error))
            elif is_damage(error):
                self._reopen(database.identity)
            elif database.moved():  # without a log, SQLite refuses to write to a file that was renamed
                self._reopen(None)
            else:
                self._switch_off(said(error))
        except TROUBLE as second:
            self._switch_off(said(second))

    def _reopen(self, damaged: Identity | None) -> None:
        self._let_go()
        self._reopened += 1
        if self._reopened > REOPENINGS:
            self._switch_off(f"its file was damaged or replaced {self._reopened} times")
            return
        self._database = open_database(self._folder, timeout=self._timeout, damaged=damaged)
        if damaged is None:
            self._note(
                f"response cache: {self._database.path} was replaced while in use; the new file is used from here"
            )
        self._note(*self._database.notes)

    def _switch_off(self, why: str) -> None:
        self._let_go()
        self._note(f"response cache: off from here on ({why}, in {self._folder}); answers are kept by this run only")

    def _let_go(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.connection.close()

    def _note(self, *lines: str) -> None:
        self.notes += [line for line in lines if line not in self.notes]
