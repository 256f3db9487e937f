"""Seeded subsets of a run: which samples the placebo asks again, in which order the canary takes its clips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, Case, Sample

PLACEBO_SAMPLES: Final = 60
"""Samples a task that are also asked in the template's second wording."""


def placebo_id(case: Case) -> str:
    """Request id of the control that rides along with a neutral case."""
    return f"{case.id}::placebo.0"


def placebo_subset(samples: Sequence[Sample], seed: int) -> frozenset[str]:
    """The first 60 samples of each task in a seeded order."""
    by_task: dict[str, list[str]] = {}
    for sample in samples:
        by_task.setdefault(sample.task, []).append(sample.id)
    return frozenset(
        sample_id
        for ids in by_task.values()
        for sample_id in sorted(ids, key=lambda name: seeded(seed, "placebo", name))[:PLACEBO_SAMPLES]
    )


def seeded(seed: int, purpose: str, name: str) -> str:
    """A key that sorts names in an order fixed by seed and purpose."""
    return hashlib.sha256(f"{seed}:{purpose}:{name}".encode()).hexdigest()


def dominance_subset(samples: Sequence[Sample], seed: int, most: int) -> list[tuple[int, Sample]]:
    """The first samples of each task that have an adversarial text, in a seeded order, each with its place in it."""
    by_task: dict[str, list[Sample]] = {}
    for sample in samples:
        if ADVERSARIAL in sample.texts:
            by_task.setdefault(sample.task, []).append(sample)
    return [
        (place, sample)
        for mine in by_task.values()
        for place, sample in enumerate(sorted(mine, key=lambda one: seeded(seed, "dominance", one.id))[:most])
    ]
