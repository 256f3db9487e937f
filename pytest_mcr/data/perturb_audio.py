"""Perturbed clips for branch P of audio-contrastive decoding: noise, reversal, filters, down-sampling, masking.

Each keeps length and rate and stays within full scale; the same clip, amount and seed give the same samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mcr.core.perturbers import NOISE, PERTURBERS, Perturbation
from pytest_mcr.data.audio import made, resample, within_full_scale
from pytest_mcr.models.protocol import Audio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Signal = NDArray[np.float64]

PIECE: Final = 0.1
"""Seconds of the pieces that time masking silences."""
WINDOW: Final = 0.032
"""Seconds of the Hann window of spectrogram removal; half of it is the hop."""
WIDEST: Final = 0.001
"""Standard deviation in seconds of the Gaussian filter at strength 1, whose half-power cutoff is 133 Hz."""


def perturbed(audio: Audio, done: Perturbation) -> Audio:
    """A clip as branch P plays it; its digest is that of the new samples.

    A strength of 0 gives the clip itself. Digital silence stays silence.
    """
    if PERTURBERS[done.name].strength and done.amount == 0:
        return audio
    changed = _DONE[done.name](audio, done)
    return made(within_full_scale(np.ascontiguousarray(changed, dtype=np.float32)), audio.rate)


def _noisy(audio: Audio, done: Perturbation) -> Signal:
    """White Gaussian noise over the clip; the amount is the ratio of the clip's power to the noise's, in dB."""
    power = float(np.mean(audio.samples.astype(np.float64) ** 2))
    noise = _generator(audio, done).standard_normal(len(audio.samples))
    noisy: Signal = audio.samples + noise * np.sqrt(power / 10 ** (done.amount / 10))
    return noisy


def _reversed(audio: Audio, _: Perturbation) -> Signal:
    return audio.samples[::-1].astype(np.float64)


def _low_passed(audio: Audio, done: Perturbation) -> Signal:
    """Nothing above (1 - strength) of half the rate: a sharp filter without delay, over a clip padded with silence."""
    size = 2 * len(audio.samples)
    spectrum = np.fft.rfft(audio.samples.astype(np.float64), size)
    spectrum[np.fft.rfftfreq(size) > (1 - done.amount) / 2] = 0
    return np.fft.irfft(spectrum, size)[: len(audio.samples)]


def _smoothed(audio: Audio, done: Perturbation) -> Signal:
    """A Gaussian filter over time with a standard deviation of strength times `WIDEST`."""
    from scipy.ndimage import gaussian_filter1d

    width = done.amount * WIDEST * audio.rate
    smooth: Signal = gaussian_filter1d(audio.samples.astype(np.float64), width, mode="constant")
    return smooth


def _down_sampled(audio: Audio, done: Perturbation) -> Signal:
    """Resampled to (1 - strength) of the rate, and back."""
    low = resample(audio, max(1, round(audio.rate * (1 - done.amount))))
    return resample(low, audio.rate).samples[: len(audio.samples)].astype(np.float64)


def _masked(audio: Audio, done: Perturbation) -> Signal:
    """Silence in a share of the clip's pieces, at least one, drawn without replacement."""
    length = max(1, round(PIECE * audio.rate))
    pieces = -(-len(audio.samples) // length)
    silent = _generator(audio, done).permutation(pieces)[: max(1, round(done.amount * pieces))]
    kept = np.ones(pieces)
    kept[silent] = 0
    return audio.samples * np.repeat(kept, length)[: len(audio.samples)]


def _thinned(audio: Audio, done: Perturbation) -> Signal:
    """Each cell of the short-time spectrum removed with a probability of the strength."""
    from scipy.signal import istft, stft

    window = 2 * max(1, round(WINDOW * audio.rate / 2))
    padded = np.pad(audio.samples.astype(np.float64), (0, max(0, window - len(audio.samples))))
    _, _, cells = stft(padded, nperseg=window)
    cells[_generator(audio, done).random(cells.shape) < done.amount] = 0
    _, left = istft(cells, nperseg=window)
    thinned: Signal = left[: len(audio.samples)]
    return thinned


def _generator(audio: Audio, done: Perturbation) -> np.random.Generator:
    """Differs from clip to clip in any case."""
    drawn = hashlib.sha256(f"{done.seed}:{audio.digest}".encode()).digest()
    return np.random.default_rng(int.from_bytes(drawn[:8]))


_DONE: Final[Mapping[str, Callable[[Audio, Perturbation], Signal]]] = MappingProxyType(
    {
        NOISE: _noisy,
        "reverse": _reversed,
        "lowpass": _low_passed,
        "gaussian": _smoothed,
        "downsample": _down_sampled,
        "mask": _masked,
        "spectrum": _thinned,
    }
)
