"""The guard: a small process that tidies up after a pytest that is gone, even by ``kill -9``.

It is told the process groups of the children and the folder of their clips on its stdin. When that ends, its owner is
gone: whatever group still lives gets a moment to see the end of its own stdin, and is then killed; the folder is
removed. Run as a script, it needs the standard library alone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

GRACE = 3.0
"""Seconds that a child has to leave by itself."""


class Guard:
    """Starts the guard's process.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )

    def watch(self, group: int) -> None:
        """Put a process group under guard."""
        self._tell("watch", group)

    def forget(self, group: int) -> None:
        """Take a group that has ended off the list."""
        self._tell("forget", group)

    def remove(self, folder: Path) -> None:
        """Have a folder removed at the end."""
        self._tell("remove", str(folder))

    def close(self) -> None:
        """Let the guard end and remove what is left, and go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(GRACE + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, word: str, value: int | str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([word, value]).encode("ascii") + b"\n")
        except (BrokenPipeError, ValueError):  # somebody killed it: the children are still ended by their owner
            return


def alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(group: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a whole group, if it is still there."""
    try:
        os.killpg(group, by)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of zombies
        return


def stand_by(lines: Iterable[str], grace: float) -> None:
    """Keep the lists until the lines end, then end the groups after `grace` seconds and remove the folders."""
    groups: set[int] = set()
    folders: set[str] = set()
    words: dict[str, Callable[[Any], None]] = {"watch": groups.add, "forget": groups.discard, "remove": folders.add}
    for line in lines:
        word, value = json.loads(line)
        words[word](value)
    deadline = time.monotonic() + grace
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = {group for group in groups if alive(group)}
    for group in groups:
        end(group)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    stand_by(sys.stdin, GRACE)
