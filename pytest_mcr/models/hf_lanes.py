"""Lanes: a small model that answers several batches side by side on a CPU, each lane in a thread of its own.

The matrix products of a small model are too short to be cut over threads: two threads on one product are slower than
one. Two products side by side are not. Weights are shared; everything that a forward pass writes to is a lane's own.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import chain
from typing import Any, Final

import torch

SMALL: Final = 50_000_000
"""Parameters up to which a model on a CPU has a lane a thread, instead of all threads on each product."""

Job = Callable[[int], None]
"""Is called with the number of the lane that it runs in."""


def lanes_for(model: Any, device: torch.device, threads: int) -> int:
    """How many lanes a model is given: one, or one a thread for a small model on a CPU."""
    if device.type != "cpu":
        return 1
    return threads if sum(parameter.numel() for parameter in model.parameters()) <= SMALL else 1


def replica(model: Any) -> Any:
    """The same weights in modules of their own, with a configuration of their own: a forward pass may change both."""
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, shared)


class Lanes:
    """Threads that work off jobs, the caller's among them.

    Args:
        count: of lanes; 1 for the caller's thread alone.
        begin: called once in every other thread, before its first job.
    """

    def __init__(self, count: int, begin: Callable[[], None] = lambda: None) -> None:
        self.count = count
        self._begin = begin
        self._threads: ThreadPoolExecutor | None = None

    def run(self, jobs: Sequence[Job]) -> None:
        """Run every job once, in order as lanes become free; the caller's thread is lane 0.

        Raises:
            BaseException: what a job raised. Jobs that were not begun by then are not run; those that were are over
                when this is raised.
        """
        queue = deque(jobs)

        def work(lane: int) -> None:
            while queue:
                try:
                    job = queue.popleft()
                except IndexError:  # another lane took the last
                    return
                try:
                    job(lane)
                except BaseException:
                    queue.clear()
                    raise

        others = [self._pool().submit(work, lane) for lane in range(1, min(self.count, len(jobs)))]
        try:
            work(0)
        finally:
            wait(others)
        for other in others:
            other.result()

    def close(self) -> None:
        """End the threads."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.count - 1, "mcr-lane", initializer=self._begin)
        return self._threads
