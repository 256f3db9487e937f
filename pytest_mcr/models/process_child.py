"""One child process with its three pipes, none of which can block us.

Everything happens in the caller's thread: `exchange` moves bytes for any number of children at once, so no full pipe,
whichever way, keeps another from moving. While nobody calls it a talkative child waits at a full pipe.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import IO, Final

from pytest_mcr.errors import ModelError
from pytest_mcr.models.process_command import Command
from pytest_mcr.models.process_guard import Guard, end
from pytest_mcr.models.process_lines import printable

BLOCK: Final = 1 << 16
LONGEST: Final = 1 << 24
"""Bytes of a line: what is longer is no answer."""
TAIL: Final = 1 << 13
"""Bytes of stderr that are kept."""
LAST_LINES: Final = 5
MOMENT: Final = 0.02
"""Seconds between two looks at whether a child has ended."""
LAST_WORDS: Final = 2.0
"""Seconds that a child has to end by itself once its stdout has."""
AT_EOF: Final = 10.0
AT_TERM: Final = 5.0
AT_KILL: Final = 5.0
"""Seconds from the end of its stdin to SIGTERM (a busy child gets none), from there to SIGKILL, and to its end."""


class Child:
    """A child process.

    Args:
        command: what to start.
        index: tells several children apart; the child finds it as ``PYTEST_MCR_WORKER``.
        guard: learns its process group.

    Attributes:
        lines: read from its stdout, not yet taken.
        too_long: it began a line that is longer than any answer.
        started: when it was, in seconds of `time.monotonic`.
    """

    def __init__(self, command: Command, index: int, guard: Guard) -> None:
        self.command = command
        self.index = index
        self.lines: deque[bytes] = deque()
        self.too_long = False
        self.started = time.monotonic()
        self._guard = guard
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._tail = bytearray()
        self._process = self._start()
        self._pipes: dict[str, IO[bytes] | None] = {
            "in": self._process.stdin,
            "out": self._process.stdout,
            "err": self._process.stderr,
        }
        for pipe in self._pipes.values():
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)

    def _start(self) -> subprocess.Popen[bytes]:
        # Without PYTHONUNBUFFERED a Python child that forgets to flush would look as if it hung.
        environment = {"PYTHONUNBUFFERED": "1", **os.environ, "PYTEST_MCR_WORKER": str(self.index)}
        try:
            process = subprocess.Popen(
                self.command.argv,
                cwd=self.command.cwd,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # a group of its own: Ctrl-C is ours to pass on, and grandchildren go with it
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise ModelError(f"{self.command.label}: cannot be started ({reason}); try the command by itself") from None
        self._guard.watch(process.pid)
        return process

    @property
    def ended(self) -> bool:
        """Whether no line can come any more: stdout is closed, or the process is gone."""
        return self._pipes["out"] is None or self._process.poll() is not None

    @property
    def running(self) -> bool:
        """Whether the process itself is there."""
        return self._process.poll() is None

    def send(self, line: bytes) -> None:
        """Put a line on its way."""
        self._outbox += line

    def channels(self) -> Iterable[tuple[IO[bytes], int, Callable[[], object]]]:
        """Open pipes, with what to wait for and what to do then."""
        out, err, into = self._pipes["out"], self._pipes["err"], self._pipes["in"]
        if out is not None:
            yield out, selectors.EVENT_READ, self._read_out
        if err is not None:
            yield err, selectors.EVENT_READ, self._read_err
        if into is not None and self._outbox:
            yield into, selectors.EVENT_WRITE, self._write

    def hang_up(self) -> None:
        """Close its stdin, which asks it to stop."""
        self._close("in")

    def terminate(self) -> None:
        """Send SIGTERM to its group."""
        if self.running:
            end(self._process.pid, signal.SIGTERM)

    def bury(self) -> str:
        """End it if it lives, with all that it has started, and close its pipes.

        Returns:
            How it ended, for a message.
        """
        closed = self._pipes["out"] is None
        if closed:
            wait_for([self], LAST_WORDS)
        status = self._process.poll()
        end(self._process.pid)
        with suppress(subprocess.TimeoutExpired):  # a process in a driver's hands cannot even be killed
            self._process.wait(AT_KILL)
        self._guard.forget(self._process.pid)
        self.drain()
        for name in self._pipes:
            self._close(name)
        if status is None:
            return "closed its stdout" if closed else "was killed"
        return f"was ended by {_signal(-status)}" if status < 0 else f"exited with status {status}"

    def stderr_tail(self) -> str:
        """Its last lines on stderr as one line, for a message."""
        lines = [" ".join(line.split()) for line in self._tail.decode("utf-8", "replace").splitlines()]
        lines = [line for line in lines if line.strip("^~ ")]  # without the marks under a traceback's lines
        return printable(" | ".join(lines[-LAST_LINES:])) or "(empty)"

    def drain(self) -> None:
        """Take what its pipes hold now."""
        for name, read in (("out", self._read_out), ("err", self._read_err)):
            for _ in range(1000):  # a grandchild may hold the pipe and write for ever
                if self._pipes[name] is None or not read():
                    break

    def _read_out(self) -> bool:
        block = self._read("out")
        if not block:
            return False
        self._inbox += block
        if b"\n" in block:
            *whole, rest = self._inbox.split(b"\n")
            self.lines.extend(bytes(line) for line in whole if line.strip())
            self._inbox = rest
        self.too_long = self.too_long or len(self._inbox) > LONGEST
        return True

    def _read_err(self) -> bool:
        block = self._read("err")
        if block:
            self._tail += block
            del self._tail[:-TAIL]
        return bool(block)

    def _read(self, name: str) -> bytes:
        pipe = self._pipes[name]
        assert pipe is not None
        try:
            block = os.read(pipe.fileno(), BLOCK)
        except BlockingIOError:
            return b""
        if not block:
            self._close(name)
        return block

    def _write(self) -> bool:
        pipe = self._pipes["in"]
        assert pipe is not None
        try:
            written = os.write(pipe.fileno(), self._outbox[:BLOCK])
        except BlockingIOError:
            return False
        except BrokenPipeError:  # it reads no more; whether it has ended its stdout says
            self._outbox.clear()
            self._close("in")
            return False
        del self._outbox[:written]
        return True

    def _close(self, name: str) -> None:
        pipe, self._pipes[name] = self._pipes[name], None
        if pipe is not None:
            pipe.close()


def exchange(children: Iterable[Child], seconds: float) -> None:
    """Wait until at least one pipe is ready, at most `seconds`, and move what can be moved."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            for pipe, events, action in child.channels():
                selector.register(pipe, events, action)
        for key, _ in selector.select(seconds):
            key.data()


def wait_for(children: Sequence[Child], seconds: float) -> list[Child]:
    """Wait until the processes are gone, at most `seconds`; returns those that are not."""
    deadline = time.monotonic() + seconds
    left = [child for child in children if child.running]
    while left and time.monotonic() < deadline:
        exchange(left, MOMENT)
        for child in left:
            child.lines.clear()
        left = [child for child in left if child.running]
    return left


def dismiss(children: Sequence[Child], busy: Sequence[Child]) -> None:
    """End children in order: end of stdin, SIGTERM, SIGKILL; a busy one would not see the first, so it gets no time."""
    try:
        for child in children:
            child.hang_up()
        idle = [child for child in children if child not in busy]
        left = [*wait_for(idle, AT_EOF), *(child for child in busy if child.running)]
        for child in left:
            child.terminate()
        wait_for(left, AT_TERM)
    finally:  # a second Ctrl-C, too
        for child in children:
            child.bury()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
