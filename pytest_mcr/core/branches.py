"""One clip through the four branches, and what their candidate scores say about it.

The branches: J (audio and a conflicting text), A (the same audio alone), T (the text over silence), 0 (silence). T and
0 may be given a second time without any audio, because silence and no audio are both unlike what a model was trained
on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

import numpy as np
from scipy.special import log_softmax as _log_softmax

from pytest_mcr.core.clusters import Floats

Scores = Mapping[str, float]
"""Sum of log p in nats by candidate."""
Number = TypeVar("Number", float, Floats)

BRANCHES: Final = ("joint", "audio", "text", "silence", "text_alone", "nothing")
LETTERS: Final[Mapping[str, str]] = {
    "joint": "J",
    "audio": "A",
    "text": "T",
    "silence": "0",
    "text_alone": "T without audio",
    "nothing": "0 without audio",
}
"""The branches' names in messages and docs."""


@dataclass(frozen=True, slots=True)
class FusionTrial:
    """A sample's candidate scores in each branch.

    Attributes:
        sample: unique within its task.
        task: the task.
        cluster: the clip (see `Observation.cluster`).
        gold: the answer that the audio supports, y_a.
        text_label: the answer that the text supports, y_t, other than gold; None where unknown: no margin then.
        joint: J, audio and text; None, here as below, where the branch failed or was not asked.
        audio: A, audio alone.
        text: T, the text over silence.
        silence: 0, silence alone.
        text_alone: T without any audio.
        nothing: 0 without any audio.

    Raises:
        ValueError: the text label is the gold, or a branch's scores lack a label, are not finite or name other
            candidates than the other branches; one line that names sample and branch.
    """

    sample: str
    task: str
    cluster: str
    gold: str
    text_label: str | None
    joint: Scores | None = None
    audio: Scores | None = None
    text: Scores | None = None
    silence: Scores | None = None
    text_alone: Scores | None = None
    nothing: Scores | None = None

    def __post_init__(self) -> None:
        if self.text_label == self.gold:
            raise ValueError(
                f"sample {self.sample}: the text's label {self.gold!r} is the gold, so there is no conflict"
            )
        labels = [label for label in (self.gold, self.text_label) if label is not None]
        candidates: frozenset[str] | None = None
        for name in BRANCHES:
            scores = self.branch(name)
            if scores is None:
                continue
            where = f"sample {self.sample}, branch {LETTERS[name]}"
            _check(where, scores, labels)
            if candidates is not None and candidates != scores.keys():
                raise ValueError(f"{where}: scores {sorted(scores)}, other branches {sorted(candidates)}")
            candidates = frozenset(scores)

    def branch(self, name: str) -> Scores | None:
        """The scores of one of `BRANCHES`."""
        scores: Scores | None = getattr(self, name)
        return scores

    def margin(self, name: str) -> float:
        """M of a branch, NaN where the branch or the text's label is missing."""
        scores = self.branch(name)
        return math.nan if scores is None or self.text_label is None else margin(scores, self.gold, self.text_label)


def _check(where: str, scores: Scores, labels: list[str]) -> None:
    for label in labels:
        if label not in scores:
            raise ValueError(f"{where}: no score for {label!r}, only for {', '.join(map(repr, scores))}")
    for candidate, score in scores.items():
        if not math.isfinite(score):
            raise ValueError(f"{where}: the score of {candidate!r} is {score}, not a finite number of nats")


def margin(scores: Scores, gold: str, text_label: str) -> float:
    """``M = s(y_a) - s(y_t)`` in nats: above 0 the audio's answer wins over the text's.

    The same for raw scores and for their log-softmax over the candidates (arXiv 2606.05161 calls it the margin).
    """
    return scores[gold] - scores[text_label]


def log_softmax(scores: Scores) -> dict[str, float]:
    """Log-probabilities within the candidate set, in nats."""
    normalised = _log_softmax(np.array(list(scores.values()), dtype=np.float64))
    return dict(zip(scores, normalised.tolist(), strict=True))


def entropy(scores: Scores) -> float:
    """Entropy of the candidates' softmax in nats, in [0, log K]."""
    logs = _log_softmax(np.sort(np.array(list(scores.values()), dtype=np.float64)))
    return max(float(-(np.exp(logs) @ logs)), 0.0)


def best(scores: Scores) -> str | None:
    """The best-scored candidate; None where two tie for it: the branch then gives no answer."""
    top = max(scores.values())
    winners = [candidate for candidate, score in scores.items() if score == top]
    return winners[0] if len(winners) == 1 else None


class Quadrant(StrEnum):
    """What the text did to a clip, by the signs of M_A and M_J; a margin of 0 counts as lost for the audio."""

    ROBUST = "robust"  #: M_A > 0, M_J > 0: heard, and kept against the text
    REPAIRABLE = "repairable"  #: M_A > 0, M_J <= 0: heard, and given up for the text
    UNHEARD = "unheard"  #: M_A <= 0, M_J <= 0: never heard
    RESCUED = "rescued"  #: M_A <= 0, M_J > 0: right only with the conflicting text; noise


def quadrant(audio: float, joint: float) -> Quadrant:
    """The quadrant of one clip from its margins M_A and M_J (arXiv 2606.05161)."""
    if audio > 0:
        return Quadrant.ROBUST if joint > 0 else Quadrant.REPAIRABLE
    return Quadrant.RESCUED if joint > 0 else Quadrant.UNHEARD


@dataclass(frozen=True, slots=True, eq=False)
class Shapley(Generic[Number]):
    """Exact Shapley values of the two players audio and text, in nats of margin."""

    audio: Number
    text: Number
    interaction: Number


def shapley(joint: Number, audio: Number, text: Number, silence: Number) -> Shapley[Number]:
    """Split ``v_J - v_0`` between audio and text (Shapley, 1953, for two players, each branch's margin its value).

    ``phi_A = ((v_A - v_0) + (v_J - v_T)) / 2``, ``phi_T = ((v_T - v_0) + (v_J - v_A)) / 2``, so that
    ``phi_A + phi_T = v_J - v_0``; the interaction is ``v_J - v_A - v_T + v_0``, 0 where the modalities add up.

    Args:
        joint: v_J, a number or an array by clip.
        audio: v_A.
        text: v_T.
        silence: v_0.
    """
    return Shapley(
        audio=((audio - silence) + (joint - text)) / 2,
        text=((text - silence) + (joint - audio)) / 2,
        interaction=joint - audio - text + silence,
    )


def relative_uncertainty(audio: Number, text: Number) -> Number:
    """``dH = 2 (H_T - H_A) / (H_T + H_A)`` in [-2, 2]: above 0 the text alone leaves more doubt than the audio alone.

    arXiv 2511.02243. Both entropies 0: there is nothing to compare, and the caller leaves the clip out.
    """
    return 2 * (text - audio) / (text + audio)
