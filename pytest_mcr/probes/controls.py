"""Matched controls of a knockout: other keys, as many or of as much attention, drawn again and again from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.probes.spans import Spans


def generator(seed: int, clip: str, draw: int) -> np.random.Generator:
    """A generator of its own for each clip and draw, the same in every process.

    Args:
        seed: of the run.
        clip: name of the clip.
        draw: number of the draw.
    """
    digest = hashlib.sha256(clip.encode()).digest()
    return np.random.default_rng([seed, draw, int.from_bytes(digest[:8], "big")])


def as_many(pool: Sequence[int], count: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Keys drawn without replacement; all of them where there are not so many.

    Args:
        pool: positions to draw from.
        count: of keys.
        rng: from `generator`.
    """
    chosen = rng.choice(np.array(pool, dtype=np.int64), min(count, len(pool)), replace=False)
    return tuple(sorted(int(place) for place in chosen))


def as_much(pool: Sequence[int], mass: NDArray[np.float64], wanted: float, rng: np.random.Generator) -> tuple[int, ...]:
    """Keys drawn without replacement until their attention is as near to a wanted mass as the order allows.

    Args:
        pool: positions to draw from.
        mass: attention on each position, shape (tokens,).
        wanted: mass to reach; all keys are taken where they have less together.
        rng: from `generator`.
    """
    order = rng.permutation(np.array(pool, dtype=np.int64))
    totals = np.concatenate([[0.0], mass[order].cumsum()])
    count = int(np.abs(totals - wanted).argmin())
    return tuple(sorted(int(place) for place in order[:count]))


def words(spans: Spans) -> tuple[int, ...]:
    """Keys of instruction and question: neither sinks nor the last position."""
    return (*spans.template, *spans.question)


def others(spans: Spans) -> tuple[int, ...]:
    """All keys but the text's, sinks and the last position."""
    return (*words(spans), *spans.audio)
