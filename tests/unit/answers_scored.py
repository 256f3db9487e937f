"""Planted answers with a confidence, for the tests of calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pytest_mcr.core.case import NEUTRAL, Outcome
from pytest_mcr.core.clusters import Clusters
from pytest_mcr.core.scored import Scored
from tests.unit.outcomes import OTHER, RIGHT, planted


def answers(confidence: ArrayLike, right: ArrayLike, clips: Sequence[int] | None = None) -> Scored:
    """Answers of one task, one a clip unless said otherwise."""
    sure = np.asarray(confidence, dtype=np.float64)
    codes = np.arange(len(sure)) if clips is None else np.asarray(clips)
    unknown = np.full(len(sure), np.nan)
    rights = np.asarray(right, dtype=np.float64)
    return Scored(Clusters(codes.astype(np.int64), int(codes.max()) + 1), sure, rights, unknown, unknown)


def asked(
    confidence: Sequence[float], right: Sequence[bool], condition: str = NEUTRAL, task: str = "VSC"
) -> list[Outcome]:
    """The outcomes of a condition, one a clip."""
    return [
        planted(row, condition, RIGHT if hit else OTHER, task=task, confidence=float(sure))
        for row, (sure, hit) in enumerate(zip(confidence, right, strict=True))
    ]
