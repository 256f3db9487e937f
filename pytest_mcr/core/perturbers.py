"""What may be done to a clip for branch P: the perturbers by name, which of them have a strength, which draw at random.

Only names: the operations are `data.perturb_audio`. Imports nothing heavy, as flags are parsed with this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

NOISE: Final = "noise"


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to perturb a clip.

    Attributes:
        words: what is done, after "the clip under".
        strength: it has one from 0 (the clip as it is) to 1; noise has a ratio in dB in its place.
        draws: it draws at random.
    """

    words: str
    strength: bool = True
    draws: bool = False


PERTURBERS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        NOISE: Kind("white noise", strength=False, draws=True),
        "reverse": Kind("time reversal", strength=False),
        "lowpass": Kind("a low-pass filter"),
        "gaussian": Kind("a Gaussian filter"),
        "downsample": Kind("down-sampling"),
        "mask": Kind("time masking", draws=True),
        "spectrum": Kind("spectrogram removal", draws=True),
    }
)


@dataclass(frozen=True, slots=True)
class Perturbation:
    """A perturber with all that its result depends on.

    Attributes:
        name: of `PERTURBERS`.
        amount: the strength from 0 to 1; for noise the ratio of the clip's power to its own, in dB.
        seed: of what is drawn.
    """

    name: str
    amount: float = 0.0
    seed: int = 0

    def __str__(self) -> str:
        """What was done, for people and for the cache: a seed only where something is drawn."""
        kind = PERTURBERS[self.name]
        amount = f" of strength {self.amount:g}" * kind.strength + f" at {self.amount:g} dB" * (self.name == NOISE)
        return f"{kind.words}{amount}" + f", seed {self.seed}" * kind.draws
