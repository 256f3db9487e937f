"""The linear form of each ratio that can be tested clip by clip: numerator and denominator of one sample.

The sums of these over samples give the metrics of `rates` and `ratios`; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.betting import MEAN, RATIO
from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, Outcome, Verdict

Answers = Mapping[str, Outcome]
"""What one sample gave, by condition; the placebo, too, where it was asked."""
Corners = tuple[tuple[float, float], ...]
Parts = tuple[float, float]

LINEAR: Final = ("accuracy", "skill", "normalized_accuracy", "tir", "tir_all", "harm", "mrs", "mrs_uncapped")
"""Metrics that are a ratio of two means, or a fixed function of one."""
UNBOUNDED: Final = ("normalized_accuracy", "mrs_uncapped")


@dataclass(frozen=True, slots=True)
class Reading:
    """One ratio of a metric; capped MRS is the least of three.

    Attributes:
        corners: the extreme (num, den) of one sample.
        name: metric, with the part that is capped.
    """

    name: str
    condition: str | None
    corners: Corners


def readings(metric: str, condition: str | None, alpha: float) -> tuple[Reading, ...]:
    """The ratios behind a metric of `LINEAR`, the plain one first.

    Args:
        metric: its name.
        condition: as in a gate.
        alpha: weight of the adversarial ratio in MRS.
    """
    if metric == "mrs":
        beta = 1 - alpha
        return (
            Reading("mrs", None, RATIO),
            Reading("mrs irrelevant capped", None, ((0.0, 0.0), (alpha, 0.0), (beta, 1.0), (1.0, 1.0))),
            Reading("mrs adversarial capped", None, ((0.0, 0.0), (beta, 0.0), (alpha, 1.0), (1.0, 1.0))),
        )
    if metric == "mrs_uncapped":
        return (Reading("mrs", None, RATIO),)
    plain = "accuracy" if metric == "skill" else metric
    return (Reading(plain, condition, RATIO if metric == "normalized_accuracy" else MEAN),)


def parts(reading: Reading, answers: Answers, alpha: float) -> Parts:
    """Numerator and denominator of one sample; nothing where it has no answer or an error on either side.

    Args:
        reading: which ratio.
        answers: of the sample.
        alpha: weight of the adversarial ratio in MRS.
    """
    if reading.condition is None:
        return _mrs(reading.name, answers, alpha)
    cell = _seen(answers, reading.condition)
    if cell is None:
        return 0.0, 0.0
    if reading.name == "accuracy":
        return float(_right(cell)), 1.0
    neutral = _seen(answers, NEUTRAL)
    if neutral is None:
        return 0.0, 0.0
    if reading.name == "normalized_accuracy":
        return float(_right(cell)), float(_right(neutral))
    hit, eligible = _influence(reading, neutral, cell)
    return float(hit and eligible), 1.0 if reading.name == "tir_all" else float(eligible)


def _influence(reading: Reading, neutral: Outcome, cell: Outcome) -> tuple[bool, bool]:
    """Whether the text changed rightness in the direction that the condition counts, and who could have changed."""
    heard, right = _right(neutral), _right(cell)
    if reading.name == "harm":
        return not right, heard
    if reading.condition == IRRELEVANT:
        return heard != right, True
    if reading.condition == FAITHFUL:
        return right, not heard and neutral.verdict != Verdict.UNPARSED
    return not right, heard


def _mrs(name: str, answers: Answers, alpha: float) -> Parts:
    found = [_seen(answers, condition) for condition in (NEUTRAL, ADVERSARIAL, IRRELEVANT)]
    if any(outcome is None for outcome in found):
        return 0.0, 0.0
    heard, adversarial, irrelevant = (float(_right(outcome)) for outcome in found if outcome is not None)
    if name == "mrs irrelevant capped":
        irrelevant = heard
    elif name == "mrs adversarial capped":
        adversarial = heard
    return alpha * adversarial + (1 - alpha) * irrelevant, heard


def eligible(answers: Answers, *, paired: bool = True) -> bool:
    """Whether the model heard the sample and can be turned: right in neutral, with an adversarial answer beside it.

    Args:
        answers: of the sample.
        paired: the run has both conditions; without them any answer counts.
    """
    if not paired:
        return any(_seen(answers, condition) is not None for condition in answers)
    neutral = _seen(answers, NEUTRAL)
    return neutral is not None and _right(neutral) and _seen(answers, ADVERSARIAL) is not None


def _seen(answers: Answers, condition: str) -> Outcome | None:
    outcome = answers.get(condition)
    return None if outcome is None or outcome.verdict == Verdict.ERROR else outcome


def _right(outcome: Outcome) -> bool:
    return outcome.verdict == Verdict.AUDIO
