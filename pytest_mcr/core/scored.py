"""Answers with a confidence, as arrays: what every calibration number is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.clusters import Clusters, Floats, Mask
from pytest_mcr.core.panel import Cell, Panel

ONE_CONFIDENCE = "every answer has the same confidence"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The answers of a task under one condition that have a confidence; arrays of shape (n,).

    Attributes:
        clips: each answer's cluster, numbered over all tasks.
        confidence: of the given answer, in [0, 1].
        right: 1 where the answer is the gold answer, else 0.
        log_loss: -log p of the gold answer in nats, NaN where the gold answer has no score.
        brier: squared distance of the candidates' probabilities from the gold answer, NaN likewise.
    """

    clips: Clusters
    confidence: Floats
    right: Floats
    log_loss: Floats
    brier: Floats

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def note(self) -> str | None:
        """What a reader has to know about numbers that rank or group these answers."""
        return ONE_CONFIDENCE if len(self) > 1 and np.ptp(self.confidence) == 0 else None


def has_confidence(cell: Cell) -> Mask:
    """Which samples gave an answer with a confidence: flagged, unparsed and failed cases have none."""
    return cell.answered & ~np.isnan(cell.confidence)


def scored(panel: Panel, condition: str, among: Mask | None = None) -> Scored:
    """The scored answers of a task under a condition.

    Args:
        panel: the task.
        condition: one that was reported.
        among: the samples to keep; all by default.
    """
    cell = panel.cells[condition]
    kept = has_confidence(cell) if among is None else has_confidence(cell) & among
    return Scored(
        clips=Clusters(panel.cluster[kept], panel.clusters),
        confidence=cell.confidence[kept],
        right=cell.right[kept].astype(np.float64),
        log_loss=cell.log_loss[kept],
        brier=cell.brier[kept],
    )


def together(panels: Sequence[Panel]) -> dict[str, Scored]:
    """The scored answers of all tasks by condition; nothing for a condition without any."""
    found: dict[str, Scored] = {}
    for condition in CONDITIONS:
        parts = [scored(panel, condition) for panel in panels if condition in panel.cells]
        if sum(map(len, parts)):
            found[condition] = Scored(
                clips=Clusters(np.concatenate([part.clips.cluster for part in parts]), parts[0].clips.clusters),
                confidence=np.concatenate([part.confidence for part in parts]),
                right=np.concatenate([part.right for part in parts]),
                log_loss=np.concatenate([part.log_loss for part in parts]),
                brier=np.concatenate([part.brier for part in parts]),
            )
    return found
