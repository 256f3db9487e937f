"""Clips: decode once, mix down, resample, and the few plain operations that probes need.

Decoding is soundfile (libsndfile) and resampling `scipy.signal.resample_poly`, never anything else: two resamplers
differ by up to 0.1 in amplitude on real clips, and a number must not depend on what else is installed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import soundfile

from pytest_mcr.data.containers import announced_end, mp3_samples
from pytest_mcr.errors import AudioError
from pytest_mcr.models.protocol import Audio

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK: Final = 1 << 20
"""Frames a read: a broken header that announces 2^36 frames must not allocate them."""
RATES: Final = (1_000, 768_000)
"""Hz that a real recording has; anything else is a broken header, and would make the resampler explode."""
MP3_DELAY: Final = 4 * 1152
"""Samples that an mp3 may lose to its header frame, encoder delay and padding (at most four frames)."""
_STDERR = threading.Lock()
"""Only one thread at a time may redirect the process's stderr, or the other would keep the redirection."""
MEND: Final = "copy or download it again, or take its record out of the task's file"


def decode(path: Path) -> Audio:
    """Decode a clip at its own rate, mixed down to mono.

    Channels are averaged in float64 and rounded to float32 once. The digest is the sha256 of
    ``samples.astype('<f4').tobytes()`` followed by the rate in ASCII decimal digits, e.g. ``b'16000'``. It is taken
    before the one thing that may still change the samples: lossy codecs and float files can pass full scale, and
    then the whole clip is divided by its peak.

    Returns:
        float32 samples, shape (n,), n >= 1, in [-1, 1]; the file's rate in Hz.

    Raises:
        AudioError: unreadable, undecodable, cut short, without samples, or with samples that are not finite.
    """
    try:
        frames, rate = _read(path)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: cannot be decoded ({_reason(path, error)}); {MEND}") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error
    _check(frames, rate, path)
    # In float64 the sum of a few float32 channels is exact, so the digest does not depend on the order of additions.
    mono = frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1, dtype=np.float64).astype(np.float32)
    mono = np.ascontiguousarray(mono)
    return Audio(within_full_scale(mono), rate, digest(mono, rate))


def digest(samples: NDArray[np.float32], rate: int) -> str:
    """Sha256 hex of mono float32 samples, shape (n,), as little-endian bytes, then of the rate (Hz) as ASCII digits."""
    return hashlib.sha256(samples.astype("<f4", copy=False).tobytes() + str(rate).encode("ascii")).hexdigest()


def resample(audio: Audio, rate: int) -> Audio:
    """Bring a clip to another rate in Hz; the digest stays that of the decoded clip.

    A polyphase FIR filter with scipy's default Kaiser window (beta 5), run in float64 because float32 sums differ
    between scipy builds. Overshoot beyond full scale is treated as in `decode`.
    """
    if rate == audio.rate:
        return audio
    # Here and not above: scipy.signal costs half a second, which a run at the clips' own rate should not pay.
    from scipy.signal import resample_poly

    common = gcd(rate, audio.rate)
    changed = resample_poly(audio.samples.astype(np.float64), rate // common, audio.rate // common)
    return Audio(within_full_scale(changed.astype(np.float32)), rate, audio.digest)


def resampled_length(samples: int, rate: int, wanted: int) -> int:
    """Samples that `resample` makes of `samples` at `rate` Hz: ceil(samples * wanted / rate)."""
    return -(-samples * wanted // rate)


def crop(audio: Audio, seconds: float) -> Audio:
    """The first `seconds` of a clip, filled up with silence when it is shorter: always round(seconds * rate) samples.

    The digest is that of the new samples.
    """
    length = round(seconds * audio.rate)
    kept = audio.samples[:length]
    return made(np.concatenate([kept, np.zeros(length - len(kept), np.float32)]), audio.rate)


def level(audio: Audio, rms: float) -> Audio:
    """A clip brought to a root mean square of `rms` (full scale is 1), or less where its peak would pass full scale.

    Digital silence has no level and stays as it is. The digest is that of the new samples.
    """
    present = float(np.sqrt(np.mean(np.square(audio.samples, dtype=np.float64))))
    if present == 0:
        return audio
    scaled = (audio.samples.astype(np.float64) * (rms / present)).astype(np.float32)
    return made(within_full_scale(scaled), audio.rate)


def silence(seconds: float, rate: int) -> Audio:
    """Digital silence: round(seconds * rate) zeros."""
    return made(np.zeros(round(seconds * rate), np.float32), rate)


def noise(seconds: float, rate: int, seed: int) -> Audio:
    """Seeded white noise, uniform in [-0.5, 0.5): round(seconds * rate) samples."""
    samples = np.random.default_rng(seed).random(round(seconds * rate), dtype=np.float32) - np.float32(0.5)
    return made(samples, rate)


def made(samples: NDArray[np.float32], rate: int) -> Audio:
    """A clip of new samples, shape (n,) in [-1, 1], with their digest."""
    return Audio(samples, rate, digest(samples, rate))


def within_full_scale(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples, divided by their peak where it passes 1."""
    peak = np.abs(samples).max(initial=0)
    return samples / peak if peak > 1 else samples


def _read(path: Path) -> tuple[NDArray[np.float32], int]:
    """All frames of a file, shape (frames, channels), and the rate in Hz."""
    problem = announced_end(path)
    if problem is not None:
        raise AudioError(f"{path}: {problem}; {MEND}")
    with _quiet(path), soundfile.SoundFile(path) as file:
        blocks = [file.read(BLOCK, dtype="float32", always_2d=True)]
        while len(blocks[-1]) == BLOCK:
            blocks.append(file.read(BLOCK, dtype="float32", always_2d=True))
        announced, rate = file.frames, int(file.samplerate)
    frames = np.concatenate(blocks)
    if len(frames) < announced:
        raise AudioError(f"{path}: cut short or damaged ({len(frames)} of {announced} frames can be decoded); {MEND}")
    least = mp3_samples(path) - MP3_DELAY
    if len(frames) < least:
        found = f"libsndfile finds {len(frames)} of at least {least} frames in this mp3, which has no frame count"
        raise AudioError(f"{path}: {found}; convert it to wav or flac")
    return frames, rate


def _check(frames: NDArray[np.float32], rate: int, path: Path) -> None:
    if len(frames) == 0:
        raise AudioError(f"{path}: holds no samples; {MEND}")
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(f"{path}: its header says {rate} Hz; expected {RATES[0]} to {RATES[1]} Hz; {MEND}")
    wrong = np.flatnonzero(~np.isfinite(frames).all(axis=1))
    if len(wrong):
        first = f"{len(wrong)} of {len(frames)} frames, first at {wrong[0] / rate:.3f} s"
        raise AudioError(f"{path}: has samples that are NaN or infinite ({first}); {MEND}")


def _reason(path: Path, error: soundfile.SoundFileError) -> str:
    said = " ".join((getattr(error, "error_string", "") or str(error)).split()).rstrip(".")
    if path.suffix.lower() != ".mp3":
        return said
    if "MP3" not in soundfile.available_formats():
        return f"libsndfile {soundfile.__libsndfile_version__} reads no mp3, 1.1 or newer does: upgrade soundfile"
    # libmpg123's failure to find a frame reaches us as "File does not exist", of a file that was just opened.
    return "no mp3 frames in it" if said.startswith("File does not exist") else said


@contextmanager
def _quiet(path: Path) -> Iterator[None]:
    """Silence the C library's stderr while it reads an mp3: libmpg123 prints notes about every odd frame there.

    libsndfile gives no way to ask it not to. What the notes mean for the data is checked here anyway.
    """
    if path.suffix.lower() != ".mp3":
        yield
        return
    with _STDERR:
        try:
            kept = os.dup(2)
        except OSError:  # a process without stderr, e.g. a daemon, has nothing to silence
            yield
            return
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(sink)
