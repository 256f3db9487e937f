"""The repair rules on candidate scores: what each does in a line, and its options with what they may be.

Imports nothing heavy: the flags are parsed with this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.perturbers import NOISE, PERTURBERS

Value = float | str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One option of an arm.

    Attributes:
        default: where it is not given.
        low: least number; ignored for words.
        high: largest number.
        open_low: the least number itself is too little.
        words: the words that it may be; empty for a number.
        grid: what ``--mcr-tune`` tries; empty: it is no matter of tuning.
    """

    default: Value
    low: float = 0.0
    high: float = math.inf
    open_low: bool = False
    words: tuple[str, ...] = ()
    grid: tuple[Value, ...] = ()

    def parse(self, text: str) -> Value:
        """The value of a text.

        Raises:
            ValueError: what is expected.
        """
        if self.words:
            if text in self.words:
                return text
            raise ValueError(f"one of {', '.join(self.words)}")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (self.low < value if self.open_low else self.low <= value) or not value <= min(self.high, 1e9):
            least = f"above {self.low:g}" if self.open_low else f"of at least {self.low:g}"
            most = f" and at most {self.high:g}" if math.isfinite(self.high) else ""
            raise ValueError(f"a number {least}{most}")
        return value


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to combine the candidate scores of some branches.

    Attributes:
        about: one line for help.
        parameters: by name, in the order in which they are written.
    """

    about: str
    parameters: Mapping[str, Parameter]


_WEIGHT: Final = (0.25, 0.5, 1.0, 2.0)
_SILENCE: Final = Parameter("silence", words=("silence", "none"))
_DECODE: Final = Parameter("score", words=("score", "generate"))
_MASK: Final = Parameter(0.1, high=1.0, open_low=True)

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "joint": Rule("J: the answer as it is", {"decode": _DECODE}),
        "hard-switch": Rule("A: the text is never looked at; the line to beat", {}),
        "self-gated": Rule(
            "A where its two best are kappa nats apart, else J",
            {"kappa": Parameter(1.0, grid=(0.25, 0.5, 1.0, 2.0, 4.0))},
        ),
        "pmi": Rule(
            "J - beta 0, or A - beta 0 (of=audio): takes off what is answered to silence",
            {"beta": Parameter(1.0, grid=_WEIGHT), "of": Parameter("joint", words=("joint", "audio"))},
        ),
        "contextual": Rule(
            "J - beta (T - 0): takes off the text's own vote",
            {"beta": Parameter(1.0, grid=_WEIGHT), "without": _SILENCE},
        ),
        "aad": Rule(
            "J + alpha (J - T): audio-aware decoding (arXiv 2506.07233); T over silence, or without=none for no audio",
            {"alpha": Parameter(1.0, grid=_WEIGHT), "without": _SILENCE, "decode": _DECODE, "mask": _MASK},
        ),
        "acd": Rule(
            "J + alpha (J - P): audio-contrastive decoding, P the perturbed clip with the text; snr in dB for noise, "
            "strength for the other perturbers",
            {
                "alpha": Parameter(1.0, grid=(0.25, 0.5, 1.0, 1.25)),
                "perturber": Parameter(NOISE, words=tuple(PERTURBERS)),
                "snr": Parameter(0.0, low=-40.0, high=40.0),
                "strength": Parameter(0.5, high=1.0),
            },
        ),
        "gacl": Rule(
            "J + w (A - J), w = lambda R_A N_out within [0, 1] (arXiv 2606.05161)",
            {
                "lambda": Parameter(0.5, grid=(0.5, 1.0, 1.25, 2.0)),
                "tau": Parameter(0.5, open_low=True, grid=(0.5, 1.0, 1.5)),
                "norm": Parameter(
                    "softmax", words=("softmax", "center", "zscore"), grid=("softmax", "center", "zscore")
                ),
                "gates": Parameter("both", words=("both", "margin", "outcome", "none")),
                "bound": Parameter("yes", words=("yes", "no")),
                "decode": _DECODE,
                "mask": _MASK,
            },
        ),
        "dola": Rule(
            "J at the last layer less J at an early one (arXiv 2309.03883): a negative control, local models only",
            {"bucket": Parameter("low", words=("low", "high")), "mask": Parameter(0.1, high=1.0)},
        ),
    }
)
"""Every rule on candidate scores."""
