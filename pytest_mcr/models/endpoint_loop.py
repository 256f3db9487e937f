"""An event loop in a thread of its own, so that a synchronous caller in any thread can wait for asynchronous work.

A loop of the caller's (pytest-asyncio, anyio, a notebook) is neither used nor disturbed, and connections outlive a
call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future, wait
from typing import Any, Final, TypeVar

T = TypeVar("T")
CLOSING: Final = 10.0
"""Seconds that closing may take."""
TICK: Final = 0.25
"""Seconds after which a waiting thread looks up: where a signal does not wake it, Ctrl-C is still seen."""
NAME: Final = "mcr-endpoint"


class LoopThread:
    """A thread that runs an event loop until `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=NAME, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work in the loop and wait for it; Ctrl-C in the waiting thread cancels it.

        Raises:
            BaseException: what the work raises.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while not wait([future], TICK).done:
                pass
            return future.result()
        except BaseException:
            self._cancel(future)
            raise

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Cancel all work, do a last thing, and end the thread; takes at most `CLOSING` seconds. May be called again.

        Args:
            last: closes what belongs to the loop.
        """
        if self._loop.is_closed():
            return
        future = asyncio.run_coroutine_threadsafe(_wind_up(last), self._loop)
        try:
            future.result(CLOSING)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSING)
            if not self._thread.is_alive():
                self._loop.close()

    def _cancel(self, future: Future[Any]) -> None:
        """Cancel work that nobody waits for any more, and let it end: its connections are given back."""
        if not future.done():
            future.cancel()
            settled = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop)
            settled.result(CLOSING)


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things at once; when one of them fails, the others are given up.

    Returns:
        What each returned, in order.

    Raises:
        BaseException: what the first to fail raised.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _wind_up(last: Callable[[], Awaitable[None]]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last()
