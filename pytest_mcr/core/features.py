"""What the four branches' candidate scores say about an answer without its label: the features of calibration heads.

Nothing here takes a gold answer, a text label or a condition, so none can leak into a feature.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from pytest_mcr.core.branches import LETTERS, Scores, entropy, log_softmax, relative_uncertainty

TAU: Final = 0.5
"""Lead in nats at which branch A counts as sure (arXiv 2606.05161, untuned default)."""

FEATURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "confidence": "p_J(y): softmax of branch J at its best candidate y",
        "lead_joint": "log(1 + lead) of branch J; lead is the best score less the second, in nats",
        "lead_audio": "the same of branch A",
        "lead_text": "the same of branch T",
        "reliability": "R_A = clip(lead of A / tau, 0, 1)",
        "disagreement": "N_out: 1 where J and A have no best candidate in common",
        "gate": "R_A * N_out, the gate of GACL",
        "text_disagreement": "1 where T and A have no best candidate in common",
        "divergence": "Jensen-Shannon divergence of A and J over log 2, in [0, 1]",
        "text_voice": "the same of T and 0: what the text says by itself",
        "audio_voice": "the same of A and 0: what the audio says by itself",
        "entropy_joint": "entropy of J over log K, in [0, 1]",
        "entropy_audio": "the same of A",
        "entropy_text": "the same of T",
        "relative_uncertainty": "dH = 2 (H_T - H_A) / (H_T + H_A), 0 where both are 0",
        "support_audio": "p_A(y)",
        "support_text": "p_T(y)",
        "support_prior": "p_0(y)",
    }
)
"""Every feature by name, in the order of the design matrix."""


@dataclass(frozen=True, slots=True)
class BranchScores:
    """The candidate scores of one question in the four branches, and nothing else about it.

    Attributes:
        joint: J, the clip and the text; sum of log p in nats by candidate, here as below.
        audio: A, the clip alone.
        text: T, the text over silence.
        silence: 0, silence alone.

    Raises:
        ValueError: fewer than two candidates, branches over different candidates, or a score that is not finite.
    """

    joint: Scores
    audio: Scores
    text: Scores
    silence: Scores

    def __post_init__(self) -> None:
        if len(self.joint) < 2:
            raise ValueError(f"branch J has {len(self.joint)} candidates; a head needs two or more")
        for name in ("joint", "audio", "text", "silence"):
            scores: Scores = getattr(self, name)
            if scores.keys() != self.joint.keys():
                raise ValueError(f"branch {LETTERS[name]} scores {sorted(scores)}, branch J {sorted(self.joint)}")
            bad = next((label for label, score in scores.items() if not math.isfinite(score)), None)
            if bad is not None:
                raise ValueError(f"branch {LETTERS[name]}: the score of {bad!r} is {scores[bad]}, no number of nats")


def features(scores: BranchScores) -> dict[str, float]:
    """The features of one answer, by the names of `FEATURES`.

    They are the same whatever the candidates are called, in whatever order they come, and whatever constant a branch
    adds to all its scores; each has bounds or grows with the logarithm, so that an unseen task stays within reach.
    Where several candidates share the best score of J, a probability at y is their mean.
    """
    joint, audio, text, silence = scores.joint, scores.audio, scores.text, scores.silence
    chosen = tops(joint)
    most = math.log(len(joint))
    uncertain_audio, uncertain_text = entropy(audio), entropy(text)
    reliability = min(lead(audio) / TAU, 1.0)
    disagreement = float(not chosen & tops(audio))
    doubt = uncertain_audio + uncertain_text
    found = {
        "confidence": probability(joint, chosen),
        "lead_joint": math.log1p(lead(joint)),
        "lead_audio": math.log1p(lead(audio)),
        "lead_text": math.log1p(lead(text)),
        "reliability": reliability,
        "disagreement": disagreement,
        "gate": reliability * disagreement,
        "text_disagreement": float(not tops(text) & tops(audio)),
        "divergence": divergence(audio, joint),
        "text_voice": divergence(text, silence),
        "audio_voice": divergence(audio, silence),
        "entropy_joint": min(entropy(joint) / most, 1.0),
        "entropy_audio": min(uncertain_audio / most, 1.0),
        "entropy_text": min(uncertain_text / most, 1.0),
        "relative_uncertainty": relative_uncertainty(uncertain_audio, uncertain_text) if doubt > 0 else 0.0,
        "support_audio": probability(audio, chosen),
        "support_text": probability(text, chosen),
        "support_prior": probability(silence, chosen),
    }
    return {name: found[name] for name in FEATURES}


def tops(scores: Scores) -> frozenset[str]:
    """The candidates that share the best score."""
    top = max(scores.values())
    return frozenset(candidate for candidate, score in scores.items() if score == top)


def lead(scores: Scores) -> float:
    """The best score less the second, in nats; 0 where two share the best."""
    first, second = sorted(scores.values(), reverse=True)[:2]
    return first - second


def probability(scores: Scores, chosen: frozenset[str]) -> float:
    """Mean softmax probability of the chosen candidates."""
    logs = log_softmax(scores)
    return math.fsum(math.exp(logs[candidate]) for candidate in sorted(chosen)) / len(chosen)


def divergence(one: Scores, other: Scores) -> float:
    """Jensen-Shannon divergence of two branches' softmax over log 2 (Lin, IEEE Trans. Inf. Theory 37, 1991)."""
    order = sorted(one)
    logs = [log_softmax(scores) for scores in (one, other)]
    p, q = (np.array([branch[candidate] for candidate in order]) for branch in logs)
    middle = np.logaddexp(p, q) - math.log(2)
    nats = (np.exp(p) @ (p - middle) + np.exp(q) @ (q - middle)) / 2
    return float(np.clip(nats / math.log(2), 0.0, 1.0))
