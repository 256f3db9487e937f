"""``exec:COMMAND``: a model in a child process, in any environment and language, that speaks JSON lines.

The protocol is ``pytest-mcr/1``, described in ``docs/adapters/exec.md``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pytest_mcr.errors import AdapterError
from pytest_mcr.models.process_call import Call, Dealer
from pytest_mcr.models.process_clips import ClipFolder
from pytest_mcr.models.process_command import Command
from pytest_mcr.models.process_lines import PROTOCOL
from pytest_mcr.models.process_pool import Pool
from pytest_mcr.models.protocol import Request, Response


class ProcessModel:
    """A model behind child processes, which are started at once.

    Args:
        command: what to start, and the limits.

    Raises:
        ModelError: a child cannot be started, or does not introduce itself in time and form.

    Attributes:
        name: as the children call themselves.
        sample_rate: Hz that they want audio in, None for each clip's own rate.
        notes: restarts, a line each.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._pool = Pool(command, first=_first_index(command.workers))
        self._dealer = Dealer(self._pool)
        self._clips = ClipFolder()
        self._pool.guard.remove(self._clips.folder)
        self._broken: AdapterError | None = None
        assert self._pool.hello is not None
        hello = self._pool.hello
        self.name = hello.name
        self.sample_rate = hello.sample_rate
        self.notes = self._pool.notes
        self._fingerprint = f"exec/1 {command.text} {hello.fingerprint}"
        self.traits: Mapping[str, object] = MappingProxyType(
            {"family": "exec", "protocol": PROTOCOL, "command": command.text, "children": command.workers}
        )

    def fingerprint(self) -> str:
        """The command and the fingerprint that the children gave."""
        return self._fingerprint

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Ask the children: those of one clip the same child, several clips at once.

        What a child got wrong about one request, or could not answer because it crashed twice, is that request's
        error.

        Raises:
            AdapterError: a child wrote what cannot be attributed to any request, or none is left.
        """
        if self._broken is not None:
            raise self._broken
        for seat in self._pool.living:
            if seat.load:
                self._pool.renew(seat)  # a call before was broken off, and its answers must not pass for ours
        self._pool.require()
        try:
            return Call(self._pool, self._dealer, self._clips, requests).run()
        except AdapterError as error:
            self._broken = error
            raise

    def close(self) -> None:
        """End the children, within a bounded time, and remove the clips."""
        try:
            self._pool.close()
        finally:
            self._clips.close()


def _first_index(workers: int) -> int:
    """The first child's number, which no other pytest-xdist worker of this run uses."""
    number = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    return int(number[1]) * workers if number else 0
