"""A pytest run on a real pseudo-terminal, seen through a terminal emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyte


@dataclass
class Seen:
    """What a user saw.

    Attributes:
        code: exit code.
        shots: the screen each time it was looked at, its lines joined.
        lines: everything that is left at the end, scrolled lines included.
        cursor: it is shown at the end.
    """

    code: int
    shots: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    cursor: bool = True

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def run(
    folder: Path,
    words: Sequence[str],
    *,
    until: Callable[[str], bool] | None = None,
    rows: int = 40,
    columns: int = 100,
) -> Seen:
    """Run pytest in a folder on a terminal.

    Args:
        folder: to run in.
        words: pytest's arguments.
        until: Ctrl-C is pressed when the screen is as this says.
        rows: of the terminal.
        columns: of the terminal.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        environment = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_ADDOPTS", "COLUMNS", "LINES")}
        environment |= {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(rows)}
        os.execve(sys.executable, [sys.executable, "-m", "pytest", *words], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen = pyte.HistoryScreen(columns, rows, history=5000)
    stream = pyte.ByteStream(screen)
    seen = Seen(-1)
    looked = 0.0
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the child is gone
            break
        if not data:
            break
        stream.feed(data)
        written = not select.select([terminal], [], [], 0.002)[0]  # a child is often read in the middle of a drawing
        if written or time.monotonic() - looked > 0.02:
            looked = time.monotonic()
            shot = "\n".join(line.rstrip() for line in screen.display)
            seen.shots.append(shot)
            if until is not None and until(shot):
                os.kill(child, signal.SIGINT)
                until = None
    seen.code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    scrolled = ["".join(line[x].data for x in range(columns)).rstrip() for line in screen.history.top]
    seen.lines = [*scrolled, *(line.rstrip() for line in screen.display)]
    seen.cursor = not screen.cursor.hidden
    return seen
