"""Chunks: contiguous runs of whole samples in the final test list, the unit of computing and of scheduling.

Everything is derived from node ids and the names of the tasks, so that the controller of a distributed run, which
holds no items, cuts the same chunks as its workers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.models.endpoint_target import concurrency_of
from pytest_mcr.models.spec import Spec

CHUNK_CASES: Final = 32
"""Cases a chunk holds at the least (the last sample is kept whole): eight samples with four conditions."""
ROUNDS: Final = 4
"""Times that a chunk fills all places of an endpoint: at its end they run empty, since a chunk is waited for."""
LARGEST: Final = 512
"""Cases a chunk grows to: each request holds its samples, 2 MB for 30 s at 16 kHz."""


def case_in(node_id: str, tasks: tuple[str, ...]) -> tuple[str, str] | None:
    """The (sample id, condition) that a node id was parametrized with, None for a test that has no case.

    Args:
        node_id: of any test; a user's own may have other parameters before and after the case.
        tasks: of the data; a task's name may hold hyphens, as the parameters' separator is one.
    """
    found = _pattern(tasks).search(node_id)
    return (found["sample"], found["condition"]) if found else None


@lru_cache(maxsize=8)
def _pattern(tasks: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(task) for task in sorted(tasks, key=len, reverse=True))
    return re.compile(
        rf"\[(?:[^\]]*?-)??(?P<sample>(?:{names})-\d{{4,}})-(?P<condition>{'|'.join(CONDITIONS)})(?:-[^\]]*)?\]$"
    )


def chunk_size(spec: Spec) -> int:
    """Cases a chunk of this model holds at the least: a server that answers many at once is not kept waiting."""
    if spec.scheme != "openai":
        return CHUNK_CASES
    return min(max(CHUNK_CASES, ROUNDS * concurrency_of(spec)), LARGEST)


def plan_chunks(node_ids: Iterable[str], tasks: tuple[str, ...], size: int = CHUNK_CASES) -> list[list[str]]:
    """Cut a test list into chunks.

    Args:
        node_ids: the final list, in order.
        tasks: of the data.
        size: cases after which a chunk is closed at the next change of sample.

    Returns:
        The same ids in the same order; a test without a case is a chunk of its own.
    """
    chunks: list[list[str]] = []
    last: tuple[str, str] | None = None  # (test function, sample) of the id before
    open_chunk = False
    for node_id in node_ids:
        case = case_in(node_id, tasks)
        here = (node_id.partition("[")[0], case[0]) if case else None
        fits = open_chunk and here is not None and last is not None and here[0] == last[0]
        if fits and (here == last or len(chunks[-1]) < size):
            chunks[-1].append(node_id)
        else:
            chunks.append([node_id])
        open_chunk, last = case is not None, here
    return chunks


def cases_of(chunk: Sequence[str], tasks: tuple[str, ...]) -> list[tuple[str, str]]:
    """The (sample id, condition) pairs of a chunk, each once, in order."""
    return list(dict.fromkeys(case for node_id in chunk if (case := case_in(node_id, tasks))))
