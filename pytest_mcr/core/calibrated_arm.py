"""Confidence before and after a calibration head, on the same answers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from pytest_mcr.core.calibration_rows import calibration_rows
from pytest_mcr.core.case import PLACEBO, Outcome
from pytest_mcr.core.confidence import confidences
from pytest_mcr.core.metrics import METRICS, Metric, rows_of
from pytest_mcr.core.panel import panels

RAW, CALIBRATED = "raw", "calibrated"
MEASURED: Final = ("mean_confidence", "overconfidence", "auroc", "ece", "ece_floor", "brier", "aurc")
CURVE: Final = "risk"
"""Of the risk-coverage curve, a row a coverage."""
EXAMPLES: Final = 3
FOREIGN: Final = "head of another model"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a head says about one case.

    Attributes:
        id: of the case.
        sample: its sample.
        condition: of its text.
        confidence: calibrated probability that the answer is right; None where the answer has no confidence either,
            the head learned from the clip, or a branch failed.
        learned: the head learned from this clip.
        foreign: the head was fitted on another model's answers.
        error: why a branch has no scores.
    """

    id: str
    sample: str
    condition: str
    confidence: float | None = None
    learned: bool = False
    foreign: bool = False
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The case as builtins."""
        return asdict(self)

    @classmethod
    def from_json(cls, packed: Mapping[str, Any]) -> Calibrated:
        """The case that `to_json` packed."""
        return cls(**packed)


def arm_rows(outcomes: Sequence[Outcome], found: Sequence[Calibrated]) -> list[Metric]:
    """The numbers of raw and of calibrated confidence over the same answers, with the extra key ``arm``.

    The risk-coverage curve is among them, its rows with the key ``coverage`` as well.

    Args:
        outcomes: of the run.
        found: at most one a case; a case without a calibrated confidence is in neither arm.
    """
    known = {(one.sample, one.condition): one for one in found if one.confidence is not None}
    if not known:
        return []
    cases = [outcome for outcome in outcomes if outcome.condition != PLACEBO]
    note = FOREIGN if any(one.foreign for one in known.values()) else None
    rows: list[Metric] = []
    for arm in (RAW, CALIBRATED):
        changed = [_with(outcome, known.get((outcome.sample, outcome.condition)), arm) for outcome in cases]
        own = panels(changed)
        measured = rows_of([panel.task for panel in own], [confidences(panel) for panel in own])
        for row in (*measured, *calibration_rows(changed)):
            if row.metric == CURVE or (row.metric in MEASURED and not row.extra):
                notes = [text for text in (row.note, note if arm == CALIBRATED else None) if text]
                rows.append(replace(row, extra={"arm": arm, **row.extra}, note="; ".join(notes) or None))
    order = list(METRICS)
    places = {task: place for place, task in enumerate(dict.fromkeys(row.task for row in rows))}
    return sorted(rows, key=lambda row: (places[row.task], order.index(row.metric)))


def _with(outcome: Outcome, one: Calibrated | None, arm: str) -> Outcome:
    if one is None:
        return replace(outcome, confidence=None)
    return replace(outcome, confidence=one.confidence) if arm == CALIBRATED else outcome


def learned_from(found: Sequence[Calibrated]) -> list[str]:
    """A reason to distrust a run whose head learned from its clips; empty where it did not."""
    clips = sorted({one.sample for one in found if one.learned})
    if not clips:
        return []
    among = len({one.sample for one in found})
    named = ", ".join(clips[:EXAMPLES]) + (", ..." if len(clips) > EXAMPLES else "")
    return [
        f"calibration: the head of --mcr-calibration learned from {len(clips)} of the {among} clips of this run "
        f"({named}); fit it on other clips, or give --mcr-data that it has not seen"
    ]


def complaints(found: Sequence[Calibrated]) -> list[str]:
    """Cases that should have a calibrated confidence and have none."""
    lost = [one for one in found if one.error is not None]
    if not lost:
        return []
    first = min(lost, key=lambda one: one.id)
    return [
        f"calibration: {len(lost)} of {len(found)} cases have no calibrated confidence, e.g. {first.id}: {first.error}"
    ]
