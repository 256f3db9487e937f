"""The three clips to listen to first: answers that the model had right from the audio and that a text turned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, NEUTRAL, Outcome, Sample, Verdict

SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Example:
    """One eligible flip.

    Attributes:
        sample: the clip with its question and texts.
        faithful: answer under the faithful text, None where it gave none.
        adversarial: answer under the adversarial text, None where it gave none.
        confidence: of the neutral answer, None without scores.
    """

    sample: Sample
    faithful: str | None
    adversarial: str | None
    confidence: float | None


def flips(outcomes: Mapping[tuple[str, str], Outcome]) -> list[str]:
    """The samples of eligible flips (neutral right, adversarial wrong); surest neutral answers first, ties by id."""
    found = []
    for (sample_id, condition), outcome in outcomes.items():
        neutral = outcomes.get((sample_id, NEUTRAL))
        turned = outcome.verdict not in (Verdict.AUDIO, Verdict.ERROR)
        if condition == ADVERSARIAL and turned and neutral is not None and neutral.verdict is Verdict.AUDIO:
            found.append((-(neutral.confidence or 0.0), sample_id))
    return [sample_id for _, sample_id in sorted(found)]


def examples(outcomes: Mapping[tuple[str, str], Outcome], samples: Mapping[str, Sample]) -> list[Example]:
    """The first of the eligible flips, with their texts and answers."""
    found = []
    for sample_id in flips(outcomes)[:SHOWN]:
        faithful = outcomes.get((sample_id, FAITHFUL))
        adversarial, neutral = outcomes[sample_id, ADVERSARIAL], outcomes[sample_id, NEUTRAL]
        given = faithful.answer if faithful else None
        found.append(Example(samples[sample_id], given, adversarial.answer, neutral.confidence))
    return found
