"""Clips as files for a child: 16-bit PCM mono WAV in a private folder, one a clip, gone when nobody needs it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from pytest_mcr.models.protocol import Audio
from pytest_mcr.models.wav import wav_bytes


def clip_name(audio: Audio) -> str:
    """Equal for equal samples and rates; of the samples, because a digest outlives resampling."""
    return f"{hashlib.blake2b(audio.samples.tobytes(), digest_size=12).hexdigest()}-{audio.rate}"


class ClipFolder:
    """Files that are shared by the requests of a clip.

    A file is written when it is first held, and removed when it has been released as often.

    Attributes:
        folder: that they are in.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pytest-mcr-"))  # readable by this user alone
        self._held: Counter[str] = Counter()

    def hold(self, name: str, audio: Audio) -> Path:
        """The file of a clip.

        Args:
            name: from `clip_name`.
            audio: the clip.

        Raises:
            OSError: it cannot be written.
        """
        path = self._path(name)
        if not self._held[name]:
            finite = np.nan_to_num(audio.samples, nan=0.0, posinf=1.0, neginf=-1.0)
            path.write_bytes(wav_bytes(finite, audio.rate))
        self._held[name] += 1
        return path

    def release(self, name: str) -> None:
        """Say that one request needs the file no more."""
        self._held[name] -= 1
        if self._held[name] <= 0:
            del self._held[name]
            self._path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.wav"
