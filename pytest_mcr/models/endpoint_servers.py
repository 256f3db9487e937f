"""Which server a request goes to: always the same for a clip, as long as that server answers. Pure but for the clock.

A server keeps what it computed about a clip (vLLM: one prefix cache a data-parallel rank), so all questions about the
clip go where the first went. A server that fails several times in a row is left alone for a while (circuit breaker),
and its clips go to the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

FAILURES: Final = 5
"""Failures in a row after which a server is left alone."""
PAUSE: Final = 15.0
"""Seconds that a server is left alone; then a single request tries it."""


def preference(digest: str, urls: Sequence[str]) -> list[str]:
    """Servers in the order in which a clip prefers them (rendezvous hashing).

    Every clip has an order of its own, so that the clips of a server that is gone spread over all the others, and the
    clips of those stay where they are.

    Args:
        digest: of the clip.
        urls: of the servers, in any order.
    """
    return sorted(urls, key=lambda url: hashlib.sha256(f"{url}\n{digest}".encode()).digest())


class Breaker:
    """The circuit breaker of one server.

    Attributes:
        last: why the last request failed, None if it did not.
    """

    def __init__(self) -> None:
        self.last: str | None = None
        self._failures = 0
        self._until: float | None = None  # left alone until then; None: in use
        self._trial = False

    @property
    def trying(self) -> bool:
        """Whether a request tries a server that was left alone; its outcome is worth waiting for."""
        return self._trial

    def opens_at(self, now: float) -> float | None:
        """When a request may be sent: now or later; None while a trial is under way."""
        if self._until is None:
            return now
        return None if self._trial else max(now, self._until)

    def begin(self) -> None:
        """A request is sent; to a server that was left alone it is a trial, and no other is sent meanwhile."""
        self._trial = self._until is not None

    def succeed(self) -> None:
        """The server answered."""
        self.last, self._failures, self._until, self._trial = None, 0, None, False

    def fail(self, why: str, now: float) -> None:
        """The server did not answer."""
        self.last = why
        self._failures += 1
        if self._trial or self._failures >= FAILURES:
            self._until = now + PAUSE
        self._trial = False

    def forget(self) -> None:
        """A request was given up by us: it says nothing about the server."""
        self._trial = False


class Servers:
    """The servers of a model.

    Args:
        urls: of the servers.
        budget: seconds without an answer from any of them after which nothing is tried again.
        clock: seconds, monotonic.
    """

    def __init__(self, urls: Sequence[str], budget: float, clock: Callable[[], float]) -> None:
        self.urls = tuple(urls)
        self.breakers = {url: Breaker() for url in urls}
        self._budget = budget
        self._clock = clock
        self._silent_since: float | None = None

    def pick(self, digest: str, tries: Mapping[str, int]) -> str | None:
        """The server for a request, None when all are left alone.

        Args:
            digest: of the clip.
            tries: how often this request was sent to each server.
        """
        now = self._clock()
        free = [url for url in preference(digest, self.urls) if self.breakers[url].opens_at(now) == now]
        return min(free, key=lambda url: tries.get(url, 0), default=None)  # the first of equals: the preferred

    def pause(self) -> float:
        """Seconds until a server may be tried again; a trial under way is looked at often."""
        now = self._clock()
        times = [breaker.opens_at(now) for breaker in self.breakers.values()]
        return min((time - now for time in times if time is not None), default=0.1)

    def answered(self, url: str) -> None:
        """A server answered, so the silence is over."""
        self.breakers[url].succeed()
        self._silent_since = None

    def failed(self, url: str, why: str, *, alive: bool) -> None:
        """A request failed.

        Args:
            url: of the server.
            why: one line.
            alive: the server itself is well: it asked to wait.
        """
        now = self._clock()
        if self._silent_since is None:
            self._silent_since = now
        if alive:
            self.breakers[url].succeed()
            self.breakers[url].last = why
        else:
            self.breakers[url].fail(why, now)

    @property
    def patience(self) -> float:
        """Seconds for which failed requests may still be tried again; 0 when the budget is used up."""
        silent = 0.0 if self._silent_since is None else self._clock() - self._silent_since
        return max(0.0, self._budget - silent)

    @property
    def trying(self) -> bool:
        """Whether a server that was left alone is being tried."""
        return any(breaker.trying for breaker in self.breakers.values())

    def complaint(self) -> str:
        """Each server with its last failure."""
        return "; ".join(f"{url}: {breaker.last or 'no failure'}" for url, breaker in self.breakers.items())
