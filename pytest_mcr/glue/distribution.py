"""Distribution over workers: whole chunks to one worker, one device a worker, CPU threads shared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

from pytest_mcr.glue import options
from pytest_mcr.run.chunks import CHUNK_CASES, plan_chunks

PLENTY: Final = 2
"""Open chunks a worker above which each may hold one ahead."""


def gpus() -> list[str]:
    """The GPUs this machine offers, as torch names them; counted without torch, which takes seconds to import."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name for name in visible.split(",") if name.strip()]
        return [f"cuda:{number}" for number in range(names.index("-1") if "-1" in names else len(names))]
    found = Path("/proc/driver/nvidia/gpus")
    return [f"cuda:{number}" for number, _ in enumerate(found.iterdir())] if found.is_dir() else []


class ChunkScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no type stubs
    """xdist's scope scheduler with our chunks as scopes, linear in the number of tests, and no poison chunk."""

    def __init__(self, config: pytest.Config, log: Any, tasks: tuple[str, ...], size: int) -> None:
        super().__init__(config, log)
        self._tasks = tasks
        self._size = size
        self._chunk_of: dict[str, str] = {}
        self._index_of: dict[str, int] = {}

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Cut the list into chunks when the first worker has collected; all workers collect the same."""
        if not self._chunk_of:
            chunks = plan_chunks(collection, self._tasks, self._size)
            self._chunk_of = {name: f"chunk {number}" for number, chunk in enumerate(chunks) for name in chunk}
            self._index_of = {name: number for number, name in enumerate(collection)}
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return self._chunk_of[nodeid]

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget a finished chunk: the base class scans all of them at every test."""
        name = self.registered_collections[node][item_index]
        scope = self._split_scope(name)
        unit = self.assigned_work[node][scope]
        unit[name] = True
        if all(unit.values()):
            del self.assigned_work[node][scope]
        self._reschedule(node)

    def _reschedule(self, node: Any) -> None:
        """Let a worker know the chunk after the next before it begins the next, so that it can prepare it meanwhile.

        A chunk is computed by its first test, so it has begun when one of its tests is done. Not near the end of the
        list: there the base class's way, a new chunk when two tests are left, spreads the rest more evenly.
        """
        plenty = len(self.workqueue) > PLENTY * len(self.assigned_work)
        fresh = sum(not any(unit.values()) for unit in self.assigned_work[node].values())
        if plenty and not node.shutting_down and fresh < 2:
            self._assign_work_unit(node)
        else:
            super()._reschedule(node)

    def _assign_work_unit(self, node: Any) -> None:
        """Look indices up instead of searching the list for each test."""
        scope, unit = self.workqueue.popitem(last=False)
        self.assigned_work.setdefault(node, {})[scope] = unit
        node.send_runtest_some([self._index_of[name] for name, completed in unit.items() if not completed])

    def remove_node(self, node: Any) -> str | None:
        """Give a dead worker's chunks to others, but not the one it died in: that would kill them, too."""
        workload = self.assigned_work.pop(node)
        unfinished = {scope: unit for scope, unit in workload.items() if not all(unit.values())}
        if not unfinished:
            return None
        deadly = unfinished.pop(next(iter(unfinished)))
        self.workqueue.update(unfinished)
        for other in self.assigned_work:
            self._reschedule(other)
        return next(str(name) for name, done in deadly.items() if not done)


class Distribution:
    """The hooks that xdist calls on the controller."""

    def __init__(
        self, config: pytest.Config, *, tasks: tuple[str, ...], local_model: bool, chunk: int = CHUNK_CASES
    ) -> None:
        self._config = config
        self._tasks = tasks
        self._chunk = chunk
        self._all = gpus() if local_model else []
        self._devices = list(self._all)
        self._without = "cpu" if self._all else None  # more workers than GPUs: never two models on one
        self._given: dict[str, str] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> ChunkScheduling | None:
        """Keep chunks together unless another mode was asked for."""
        if options.dist_mode(config) != "load":
            return None
        return ChunkScheduling(config, log, self._tasks, self._chunk)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand a free device and a share of the CPU threads to a worker."""
        workers = max(1, options.workers(node.config))
        device = self._devices.pop(0) if self._devices else self._without
        if device in self._all:
            self._given[node.gateway.id] = device
        node.workerinput["mcr"] = {"device": device, "threads": max(1, (os.cpu_count() or 1) // workers)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the device of a finished or dead worker back for its replacement."""
        device = self._given.pop(node.gateway.id, None)
        if device is not None:
            self._devices.append(device)
