"""The nouns of the benchmark: sample, condition, case, verdict, observation.

A *sample* is one clip with its question, gold answer and texts. A *case* is a sample under one *condition* and is one
pytest test. An *observation* is what one case gave. Everything here is immutable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

NEUTRAL: Final = "neutral"
FAITHFUL: Final = "faithful"
ADVERSARIAL: Final = "adversarial"
IRRELEVANT: Final = "irrelevant"
PLACEBO: Final = "placebo"
"""A control, not a condition: the neutral question in a second wording of the same template."""

CONDITIONS: Final = (NEUTRAL, FAITHFUL, ADVERSARIAL, IRRELEVANT)
TASK_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


class Verdict(StrEnum):
    """How an answer relates to the audio's label (gold) and to the text's label."""

    AUDIO = "audio"  #: the gold answer
    TEXT = "text"  #: the label that the text supports
    OTHER = "other"  #: another candidate
    FLAGGED = "flagged"  #: says that text and audio disagree and commits to no label
    UNPARSED = "unparsed"  #: no label can be read off the answer
    ERROR = "error"  #: no answer was obtained; never a score


def sample_id(task: str, position: int) -> str:
    """Name a sample by its position in its task's file, e.g. ``SER-0042``."""
    return f"{task}-{position:04d}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One clip with its question, gold answer and texts.

    Attributes:
        id: ``TASK-NNNN``, position in the task's file from 0.
        audio: path relative to the data root, with forward slashes.
        question: the neutral question.
        texts: text by condition; holds no ``neutral``, and no condition that the data lacks.
        candidates: the closed answer set in the order in which it is shown; empty when open-ended.
        text_labels: the label that each text supports, by condition; absent where unknown.
        complete: the texts are whole prompts (template ``raw``), not descriptions.
        where: file and record, for messages.
    """

    id: str
    task: str
    audio: str
    question: str
    gold: str
    texts: Mapping[str, str]
    candidates: tuple[str, ...] = ()
    text_labels: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    source_id: str | None = None
    source: str | None = None
    split_group: str | None = None
    where: str = ""

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions this sample has, in the canonical order; ``neutral`` always."""
        return tuple(c for c in CONDITIONS if c == NEUTRAL or c in self.texts)

    @property
    def clip(self) -> str:
        """What is known of the sample's cluster before its clip is decoded: ``split_group``, else the sound file."""
        return self.split_group or self.audio


@dataclass(frozen=True, slots=True)
class Case:
    """A sample under one condition: one pytest test."""

    sample: Sample
    condition: str

    @property
    def id(self) -> str:
        """The case id, e.g. ``SER-0042-adversarial``."""
        return f"{self.sample.id}-{self.condition}"

    @property
    def text_label(self) -> str | None:
        """The label that the text of this case supports, None where unknown or neutral."""
        return self.sample.text_labels.get(self.condition)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one case gave: a line of ``cases.jsonl``, and the cluster it belongs to.

    Attributes:
        cluster: ``split_group`` if the data gives one, else the digest of the decoded audio (its path if undecodable).
        answer: the candidate the answer was matched to (open-ended: the gold or text label, or the raw text),
            None for flagged, unparsed and error.
        raw: the model's text, unchanged.
        confidence: softmax over the candidates' scores at the given answer, in [0, 1], or as ``--mcr-confidence`` has
            it.
        scores: sum of log p in nats by candidate, None where the model gives none.
        seconds: wall time of the chunk divided by its cases.
        error: one line; set exactly when the verdict is ``error``.
        lengths: tokens that each score is summed over; None where the model does not say.
    """

    id: str
    task: str
    sample: str
    source_id: str | None
    condition: str
    audio: str
    prompt: str
    gold: str
    text_label: str | None
    answer: str | None
    raw: str | None
    verdict: Verdict
    confidence: float | None
    scores: Mapping[str, float] | None
    seconds: float
    cached: bool
    error: str | None
    cluster: str
    candidates: tuple[str, ...] = ()
    lengths: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the metrics keep of an observation (memory stays flat: no prompt, no raw text, no scores).

    Attributes:
        condition: one of `CONDITIONS`, or `PLACEBO`.
        best: the best-scored candidate, None without scores.
        k: number of candidates, 0 when open-ended.
        log_loss: -log p of the gold answer under the softmax over the candidates, in nats; None without scores.
        brier: sum over the candidates of (p - [gold])^2, in [0, 2]; None without scores.
    """

    sample: str
    task: str
    condition: str
    cluster: str
    gold: str
    text_label: str | None
    answer: str | None
    verdict: Verdict
    confidence: float | None
    best: str | None
    k: int
    log_loss: float | None = None
    brier: float | None = None
