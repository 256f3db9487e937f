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
        suite: that measures it.
        least: clips below which a profile's gate on it is not judged.
        arms: ``[...]`` holds a repair arm in place of a condition.
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
    suite: str = "bench"
    least: int = 0
    arms: bool = False

    @property
    def takes_condition(self) -> bool:
        """Whether a gate must name a condition."""
        return bool(self.conditions)


_UP, _DOWN, _FREE = Better.HIGHER, Better.LOWER, Better.NEITHER
_TEXTS: Final = (FAITHFUL, ADVERSARIAL, IRRELEVANT)
_PAIRED: Final = (*_TEXTS, PLACEBO)
_SCORED: Final = (NEUTRAL, ADVERSARIAL, IRRELEVANT)

_INF: Final = math.inf


def _dominance(
    name: str, about: str, better: Better, low: float = 0.0, high: float = 1.0, *, hearing: bool = False
) -> MetricSpec:
    """A fusion number: it takes no condition and needs scores of the audio alone and with an adversarial text."""
    return MetricSpec(
        f"dominance.{name}", about, better, (), (ADVERSARIAL,), low, high, hearing=hearing, scores=True,
        suite="dominance",
    )  # fmt: skip


def _relation(
    name: str,
    about: str,
    better: Better,
    low: float = 0.0,
    *,
    needs: tuple[str, ...] = (),
    hearing: bool = False,
    scores: bool = False,
) -> MetricSpec:
    """A relation between answers about one clip under texts that vary (see `dominance`)."""
    return MetricSpec(
        f"dominance.{name}", about, better, (), (ADVERSARIAL, *needs), low, hearing=hearing, scores=scores,
        suite="dominance", least=100,
    )  # fmt: skip


_RELATIONS: Final = (
    _relation(
        "irrelevant_flip", "M1: right from the audio alone, wrong with an irrelevant text", _DOWN, needs=(IRRELEVANT,),
        hearing=True,
    ),
    _relation(
        "irrelevant_edit_flip", "M2: the same with a varied irrelevant text", _DOWN, needs=(IRRELEVANT,), hearing=True
    ),
    _relation(
        "faithful_break", "M3: right from the audio alone, wrong with a true text", _DOWN, needs=(FAITHFUL,),
        hearing=True,
    ),
    _relation("edit_consistency", "M4: share of harmless edits under which the text is followed or not as before", _UP),
    _relation("edit_worst", "M4: share of clips that no harmless edit changes", _UP),
    _relation(
        "strong_audio_flip", "M5: right by 2.2 nats from the audio alone, wrong with an adversarial text", _DOWN,
        hearing=True, scores=True,
    ),
    _relation("warning_excess", "M8: following a false text after a warning, less following without", _DOWN, -1.0),
    _relation(
        "warning_cost", "M8: wrong answers with a true text after a warning, less those without", _DOWN, -1.0,
        needs=(FAITHFUL,),
    ),
    _relation("position_consistency", "M9: followed or not alike before and after the question", _UP),
    _relation("denied_follow", "M10: following a label that the text denies or quotes as an error", _DOWN),
    _relation("swap_follow", "M11: the text's label is answered over a clip of which the text is true", _UP),
    _relation(
        "silence_difference", "M12: an adversarial text is answered otherwise when silence takes the clip's place", _UP,
        hearing=True,
    ),
    _relation("order_consistency", "M13: the same answer when the options are listed in another order", _UP),
    _relation("label_asymmetry", "M14: following the second of two labels, less following the first", _FREE, -1.0),
    _relation("injection_excess", "M15: following an order in the text, less following the plain claim", _DOWN, -1.0),
    _relation("language_excess", "M16: following in another language, less following in English", _DOWN, -1.0),
    MetricSpec(
        "dominance.slope", "M6, M7: change of following by one step of an operator's strength", _FREE, (),
        (ADVERSARIAL,), -math.inf, math.inf, suite="dominance",
    ),
    MetricSpec(
        "dominance.flip", "right from the audio alone, wrong with the text after this edit", _DOWN, (), (ADVERSARIAL,),
        suite="dominance",
    ),
)  # fmt: skip


_DOMINANCE: Final = (
    _dominance("margin_audio", "margin of gold over the text's label from the audio alone, nats", _UP, -_INF, _INF),
    _dominance("margin_joint", "the same margin with the adversarial text, nats", _UP, -_INF, _INF),
    _dominance("displacement", "margin_audio - margin_joint: the pull of the text, nats", _DOWN, -_INF, _INF),
    _dominance("robust", "share of clips heard, and kept against the text", _UP, hearing=True),
    _dominance("repairable", "share of clips heard, and given up for the text", _DOWN, hearing=True),
    _dominance("unheard", "share of clips whose gold loses with and without the text", _DOWN),
    _dominance("rescued", "share of clips whose gold wins only with the adversarial text", _FREE),
    _dominance("phi_audio", "Shapley value of the audio for the margin, nats", _UP, -_INF, _INF),
    _dominance("phi_text", "Shapley value of the text for the margin, nats", _UP, -_INF, _INF),
    _dominance("interaction", "what audio and text do beyond their sum, nats", _FREE, -_INF, _INF),
    _dominance("text_share", "the text's share of the Shapley values, T and 0 over silence", _DOWN),
    _dominance("text_share_none", "the same, T and 0 without any audio", _DOWN),
    _dominance(
        "balance_point", "relative uncertainty at which the text is followed half of the time", _DOWN, -2.0, 2.0,
        hearing=True,
    ),
    _dominance("tpr", "text / (text + audio) answers where the model's own two answers differ", _DOWN, hearing=True),
)  # fmt: skip


def _calibration(
    name: str,
    about: str,
    better: Better = _DOWN,
    conditions: tuple[str, ...] = CONDITIONS,
    needs: tuple[str, ...] = (),
    low: float = 0.0,
    high: float = 1.0,
    companion: str | None = None,
) -> MetricSpec:
    """A number of the confidence suite: it needs scores, and AUROC beside it where flat confidence would meet it."""
    return MetricSpec(
        name, about, better, conditions, needs, low, high, scores=True, companion=companion, suite="confidence"
    )


def _shift(name: str, better: Better = _DOWN, companion: str | None = None) -> MetricSpec:
    """What a text does to a number of confidence, on the same clips."""
    about = f"{name} with the text less without it, same clips"
    return _calibration(f"{name}_shift", about, better, _TEXTS, (NEUTRAL,), -1.0, companion=companion)


_CALIBRATION: Final = (
    _calibration("mean_confidence", "mean confidence of the given answers", _FREE),
    _calibration("overconfidence", "share of wrong answers with confidence above 0.85", companion="auroc"),
    _calibration("auroc", "rank-based AUROC of correctness by confidence", _UP),
    _calibration("agreement", "share of answers that are the best-scored candidate", _UP),
    _calibration("ece", "expected calibration error, 15 bins of equal width", companion="auroc"),
    _calibration("ece_floor", "what chance alone makes of ece on so many answers of a calibrated model", _FREE),
    _calibration("ece_mass", "expected calibration error, 15 bins of equal mass", companion="auroc"),
    _calibration("ece_adaptive", "the same, as many bins as keep accuracy from falling (sweep)", companion="auroc"),
    _calibration("brier", "Brier score of confidence for being right"),
    _calibration("brier_reliability", "its part from miscalibration"),
    _calibration("brier_resolution", "its part from telling right from wrong answers", _UP),
    _calibration("brier_uncertainty", "its part from accuracy alone", _FREE),
    _calibration("brier_multi", "Brier score over all candidates", high=2.0),
    _calibration("nll", "-log p of the gold answer, nats", high=_INF),
    _calibration("aurc", "area under the risk-coverage curve: errors left when the least sure answers are withheld"),
    _shift("overconfidence", companion="auroc"),
    _shift("auroc", _UP),
    _shift("ece", companion="auroc"),
    _shift("brier"),
    _calibration("reliability", "share of right answers by bin of confidence; rows with a bin only", _FREE),
    _calibration("risk", "share of wrong answers among the most confident; rows with a coverage only"),
)


def _awareness(
    name: str, about: str, better: Better = _FREE, low: float = 0.0, high: float = 1.0, *, scores: bool = False
) -> MetricSpec:
    """A number of the awareness suite: hidden states of the last position over texts that were exchanged."""
    return MetricSpec(f"awareness.{name}", about, better, (), (), low, high, scores=scores, suite="awareness")


_AWARENESS: Final = (
    _awareness("conflict", "AUROC of conflict read off hidden states, less the text baseline", _UP, -0.5, 0.5),
    _awareness("retained", "label read off the states with the text, as a share of that without", _UP, -_INF, _INF),
    _awareness("disconnect", "AUROC of conflict read off hidden states, less that of the answer's scores", _FREE, -0.5,
               0.5, scores=True),
    _awareness("follow", "AUROC of following the text read off hidden states, less the baseline", _FREE, -0.5, 0.5),
    _awareness("conflict_probe", "AUROC of conflict read off hidden states", _UP),
    _awareness("conflict_text", "AUROC of the same from the text alone (control, about 0.5)"),
    _awareness("conflict_output", "AUROC of the same from the answer's scores", _UP, scores=True),
    _awareness("conflict_shuffled", "AUROC of shuffled labels (control, about 0.5)"),
    _awareness("conflict_transfer", "AUROC of a probe fitted on the other tasks", _UP),
    _awareness("conflict_forest", "AUROC of a random forest on principal components", _UP),
    _awareness("label_probe", "AUROC of the clip's label read off the states with a text", _UP),
    _awareness("label_audio", "AUROC of the same without a text", _UP),
    _awareness("label_text", "AUROC of the same from the text alone (control)"),
    _awareness("label_shuffled", "AUROC of shuffled labels (control, about 0.5)"),
    _awareness("follow_probe", "AUROC of following an adversarial text read off hidden states"),
    _awareness("follow_text", "AUROC of the same from the text alone (control)"),
)  # fmt: skip


def _repair(name: str, about: str, better: Better, needs: tuple[str, ...], low: float, high: float = 1.0) -> MetricSpec:
    """A number of the mitigation suite: one a repair arm, against the unrepaired answer on the same clips."""
    return MetricSpec(name, about, better, (), needs, low, high, suite="mitigation", arms=True)


_REPAIR: Final = (
    _repair("gain", "adversarial accuracy with the arm less that without", _UP, (ADVERSARIAL,), -1.0),
    _repair("drop", "faithful accuracy without the arm less that with it", _DOWN, (FAITHFUL,), -1.0),
    _repair("irrelevant_drop", "irrelevant accuracy without the arm less that with it", _DOWN, (IRRELEVANT,), -1.0),
    _repair("neutral_change", "neutral accuracy with the arm less that without", _UP, (NEUTRAL,), -1.0),
    _repair("recovered", "gain as a share of what never seeing the text would gain", _UP, (ADVERSARIAL,), -_INF, _INF),
    _repair("passes", "forward passes of the model an answer", _DOWN, (), 1.0, _INF),
    _repair("nauc", "mean gain over faithful-drop budgets up to --mcr-budget", _UP, (FAITHFUL, ADVERSARIAL), -1.0),
)

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
    *_CALIBRATION,
    *_RELATIONS,
    *_DOMINANCE,
    *_AWARENESS,
    *_REPAIR,
)

METRICS: Final[Mapping[str, MetricSpec]] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""The known metrics, in the order of tables."""
