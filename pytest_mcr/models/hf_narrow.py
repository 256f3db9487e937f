"""Features of a short clip over its own length, where the rest of the window is known without computing it.

Extractors in the manner of Whisper pad every clip with silence to their window, 30 s for most, and transform all of
it. The frames of that silence are all alike, so that one of them stands for those that are not computed. Whether an
extractor works like that is tried at load on noise, by comparing tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from pytest_mcr.models.hf_delivery import FEATURES, MASKS, Tensors
from pytest_mcr.models.hf_processor import Processor
from pytest_mcr.models.hf_prompts import ANY_PROMPT
from pytest_mcr.models.hf_trials import UNABLE, noise
from pytest_mcr.models.protocol import Audio

SILENCE: Final = 0.1
"""Seconds of silence left behind a clip: the last frame must see nothing else, also by reflection at the end."""
TRIED: Final = (0.5, 0.73, 1.0)
"""Seconds of the clips of noise that are tried."""
ALIKE: Final = 1e-6
"""How far features may be apart: a product of fewer frames may be summed in another order."""


@dataclass(frozen=True, slots=True)
class Window:
    """The window that an extractor fills with silence.

    Attributes:
        frames: of the features.
        samples: of the clip that fills it.
    """

    frames: int
    samples: int

    def tensors(self, processor: Processor, audio: Audio) -> Tensors:
        """What the processor gives for a clip with `ANY_PROMPT`, computed over the clip's own length.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        samples = len(audio.samples) + round(SILENCE * audio.rate)
        if samples >= self.samples:
            return processor.tensors([audio], [ANY_PROMPT])
        found = processor.tensors([audio], [ANY_PROMPT], samples)
        return {name: _filled(name, value, self.frames) for name, value in found.items()}


def window_of(processor: Processor) -> Window | None:
    """The window of a processor's extractor, None where features do not depend on it or are not known beyond a clip."""
    try:
        for seconds in TRIED:
            audio = noise(seconds, processor.rate)
            whole = processor.tensors([audio], [ANY_PROMPT])
            [frames] = {value.shape[-1] for name, value in whole.items() if name in FEATURES}
            window = Window(frames, int(processor.extractor.n_samples))
            if frames * int(processor.extractor.hop_length) != window.samples:  # padded to a multiple of less
                return None
            if not _alike(window.tensors(processor, audio), whole):
                return None
    except (*UNABLE, NotImplementedError, IndexError):
        return None
    return window


def _filled(name: str, value: torch.Tensor, frames: int) -> torch.Tensor:
    """Features with their last frame repeated, and their mask with zeros, up to so many frames."""
    missing = frames - value.shape[-1]
    if name in FEATURES:
        return torch.cat([value, value[..., -1:].expand(*value.shape[:-1], missing)], -1)
    return torch.nn.functional.pad(value, (0, missing)) if name in MASKS else value


def _alike(one: Tensors, two: Tensors) -> bool:
    return one.keys() == two.keys() and all(
        one[name].shape == two[name].shape and bool((one[name] - two[name]).abs().max() <= ALIKE) for name in one
    )
