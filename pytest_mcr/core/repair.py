"""Repair by arithmetic: what a rule makes of the candidate scores of an answer's branches.

Branches: J (audio and text), A (audio alone), T (the text over silence), 0 (silence); T and 0 also without any audio;
P (the clip perturbed, and the text).
All rules but ``acd`` and ``dola``, whose scores are contrasted between layers already, take scores that others need
anyway, so that one more of them costs no call of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import log_softmax

from pytest_mcr.core.branches import Scores
from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.repair_arms import Arm


def softmax(scores: Floats) -> Floats:
    """Log-probabilities within the candidate set, in nats."""
    found: Floats = log_softmax(scores)
    return found


def center(scores: Floats) -> Floats:
    """Scores less their mean."""
    found: Floats = scores - scores.mean()
    return found


def zscore(scores: Floats) -> Floats:
    """Scores less their mean, over their standard deviation; 0 where all are equal."""
    moved, spread = center(scores), float(scores.std())
    return moved / spread if spread > 0 else np.zeros_like(scores)


NORMALISERS: Final[Mapping[str, Callable[[Floats], Floats]]] = MappingProxyType(
    {"softmax": softmax, "center": center, "zscore": zscore}
)


def lead(scores: Floats) -> float:
    """By how much the best candidate leads the second, at least 0; infinite where there is one candidate."""
    ordered = np.sort(scores)
    return float(ordered[-1] - ordered[-2]) if len(ordered) > 1 else float("inf")


def gacl(
    joint: Floats,
    audio: Floats,
    *,
    strength: float,
    tau: float,
    norm: str = "softmax",
    gates: str = "both",
    bound: bool = True,
) -> Floats:
    """GACL (arXiv 2606.05161): ``s_J + w (s_A - s_J)`` with ``w = strength * R_A * N_out``.

    ``R_A = clip(lead of s_A / tau, 0, 1)`` trusts an audio branch that is sure; ``N_out`` is 1 where J and A answer
    otherwise and 0 elsewhere. With the bound w stays in [0, 1], so that the result never goes beyond A.

    Args:
        joint: s_J by candidate.
        audio: s_A by candidate.
        strength: lambda, at least 0.
        tau: above 0, in units of the normalised scores.
        norm: of `NORMALISERS`, applied to both first.
        gates: ``both``, or ``margin`` (R_A), ``outcome`` (N_out) alone, or ``none``.
        bound: keep w within [0, 1].
    """
    heard, mixed = NORMALISERS[norm](audio), NORMALISERS[norm](joint)
    weight = strength
    if gates in ("both", "margin"):
        weight *= min(lead(heard) / tau, 1.0)
    if gates in ("both", "outcome"):
        weight *= float(np.argmax(heard) != np.argmax(mixed))
    if bound:
        weight = min(weight, 1.0)
    found: Floats = mixed + weight * (heard - mixed)
    return found


def self_gated(joint: Floats, audio: Floats, kappa: float) -> Floats:
    """A where its best candidate leads by ``kappa`` nats or more, else J."""
    return audio if lead(audio) >= kappa else joint


def combine(arm: Arm, scores: Mapping[str, Floats]) -> Floats:
    """The scores that an arm ends with.

    Args:
        arm: a rule on scores.
        scores: by branch, one number a candidate; those of ``arm.branches`` at least.
    """
    return _COMBINED[arm.name](arm, scores)


def _pmi(arm: Arm, scores: Mapping[str, Floats]) -> Floats:
    return scores[str(arm.options["of"])] - arm.number("beta") * scores["silence"]


def _contextual(arm: Arm, scores: Mapping[str, Floats]) -> Floats:
    _, text, prior = arm.branches
    return scores["joint"] - arm.number("beta") * (scores[text] - scores[prior])


def _aad(arm: Arm, scores: Mapping[str, Floats]) -> Floats:
    _, text = arm.branches
    return scores["joint"] + arm.number("alpha") * (scores["joint"] - scores[text])


def _acd(arm: Arm, scores: Mapping[str, Floats]) -> Floats:
    _, perturbed = arm.branches
    return scores["joint"] + arm.number("alpha") * (scores["joint"] - scores[perturbed])


def _gacl(arm: Arm, scores: Mapping[str, Floats]) -> Floats:
    options = arm.options
    return gacl(
        scores["joint"],
        scores["audio"],
        strength=arm.number("lambda"),
        tau=arm.number("tau"),
        norm=str(options["norm"]),
        gates=str(options["gates"]),
        bound=options["bound"] == "yes",
    )


_COMBINED: Final[Mapping[str, Callable[[Arm, Mapping[str, Floats]], Floats]]] = MappingProxyType(
    {
        "joint": lambda arm, scores: scores["joint"],
        "hard-switch": lambda arm, scores: scores["audio"],
        "self-gated": lambda arm, scores: self_gated(scores["joint"], scores["audio"], arm.number("kappa")),
        "pmi": _pmi,
        "contextual": _contextual,
        "aad": _aad,
        "acd": _acd,
        "gacl": _gacl,
        "dola": lambda arm, scores: scores[arm.branches[0]],
    }
)


def answer(arm: Arm, scores: Mapping[str, Scores], candidates: Sequence[str]) -> str:
    """The candidate that an arm answers; of equals the first shown, as ``--mcr-answer score`` does.

    Args:
        arm: a rule on scores.
        scores: by branch; those of ``arm.branches`` at least, each over all candidates.
        candidates: in the order in which they are shown.
    """
    columns = {
        branch: np.array([scores[branch][label] for label in candidates], dtype=np.float64) for branch in arm.branches
    }
    return candidates[int(np.argmax(combine(arm, columns)))]
