"""Sound files made on the spot."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from pytest_mcr.data.audio import decode
from pytest_mcr.errors import AudioError

Samples = NDArray[np.float32]
RATE = 16_000
FORMATS = ("wav", "flac", "ogg", "mp3")


def tone(seconds: float = 2.0, rate: int = RATE, hertz: float = 440.0) -> Samples:
    """A sine over a little noise, so that lossy codecs have something to do."""
    time = np.arange(round(seconds * rate)) / rate
    hiss = np.random.default_rng(0).standard_normal(len(time))
    return (0.5 * np.sin(2 * np.pi * hertz * time) + 0.01 * hiss).astype(np.float32)


def written(
    folder: Path, name: str, samples: Samples | NDArray[np.int16], rate: int = RATE, subtype: str | None = None
) -> Path:
    soundfile.write(folder / name, samples, rate, subtype=subtype)
    return folder / name


def refusal(path: Path) -> str:
    """The message of the error that `decode` raises: one line that names the file and says what to do."""
    with pytest.raises(AudioError) as caught:
        decode(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert "; " in message
    return message.removeprefix(f"{path}: ")
