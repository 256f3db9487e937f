"""A cache file that cannot be trusted is set aside, by one process at a time, and kept for whoever wants to look."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

Reason = Literal["torn", "foreign", "newer"]
Identity = tuple[int, int]
COMPANIONS: Final = ("", "-wal", "-shm", "-journal")
"""Endings of the files that make up an SQLite database; under the new name they must belong together again."""
POLL: Final = 0.02
"""Seconds between two attempts at a lock."""


def set_aside(path: Path, reason: Reason, why: str) -> str:
    """Rename a database and its companions to ``NAME.<reason>-<n>``; call it only inside `exclusively`.

    A process that still has it open goes on with the renamed file: SQLite notices the new name before it would touch
    a journal under the old one.

    Returns:
        One line that says so.

    Raises:
        OSError: it cannot be renamed; on Windows because another process has it open.
    """
    number = 1
    while any(_renamed(path, reason, number, ending).exists() for ending in COMPANIONS):
        number += 1
    for ending in COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(_renamed(path, reason, number, ending))
    aside = _renamed(path, reason, number, "").name
    return f"response cache: {path} was set aside as {aside} ({why}); a fresh one begins"


def identity(path: Path) -> Identity | None:
    """Device and number of a file, which a rename does not change; None when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _renamed(path: Path, reason: Reason, number: int, ending: str) -> Path:
    return path.with_name(f"{path.name}.{reason}-{number}{ending}")


if sys.platform == "win32":

    @contextmanager
    def exclusively(lock: Path, timeout: float) -> Iterator[None]:
        """Nothing: Windows lets nobody rename a database that another process has open, which is what matters."""
        yield

else:
    import fcntl

    @contextmanager
    def exclusively(lock: Path, timeout: float) -> Iterator[None]:
        """Hold a lock file while a database is looked at, set aside and begun; a dying process lets go of it.

        Args:
            lock: made if absent, and left there: removing it would let two processes hold two locks of one name.
            timeout: seconds to wait for another process.

        Raises:
            OSError: there are no locks here, or another process held it for too long (TimeoutError).
        """
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _wait(handle, lock, time.monotonic() + timeout)
            yield
        finally:
            os.close(handle)

    def _wait(handle: int, lock: Path, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another process holds {lock.name}") from error
                time.sleep(POLL)
            else:
                return
