"""A process that uses a response cache: ``python cache_worker.py WHAT FOLDER NAME``, started by the tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from pytest_mcr.models.protocol import Response
from pytest_mcr.run.cache import ResponseCache, open_cache

CHUNK = 8


def keys(name: str, chunk: int) -> list[str]:
    """Keys of the answers of a chunk."""
    return [f"{name}-{chunk}-{number}" for number in range(CHUNK)]


def answers(name: str, chunk: int) -> dict[str, Response]:
    """What a worker stores in a chunk; the labels' scores tell whose and which it is."""
    return {key: Response(f"{key} é", {key: float(chunk), "no": -0.1}) for key in keys(name, chunk)}


def clip(name: str, chunk: int) -> dict[str, str]:
    """The clip of a chunk."""
    return {f"{name}-{chunk}": f"digest of {name}-{chunk}"}


def whole(cache: ResponseCache, name: str, chunk: int) -> bool:
    """Whether a chunk is there; it must be there as a whole or not at all."""
    found = cache.get(keys(name, chunk))
    assert found in ({}, answers(name, chunk)), f"half a chunk: {found}"
    return bool(found)


def written(cache: ResponseCache, name: str) -> Iterator[int]:
    """Store chunk after chunk; yield the number of each once it is acknowledged."""
    for chunk in count():
        cache.put(clip(name, chunk), answers(name, chunk))
        if not cache.on:
            return
        yield chunk


def main(what: str, folder: Path, name: str) -> None:
    """Do one thing; print a chunk's number when it is stored, and the notes last."""
    if what == "together":
        sys.stdin.readline()  # all workers are up: now open at once
    cache = open_cache(folder, limit=None)
    if what == "full":
        import resource  # POSIX only

        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    for chunk in written(cache, name):
        print(chunk, flush=True)
        assert whole(cache, name, chunk)
        if what == "together" and chunk == 0:
            break
        if what == "share":
            for other in ("w0", "w1", "w2", "w3"):
                whole(cache, other, chunk)
            if chunk == 39:
                break
    print(json.dumps(cache.notes), flush=True)
    cache.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
