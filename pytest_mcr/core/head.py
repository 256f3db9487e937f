"""A calibration head: from the four branches' scores to the chance that an answer is right, or a text in conflict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from pytest_mcr.core.clusters import Floats, Mask
from pytest_mcr.core.features import FEATURES, BranchScores, features
from pytest_mcr.core.head_cases import HeadCase, conflicts, design_matrix, given_confidence, rights
from pytest_mcr.core.head_probe import PROBE, Probe, Readout, State, fit_probe
from pytest_mcr.core.logistic import Logistic, fit_logistic, fit_temperature

Target = Literal["correctness", "conflict"]
TARGETS: Final[tuple[Target, ...]] = ("correctness", "conflict")


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A head for one target.

    Attributes:
        target: what its probability is of: the answer is right, or the text contradicts the audio.
        features: names of `FEATURES`, in the order of the weights.
        model: means, scales, weights and intercept.
        prevalence: share of positives that it was fitted on, in (0, 1).
        rows: cases that it was fitted on.
        probe: whose logit is the last feature; None for a head of scores alone.
    """

    target: Target
    features: tuple[str, ...]
    model: Logistic
    prevalence: float
    rows: int
    probe: Probe | None = None

    def probability(self, cases: Sequence[HeadCase], prevalence: float | None = None) -> Floats:
        """Probability of each case, shape (cases,).

        Args:
            cases: only their scores are looked at, and their states where there is a probe.
            prevalence: share of positives where the head is applied, if that is known to be another.

        Raises:
            ValueError: a case without a state, or of a clip that the probe was fitted on.
        """
        shift = None if prevalence is None else (self.prevalence, prevalence)
        return self.model.probability(_columns(cases, self.probe, self.features), shift)

    def one(self, scores: BranchScores, state: State | None = None) -> float:
        """Probability of one question; the state is needed where there is a probe."""
        row = features(scores)
        if self.probe is not None:
            assert state is not None
            row[PROBE] = self.probe.one(state)
        return float(self.model.probability(np.array([[row[name] for name in self.features]]))[0])


def answered(cases: Sequence[HeadCase]) -> list[HeadCase]:
    """The cases with an answer: a confidence is that of an answer."""
    return [case for case in cases if case.answer is not None]


def with_text(cases: Sequence[HeadCase]) -> list[HeadCase]:
    """The cases that have a text, which may then contradict the audio."""
    return [case for case in cases if case.conflict is not None]


def eligible(target: Target, cases: Sequence[HeadCase]) -> list[HeadCase]:
    """The cases that a head of this target is fitted and judged on."""
    return answered(cases) if target == "correctness" else with_text(cases)


def truth(target: Target, cases: Sequence[HeadCase]) -> Mask:
    """The target of each eligible case."""
    return rights(cases) if target == "correctness" else conflicts(cases)


def _columns(cases: Sequence[HeadCase], probe: Probe | None, names: Sequence[str]) -> Floats:
    scores = design_matrix(cases, [name for name in names if name != PROBE])
    return scores if probe is None else np.column_stack([scores, probe.logits(cases)])


def fit_head(target: Target, cases: Sequence[HeadCase], penalty: float = 1.0, readout: Readout | None = None) -> Fitted:
    """Fit a head on the eligible ones among these cases.

    Args:
        target: what to predict.
        cases: of dev clips only.
        penalty: of the squared weights of the standardised features.
        readout: how a probe of the same target is fitted, whose out-of-fold logits are a feature; None for no probe.

    Raises:
        ValueError: no eligible case, only one class among them, or a probe that cannot be cross-fitted.
    """
    chosen = eligible(target, cases)
    positive = truth(target, chosen)
    probe = None if readout is None else fit_probe(chosen, positive, readout)
    names = tuple(FEATURES) if probe is None else (*FEATURES, PROBE)
    model = fit_logistic(_columns(chosen, probe, names), positive, penalty)
    return Fitted(target, names, model, float(positive.mean()), len(chosen), probe)


def temperature_of(cases: Sequence[HeadCase]) -> float:
    """The temperature of branch J over these cases' golds, by likelihood; the baseline of a correctness head."""
    ordered = [(case, sorted(case.scores.joint)) for case in cases if case.gold in case.scores.joint]
    scores = [np.array([case.scores.joint[label] for label in labels]) for case, labels in ordered]
    return fit_temperature(scores, [labels.index(case.gold) for case, labels in ordered])


def scaled(cases: Sequence[HeadCase], temperature: float = 1.0) -> Floats:
    """Confidence of each given answer at a temperature; 1 is the raw confidence."""
    return np.array([given_confidence(case.scores.joint, case.answer or "", temperature) for case in cases])
