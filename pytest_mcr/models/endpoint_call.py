"""One question to whichever server answers it: concurrency, tries, waits, and an end to them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pytest_mcr.models.endpoint_http import HttpError, Wire
from pytest_mcr.models.endpoint_key import ApiKey
from pytest_mcr.models.endpoint_reply import Reply, ReplyError, read_reply
from pytest_mcr.models.endpoint_retry import wait
from pytest_mcr.models.endpoint_servers import Servers
from pytest_mcr.models.endpoint_target import Target


class CallError(Exception):
    """A question that got no answer; the message is one line that names the server and what to do.

    Attributes:
        status: of the last reply, None when there was none.
        again: another try may help.
        asked: seconds that the server asked to wait.
    """

    def __init__(self, message: str, *, status: int | None, again: bool, asked: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.again = again
        self.asked = asked


class Caller:
    """Asks the servers; belongs to one event loop.

    Args:
        target: the limits.
        key: must not come back in an answer.
        wire: connections.
        servers: who is asked.
        draw: uniform in [0, 1), for the waits.
    """

    def __init__(
        self, target: Target, key: ApiKey, wire: Wire, servers: Servers, draw: Callable[[], float] = random.random
    ) -> None:
        self._target = target
        self._key = key
        self._wire = wire
        self._servers = servers
        self._draw = draw
        self._slots = asyncio.Semaphore(target.concurrency)

    async def ask(self, make: Callable[[], Mapping[str, Any]], digest: str) -> Reply:
        """Ask until there is an answer, or no more hope of one.

        Args:
            make: the body; built when it is sent, because bodies are large.
            digest: of the clip; questions of one clip go to one server.

        Raises:
            CallError: no answer.
        """
        tries: Counter[str] = Counter()
        while True:
            failure: CallError | None = None
            async with self._slots:  # a request that waits for another try leaves its place to others
                url = self._servers.pick(digest, tries)
                if url is not None:
                    try:
                        return await self._once(url, make())
                    except CallError as error:
                        failure = error
            if url is None or failure is None:
                await self._wait_for_a_server()
            else:
                tries[url] += 1
                await self._wait_for_another_try(failure, tries, digest)

    async def _once(self, url: str, body: Mapping[str, Any]) -> Reply:
        breaker = self._servers.breakers[url]
        breaker.begin()
        try:
            reply = read_reply(await self._wire.complete(url, body), self._target.model, self._target.served)
            if self._key.is_in(reply.text):
                raise ReplyError("the answer holds the API key; it is not kept", passing=False)
        except HttpError as error:
            self._note(url, str(error), again=error.again, alive=error.alive)
            raise CallError(f"{url}: {error}", status=error.status, again=error.again, asked=error.asked) from None
        except ReplyError as error:
            said = self._key.hide(str(error))
            self._note(url, said, again=error.passing, alive=False)
            raise CallError(f"{url}: {said}", status=200, again=error.passing) from None
        except BaseException:
            breaker.forget()
            raise
        self._servers.answered(url)
        return reply

    def _note(self, url: str, why: str, *, again: bool, alive: bool) -> None:
        if again:
            self._servers.failed(url, why, alive=alive)
        else:
            self._servers.answered(url)  # it said no, which is its answer

    async def _wait_for_a_server(self) -> None:
        patience = self._servers.patience
        if patience <= 0 and not self._servers.trying:
            raise CallError(
                f"no server answers ({self._servers.complaint()}); nothing is tried again after "
                f"{self._target.budget:g} s without an answer (?budget=S); restart the server and type the same "
                "command again",
                status=None,
                again=False,
            )
        await asyncio.sleep(min(max(self._servers.pause(), 0.01), patience or 0.1))

    async def _wait_for_another_try(self, failure: CallError, tries: Counter[str], digest: str) -> None:
        if not failure.again:
            raise failure
        patience, count = self._servers.patience, tries.total()
        if count > self._target.retries:
            raise _ended(failure, f"tried {count} times; ?retries=N allows more")
        if patience <= 0:
            raise _ended(failure, f"no server has answered for {self._target.budget:g} s; ?budget=S allows more")
        other = self._servers.pick(digest, tries)
        if other is None or tries[other]:
            await asyncio.sleep(min(wait(count, self._draw(), failure.asked), patience))


def _ended(failure: CallError, why: str) -> CallError:
    return CallError(f"{failure} ({why})", status=failure.status, again=False)
