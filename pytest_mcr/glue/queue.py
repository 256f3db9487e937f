"""What a worker will run next: a look into the queue that xdist fills, so that its clips can be prepared ahead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def waiting(session: pytest.Session) -> Iterator[str]:
    """Node ids of the tests that wait in this worker, in order; none where xdist does not show its queue.

    The queue (``WorkerInteractor.torun``, xdist 3.8) is public to workers and holds positions in ``session.items``.
    """
    for plugin in session.config.pluginmanager.get_plugins():
        queue = getattr(plugin, "torun", None)
        if queue is None or not hasattr(queue, "lock"):
            continue
        with queue.lock() as held:
            positions = [position for position in held if isinstance(position, int)]
        yield from (session.items[position].nodeid for position in positions)
