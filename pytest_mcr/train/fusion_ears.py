"""The ablation's ears: the lab model's audio tower and projector, frozen, averaged to six frames a second."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_mcr.data.shipped import fixture
from pytest_mcr.models import hf_files
from pytest_mcr.models.hf_load import load_checkpoint
from pytest_mcr.train.lab_loop import window

AVERAGED: Final = 4
"""Frames of the projector that become one: 25 a second are more than a label needs."""
FEWEST: Final = 8
"""Mel frames of a clip below which the tower has nothing to pool."""


class Ears:
    """The lab model's hearing and words; the same for every fusion, every seed and every clip.

    Attributes:
        tokenizer: of the lab model.
        extractor: makes log-mel features.
        rate: Hz.
        width: of a heard frame.
    """

    def __init__(self) -> None:
        self.folder = fixture("lab-model")
        loaded = load_checkpoint(self.folder, device="cpu", dtype="float32", attention=None)
        self.tokenizer: Any = loaded.processor.tokenizer
        self.extractor: Any = loaded.processor.feature_extractor
        self.rate = int(self.extractor.sampling_rate)
        self._model = loaded.model
        self.width = int(loaded.model.config.text_config.hidden_size)

    @cached_property
    def digest(self) -> str:
        """Sha256 hex of the weights."""
        return hf_files.weights_digest(self.folder)

    def refusal(self, samples: int) -> str | None:
        """Why a clip of so many samples at `rate` cannot be heard whole, None where it can."""
        least, most = int(self.extractor.n_fft), int(self.extractor.n_samples)
        if least <= samples <= most:
            return None
        return f"a clip of {samples / self.rate:.3f} s; expected {least / self.rate:.3f} to {most / self.rate:g} s"

    def mels(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel features over the clip's own length, shape (mels, frames)."""
        mel: NDArray[np.float32] = self.extractor(
            samples, sampling_rate=self.rate, padding="longest", return_tensors="np"
        )["input_features"][0]
        return mel[:, : len(samples) // self.extractor.hop_length]

    @torch.inference_mode()
    def heard(self, mel: NDArray[Any]) -> torch.Tensor:
        """What is heard in one clip, alone: float32, shape (frames, width).

        Args:
            mel: as from `mels`; short ones are padded to `FEWEST` frames by their least value.
        """
        missing = max(FEWEST - mel.shape[1], 0)
        padded = np.pad(mel.astype(np.float32), ((0, 0), (0, missing)), constant_values=float(mel.min(initial=0.0)))
        features = torch.from_numpy(padded[None, :, : padded.shape[1] // 2 * 2].copy())
        with window(self._model, features.shape[2]):
            states = self._model.model.audio_tower(features).last_hidden_state
        frames = self._model.model.multi_modal_projector(states)[0]
        return torch.stack([part.mean(0) for part in frames.split(AVERAGED)])
