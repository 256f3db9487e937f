"""The children of one model: which of them is asked what, and what happens when one crashes or hangs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pytest_mcr.errors import AdapterError, ModelError
from pytest_mcr.models.process_child import Child, dismiss, exchange
from pytest_mcr.models.process_command import Command
from pytest_mcr.models.process_guard import Guard
from pytest_mcr.models.process_lines import Hello, LineError, read_hello
from pytest_mcr.models.protocol import Request

LOOK: Final = 0.2
"""Seconds between two looks at clocks and processes while no pipe moves."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request on its way.

    Attributes:
        place: of its answer among the answers of this call.
        clip: name of its clip's file, None for a request without audio.
    """

    place: int
    request: Request
    clip: str | None


class Seat:
    """A place for a child, which may be filled a second time.

    Attributes:
        ready: its first line was read.
        restarts: left.
        waiting: jobs that it has not been given yet.
        asked: jobs that are with it, by request id.
        since: when it last answered, or was given work after it had none.
    """

    def __init__(self, child: Child) -> None:
        self.child: Child | None = child
        self.index = child.index
        self.ready = False
        self.restarts = 1
        self.waiting: deque[Job] = deque()
        self.asked: dict[str, Job] = {}
        self.since = 0.0

    @property
    def load(self) -> int:
        """Jobs that are its to answer."""
        return len(self.waiting) + len(self.asked)

    def restart_clock(self) -> None:
        """Count the time without an answer from now on."""
        self.since = time.monotonic()


class Pool:
    """Starts and ends the children, and sees to their clocks.

    Args:
        command: of every child.
        first: index of the first one; two pools of a run should not share any.

    Raises:
        ModelError: a child cannot be started, or its first line is not what it should be.

    Attributes:
        hello: what all children said.
        notes: what the user should know afterwards, a line each.
        guard: of the children.
    """

    def __init__(self, command: Command, first: int) -> None:
        self.command = command
        self.notes: list[str] = []
        self.hello: Hello | None = None
        self.seats: list[Seat] = []
        self._last_loss = ""
        try:
            self.guard = Guard()
        except OSError as error:
            raise ModelError(f"{command.label}: cannot start the guard of its children ({error.strerror})") from None
        try:
            for number in range(command.workers):
                self.seats.append(Seat(Child(command, first + number, self.guard)))
            self._greet()
        except BaseException:
            self.close()
            raise

    @property
    def living(self) -> list[Seat]:
        """Seats with a child."""
        return [seat for seat in self.seats if seat.child is not None]

    def close(self) -> None:
        """End all children and the guard, within a bounded time."""
        seats, self.seats = self.living, []
        # One that still loads its model would not see the end of its stdin either.
        children = [(seat.child, bool(seat.asked) or not seat.ready) for seat in seats if seat.child is not None]
        try:
            dismiss([child for child, _ in children], [child for child, busy in children if busy])
        finally:
            self.guard.close()

    def require(self) -> None:
        """Refuse to ask nobody.

        Raises:
            AdapterError: every child is gone for good.
        """
        if not self.living:
            reason = self._last_loss or "was closed"
            raise AdapterError(f"{self.command.label}: no child is left to ask; the last one {reason}")

    def turn(self, taken: Callable[[Seat, bytes], None], lost: Callable[[Seat, str], None]) -> None:
        """Move bytes once, hand on every line, and look at clocks and processes.

        Args:
            taken: gets each line of a child that is ready.
            lost: is told of a child that is no more, and why.
        """
        exchange([seat.child for seat in self.living if seat.child], LOOK)
        for seat in self.living:
            self._look(seat, taken, lost)

    def restart(self, seat: Seat) -> bool:
        """Fill an empty seat once more; False when it was filled twice already, or cannot be."""
        if not seat.restarts:
            return False
        seat.restarts -= 1
        try:
            seat.child = Child(self.command, seat.index, self.guard)
        except ModelError as error:
            self._last_loss = str(error)
            return False
        return True

    def renew(self, seat: Seat) -> None:
        """Replace a child that still has requests of a call which was broken off.

        Raises:
            AdapterError: it cannot be started.
        """
        assert seat.child is not None
        seat.child.bury()
        seat.child, seat.ready = None, False
        seat.asked.clear()
        seat.waiting.clear()
        try:
            seat.child = Child(self.command, seat.index, self.guard)
        except ModelError as error:
            raise AdapterError(str(error)) from None

    def garbage(self, seat: Seat, problem: str) -> AdapterError:
        """What is raised when a child's channel cannot be trusted any more."""
        return AdapterError(f"{self.command.label}: the child {problem} (its stderr: {self._tail(seat)})")

    # --- the life of a child ---------------------------------------------------------------------------------------

    def _greet(self) -> None:
        while not all(seat.ready for seat in self.seats):
            self.turn(self._too_early, self._stillborn)

    def _too_early(self, seat: Seat, line: bytes) -> None:
        problem = "wrote a second line before it was asked anything; answer requests only, print to stderr"
        raise ModelError(str(self.garbage(seat, problem)))

    def _stillborn(self, seat: Seat, reason: str) -> None:
        raise ModelError(f"{self.command.label}: the child {reason}; try the command by itself")

    def _look(self, seat: Seat, taken: Callable[[Seat, bytes], None], lost: Callable[[Seat, str], None]) -> None:
        child = seat.child
        assert child is not None
        ended = child.ended
        if ended:
            child.drain()  # what it said before it went counts
        while child.lines:
            line = child.lines.popleft()
            if seat.ready:
                taken(seat, line)
            elif (problem := self._introduced(seat, line)) is not None:
                self._lose(seat, problem, lost)
                return
        if child.too_long:
            raise self.garbage(seat, "wrote a line of more than 16 MiB; an answer is one short line")
        if ended:
            self._lose(seat, None, lost)
        elif (problem := self._late(seat, child)) is not None:
            self._lose(seat, problem, lost)

    def _introduced(self, seat: Seat, line: bytes) -> str | None:
        try:
            hello = read_hello(line)
        except LineError as error:
            return f"cannot be used: {error}"
        if self.hello not in (None, hello):
            return f"introduced itself as {hello}, another one as {self.hello}; all must be the same model"
        self.hello = hello
        seat.ready = True
        seat.restart_clock()
        return None

    def _late(self, seat: Seat, child: Child) -> str | None:
        command, now = self.command, time.monotonic()
        if not seat.ready and now - child.started > command.start:
            return (
                f"wrote no first line in {command.start:g} s and was killed; give it longer with "
                f"?start={2 * command.start:g}, or see whether it flushes stdout"
            )
        if seat.asked and now - seat.since > command.timeout:
            return (
                f"gave no answer in {command.timeout:g} s with {len(seat.asked)} requests open and was killed; give it "
                f"longer with ?timeout={2 * command.timeout:g}, or see whether it flushes stdout"
            )
        return None

    def _lose(self, seat: Seat, problem: str | None, lost: Callable[[Seat, str], None]) -> None:
        assert seat.child is not None
        ended = seat.child.bury()
        before = "" if seat.ready else " before its first line"
        reason = f"{problem or ended + before} (its stderr: {self._tail(seat)})"
        seat.child, seat.ready, self._last_loss = None, False, reason
        lost(seat, reason)

    def _tail(self, seat: Seat) -> str:
        assert seat.child is not None
        return seat.child.stderr_tail()
