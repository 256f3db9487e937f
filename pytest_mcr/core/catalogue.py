"""Every metric by name: what it takes, which way is better, what it needs. Gates, messages and docs read this table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO


class Better(StrEnum):
    """Which direction of a metric is favourable."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What is known about a metric before anything is measured.

    Attributes:
        conditions: the conditions it may be asked for in ``[...]``; empty when it takes none.
        needs: conditions it needs besides its own.
        low: least possible value.
        high: largest possible value.
        hearing: it means nothing unless the model was shown to hear the clips.
        scores: it needs the model's candidate scores.
        companion: a metric (with the same condition) without which a gate on this one can be met by a bad model.
    """

    name: str
    about: str
    better: Better
    conditions: tuple[str, ...] = CONDITIONS
    needs: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    hearing: bool = False
    scores: bool = False
    companion: str | None = None

    @property
    def takes_condition(self) -> bool:
        """Whether a gate must name a condition."""
        return bool(self.conditions)


_UP, _DOWN, _FREE = Better.HIGHER, Better.LOWER, Better.NEITHER
_TEXTS: Final = (FAITHFUL, ADVERSARIAL, IRRELEVANT)
_PAIRED: Final = (*_TEXTS, PLACEBO)
_SCORED: Final = (NEUTRAL, ADVERSARIAL, IRRELEVANT)

_SPECS = (
    MetricSpec("accuracy", "share of right answers; flagged and unparsed are not right", _UP),
    MetricSpec("accuracy_worst", "accuracy if every error and unparsed answer were wrong", _UP),
    MetricSpec("accuracy_best", "accuracy if every error and unparsed answer were right", _UP),
    MetricSpec("balanced_accuracy", "mean recall over gold answers", _UP),
    MetricSpec(
        "skill", "(accuracy - chance) / (1 - chance), chance = max(1/K, largest gold share)", _UP, low=-math.inf
    ),
    MetricSpec(
        "normalized_accuracy", "accuracy over neutral accuracy", _UP, _TEXTS, (NEUTRAL,), high=math.inf, hearing=True
    ),
    MetricSpec("macro_accuracy", "mean accuracy of faithful, adversarial and irrelevant", _UP, (), _TEXTS),
    MetricSpec(
        "tir", "Text Influence Rate: how often the text changes rightness", _DOWN, _PAIRED, (NEUTRAL,), hearing=True
    ),
    MetricSpec("tir_all", "tir's numerator over all paired samples", _DOWN, _PAIRED, (NEUTRAL,), hearing=True),
    MetricSpec(
        "tir_excess",
        "tir[adversarial] - tir[placebo], paired",
        _DOWN,
        (ADVERSARIAL,),
        (NEUTRAL,),
        low=-1.0,
        hearing=True,
    ),
    MetricSpec("flip", "share of samples whose answer differs from neutral", _DOWN, _TEXTS, (NEUTRAL,)),
    MetricSpec(
        "harm", "share of right neutral answers that the text made wrong", _DOWN, _TEXTS, (NEUTRAL,), hearing=True
    ),
    MetricSpec("mrs", "Modal Robustness Score, each ratio capped at 1", _UP, (), _SCORED, hearing=True),
    MetricSpec("mrs_uncapped", "mrs without the cap", _UP, (), _SCORED, high=math.inf, hearing=True),
    MetricSpec("text_follow", "share of answers that are the text's label", _DOWN, (ADVERSARIAL, IRRELEVANT)),
    MetricSpec("tdr", "text / (text + audio) answers", _DOWN, (ADVERSARIAL,), hearing=True, companion="accuracy"),
    MetricSpec("flagged", "share of answers that only state a conflict", _FREE),
    MetricSpec("unparsed", "share of answers without a readable label", _DOWN),
    MetricSpec("mean_confidence", "mean confidence of the given answers", _FREE, scores=True),
    MetricSpec(
        "overconfidence", "share of wrong answers with confidence above 0.85", _DOWN, scores=True, companion="auroc"
    ),
    MetricSpec("auroc", "rank-based AUROC of correctness by confidence", _UP, scores=True),
    MetricSpec("agreement", "share of answers that are the best-scored candidate", _UP, scores=True),
)

METRICS: Final[Mapping[str, MetricSpec]] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""The known metrics, in the order of tables."""
