"""Clips as WAV files for models that live elsewhere: 16-bit PCM, mono."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

STEPS: Final = 32768
"""Steps of a 16-bit sample from 0 to 1. libsndfile writes floats in 32767 steps and reads 32768, which would change a
clip that came from 16 bit; integers pass through unchanged."""


def wav_bytes(samples: NDArray[np.float32], rate: int) -> bytes:
    """A mono clip as a 16-bit PCM WAV file; a clip that came from 16 bit is read back bit for bit.

    Args:
        samples: float32, shape (n,), in [-1, 1]; what lies outside is clipped.
        rate: Hz.
    """
    whole = np.clip(np.rint(np.asarray(samples, np.float64) * STEPS), -STEPS, STEPS - 1).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, whole, rate, format="WAV", subtype="PCM_16")
    return bytes(file.getbuffer())
