"""Seeded synthetic clips, numpy only: an environmental sound, a speaking voice, a vocal sound.

Every continuous parameter of a generator is drawn as a position in its range. The positions are divided into bands:
training clips use one set of bands, the mini benchmark and the held-out set the other, so that no parameter value of
a test clip lies in a range that was ever trained on. The test band lies between the training bands (interpolation);
the outermost positions are left out of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
"""Hz of every synthetic clip."""

Signal = NDArray[np.float64]
Split = Literal["train", "fixture", "heldout"]

TRAIN_BANDS: Final = ((0.05, 0.40), (0.55, 0.95))
TEST_BANDS: Final = ((0.40, 0.55),)
BANDS: Final[Mapping[Split, tuple[tuple[float, float], ...]]] = MappingProxyType(
    {"train": TRAIN_BANDS, "fixture": TEST_BANDS, "heldout": TEST_BANDS}
)
SHORTEST, LONGEST = 2.0, 6.0  # seconds


@dataclass(frozen=True, slots=True)
class Draw:
    """A source of random generator parameters, confined to the bands of a split."""

    rng: np.random.Generator
    bands: tuple[tuple[float, float], ...] = TRAIN_BANDS

    def uniform(self, low: float, high: float) -> float:
        """A value of [low, high] whose relative position lies in one of the bands, uniform over them."""
        sizes = [stop - start for start, stop in self.bands]
        position = self.rng.uniform(0.0, sum(sizes))
        for (start, _), size in zip(self.bands, sizes, strict=True):
            if position <= size:
                return low + (high - low) * (start + position)
            position -= size
        return low + (high - low) * self.bands[-1][1]

    def count(self, low: int, high: int) -> int:
        """An integer of low..high, both included. Counts are too few to be divided into bands."""
        return int(self.rng.integers(low, high + 1))

    def noise(self, n: int) -> Signal:
        """White Gaussian noise of unit variance, shape (n,)."""
        return self.rng.standard_normal(n)


Generator = Callable[[Draw, int], Signal]
"""From a draw and a number of samples to a signal of that length at `RATE`, of any level."""


def band_noise(draw: Draw, n: int, low: float, high: float) -> Signal:
    """Noise between `low` and `high` Hz with soft edges, unit variance, shape (n,)."""
    size = fast(n)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    gain = 1 / (1 + (low / np.maximum(hertz, 1.0)) ** 6) / (1 + (hertz / high) ** 6)
    shaped: Signal = np.fft.irfft(np.fft.rfft(draw.noise(size)) * gain, size)[:n]
    return shaped / (float(shaped.std()) + 1e-9)


def fast(n: int) -> int:
    """The least multiple of 512 that is not below n: a length that Fourier transforms are quick at."""
    return -(-n // 512) * 512


def tone(hertz: Signal, amplitudes: Sequence[float]) -> Signal:
    """A harmonic tone: `hertz` is the pitch at every sample, `amplitudes` those of harmonics 1, 2, ..."""
    spectrum = np.zeros(513, dtype=complex)
    spectrum[1 : 1 + len(amplitudes)] = np.asarray(amplitudes) * 512
    table = np.fft.irfft(spectrum)
    phase = np.cumsum(hertz) / RATE
    looked_up: Signal = table[((phase % 1.0) * len(table)).astype(np.intp) % len(table)]
    return looked_up


def pulse(n: int, attack: float, decay: float) -> Signal:
    """An envelope that rises for `attack` seconds and then falls as exp(-t/decay), shape (n,), peak 1."""
    seconds = np.arange(n) / RATE
    rise: Signal = np.minimum(seconds / max(attack, 1e-4), 1.0)
    return rise * np.exp(-np.maximum(seconds - attack, 0.0) / decay)


def swell(n: int, power: float = 1.0) -> Signal:
    """A smooth hump over n samples, 0 at both ends, peak 1."""
    hump: Signal = np.sin(np.pi * (np.arange(n) + 0.5) / max(n, 1)) ** power
    return hump


def place(target: Signal, piece: Signal, second: float) -> None:
    """Add `piece` to `target` in place, starting at `second`; what reaches past the end is cut."""
    start = int(second * RATE)
    stop = min(start + len(piece), len(target))
    if start < stop:
        target[start:stop] += piece[: stop - start]


def loudness(signal: Signal) -> float:
    """A level that treats steady and impulsive sounds alike: root mean square plus a quarter of the peak."""
    return float(np.sqrt(np.mean(signal**2)) + 0.25 * np.abs(signal).max() + 1e-9)


def reverberate(draw: Draw, signal: Signal) -> Signal:
    """Add the tail of a small room (exponentially decaying noise)."""
    tail = int(draw.uniform(0.05, 0.25) * RATE)
    response = draw.noise(tail) * np.exp(-5 * np.arange(tail) / tail) * draw.uniform(0.01, 0.05)
    response[0] = 1.0
    size = fast(len(signal) + tail)
    wet: Signal = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(response, size), size)
    return wet[: len(signal)]


def background(draw: Draw, n: int) -> Signal:
    """Steady coloured noise of unit variance: power falls as hertz to a power of 0 to 1.2."""
    size = fast(n)
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 40.0)
    spectrum = np.fft.rfft(draw.noise(size)) * hertz ** (-draw.uniform(0.0, 0.6))
    shaped: Signal = np.fft.irfft(spectrum, size)[:n]
    return shaped / (float(shaped.std()) + 1e-9)


def finish(draw: Draw, signal: Signal) -> NDArray[np.float32]:
    """Put a dry signal into a room with background noise and bring it to a peak level.

    Returns:
        float32, shape of `signal`, peak between 0.2 and 0.95.
    """
    wet = reverberate(draw, signal) if draw.rng.random() < 0.5 else signal
    power = float(np.sqrt(np.mean(wet**2)))
    noisy = wet + background(draw, len(wet)) * power * 10 ** (-draw.uniform(15.0, 38.0) / 20)
    return (noisy / float(np.abs(noisy).max()) * draw.uniform(0.2, 0.95)).astype(np.float32)


def mix(draw: Draw, generators: Sequence[Generator], n: int) -> Signal:
    """Lay several sounds over one another, each over 70 to 100 % of the clip at its own offset."""
    mixed = np.zeros(n)
    for generator in generators:
        length = int(n * draw.uniform(0.7, 1.0))
        sound = generator(draw, length)
        place(mixed, sound / loudness(sound) * draw.uniform(0.8, 1.0), (n - length) / RATE * draw.rng.random())
    return mixed


def clip(seed: Sequence[int], generators: Sequence[Generator], split: Split) -> NDArray[np.float32]:
    """Make one clip.

    Args:
        seed: any tuple of non-negative integers; equal seeds give equal clips.
        generators: the sounds that the clip holds, laid over one another.
        split: whose bands the parameters are drawn from.

    Returns:
        float32 in [-1, 1], 2 to 6 seconds at `RATE`.
    """
    draw = Draw(np.random.default_rng(list(seed)), BANDS[split])
    n = int(draw.uniform(SHORTEST, LONGEST) * 100) * (RATE // 100)
    return finish(draw, mix(draw, generators, n))
