"""Synthetic prosody (a buzzing voice in five manners of speaking) and six vocal sounds.

Nobody speaks here and nobody feels anything: a manner of speaking is a setting of pitch, pace, brightness and breath,
named after the emotion that actors are asked to perform that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from pytest_mcr.data.synth import RATE, Draw, Generator, Signal, band_noise, place, pulse, swell, tone

VOWELS: Final = ((730.0, 1090.0, 2440.0), (530.0, 1840.0, 2480.0), (300.0, 2290.0, 3010.0), (570.0, 840.0, 2410.0))
"""Formants in Hz of four vowels (Peterson and Barney 1952, table II)."""


@dataclass(frozen=True, slots=True)
class Manner:
    """A manner of speaking; pairs are ranges.

    Attributes:
        pitch: factor on the speaker's own pitch.
        span: octaves that the pitch moves within a syllable; negative falls, positive rises.
        pace: syllables a second.
        tilt: how fast the harmonics weaken; low is bright.
        breath: share of breath noise.
        tremor: depth of a fast tremor of the pitch.
        rough: depth of a rough amplitude modulation.
        gap: share of a syllable's time that is silent.
        bark: seconds in which a syllable dies away after a hard onset; 0 for a soft hump.
    """

    pitch: tuple[float, float]
    span: tuple[float, float]
    pace: tuple[float, float]
    tilt: tuple[float, float]
    breath: tuple[float, float]
    tremor: float
    rough: float
    gap: tuple[float, float]
    bark: float


MANNERS: Final[Mapping[str, Manner]] = MappingProxyType(
    {
        "angry": Manner((1.05, 1.25), (-0.8, -0.5), (4.8, 5.8), (0.3, 0.5), (0.1, 0.2), 0.0, 0.8, (0.25, 0.4), 0.06),
        "calm": Manner((0.95, 1.1), (-0.06, 0.06), (2.8, 3.5), (1.0, 1.2), (0.05, 0.15), 0.0, 0.0, (0.1, 0.2), 0.0),
        "fearful": Manner((2.0, 2.4), (-0.05, 0.1), (6.0, 7.2), (0.8, 1.0), (0.35, 0.55), 0.09, 0.0, (0.15, 0.3), 0.0),
        "happy": Manner((1.5, 1.8), (0.55, 0.9), (3.5, 4.2), (0.5, 0.7), (0.0, 0.05), 0.0, 0.0, (0.1, 0.2), 0.0),
        "sad": Manner((0.75, 0.88), (-0.4, -0.25), (1.3, 1.9), (1.4, 1.7), (0.25, 0.45), 0.0, 0.0, (0.3, 0.45), 0.0),
    }
)


def vowel(pitch: float, formants: tuple[float, ...], tilt: float) -> list[float]:
    """Amplitudes of the harmonics of `pitch` Hz under three formants, up to 6.5 kHz."""
    hertz = pitch * np.arange(1, max(2, int(6500 / pitch)))
    peaks = sum(np.exp(-(((hertz - center) / 140.0) ** 2)) for center in formants)
    amplitudes: list[float] = ((hertz / 200.0) ** -tilt * (0.12 + peaks)).tolist()
    return amplitudes


def speak(manner: Manner, draw: Draw, n: int) -> Signal:
    """Syllables in a manner of speaking, shape (n,)."""
    base = draw.uniform(105.0, 190.0) * draw.uniform(*manner.pitch)
    pace, tilt, breath = draw.uniform(*manner.pace), draw.uniform(*manner.tilt), draw.uniform(*manner.breath)
    tremor_rate, rough_rate = draw.uniform(7.0, 9.0), draw.uniform(55.0, 75.0)
    signal = np.zeros(n)
    second = draw.rng.uniform(0, 0.2)
    while second < n / RATE - 0.1:
        length = draw.uniform(0.85, 1.15) / pace
        size = max(int(length * (1 - draw.uniform(*manner.gap)) * RATE), 400)
        time = np.arange(size) / RATE
        glide = np.linspace(-0.5, 0.5, size) * draw.uniform(*manner.span) + draw.uniform(-0.06, 0.06)
        hertz = base * 2**glide * (1 + manner.tremor * np.sin(2 * np.pi * tremor_rate * (second + time)))
        formants = VOWELS[draw.count(0, len(VOWELS) - 1)]
        voice = tone(hertz, vowel(base, formants, tilt))
        voice = voice / (voice.std() + 1e-9) * (1 + manner.rough * np.sin(2 * np.pi * rough_rate * time))
        syllable = voice * (1 - breath) + band_noise(draw, size, 600.0, 5500.0) * breath
        syllable *= pulse(size, 0.005, manner.bark) if manner.bark else swell(size, 0.6)
        place(signal, syllable * draw.uniform(0.7, 1.0), second)
        second += length
        if draw.rng.random() < 0.12:
            second += draw.uniform(0.5, 1.0) / pace
    return signal


def repeat(draw: Draw, n: int, pieces: list[Signal], gap: tuple[float, float]) -> Signal:
    """Play pieces one after another, with silences of `gap` seconds, until the clip is over."""
    signal = np.zeros(n)
    second, turn = draw.rng.uniform(0, 0.3), 0
    while second < max(n / RATE - 0.4, 0.5):
        piece = pieces[turn % len(pieces)]
        place(signal, piece * draw.uniform(0.8, 1.0), second)
        second += len(piece) / RATE + draw.uniform(*gap)
        turn += 1
    return signal


def voiced(draw: Draw, size: int, start: float, stop: float, tilt: float) -> Signal:
    """An open vowel whose pitch glides from `start` to `stop` Hz, unit variance."""
    sound = tone(np.linspace(start, stop, size), vowel((start + stop) / 2, VOWELS[0], tilt))
    scaled: Signal = sound / (sound.std() + 1e-9)
    return scaled


def cough(draw: Draw, n: int) -> Signal:
    """Abrupt bursts of middle noise, in pairs."""
    pieces = []
    for _ in range(draw.count(2, 3)):
        size = int(draw.uniform(0.2, 0.35) * RATE)
        burst = band_noise(draw, size, 350.0, draw.uniform(1600.0, 2600.0)) * pulse(size, 0.004, 0.06)
        pieces.append(burst + 0.3 * voiced(draw, size, 180.0, 120.0, 1.0) * pulse(size, 0.06, 0.05))
    pieces[-1] = np.concatenate([pieces[-1], np.zeros(int(draw.uniform(0.3, 0.6) * RATE))])
    return repeat(draw, n, pieces, (0.04, 0.12))


def laughter(draw: Draw, n: int) -> Signal:
    """Runs of short voiced syllables whose pitch steps down."""
    top, pace = draw.uniform(260.0, 420.0), draw.uniform(4.5, 6.0)
    pieces = []
    for number in range(draw.count(4, 7)):
        size = int(0.62 / pace * RATE)
        pitch = top * 0.95**number
        ha = voiced(draw, size, pitch * 1.08, pitch * 0.92, 0.8) + 0.35 * band_noise(draw, size, 800.0, 5000.0)
        pieces.append(np.concatenate([ha * swell(size, 0.7), np.zeros(int(0.38 / pace * RATE))]))
    return repeat(draw, n, [np.concatenate(pieces)], (0.15, 0.5))


def sigh(draw: Draw, n: int) -> Signal:
    """One long breath out, falling in colour, with a faint falling voice."""
    pieces = []
    for _ in range(2):
        size = int(draw.uniform(1.0, 1.7) * RATE)
        fall = np.linspace(1, 0, size)
        high, low = band_noise(draw, size, 900.0, 2800.0), band_noise(draw, size, 250.0, 900.0)
        pieces.append(
            (high * fall + low * (1 - fall) + 0.5 * voiced(draw, size, 230.0, 120.0, 1.4) * fall) * swell(size)
        )
    return repeat(draw, n, pieces, (0.4, 0.9))


def sneeze(draw: Draw, n: int) -> Signal:
    """Breath drawn in ever higher, then an explosion of high noise."""
    pieces = []
    for _ in range(2):
        size = int(draw.uniform(0.35, 0.6) * RATE)
        rise = np.linspace(0, 1, size)
        breath = (
            band_noise(draw, size, 700.0, 1800.0) * (1 - rise) + band_noise(draw, size, 1800.0, 3800.0) * rise
        ) * rise
        blast_n = int(draw.uniform(0.3, 0.5) * RATE)
        blast = band_noise(draw, blast_n, draw.uniform(2600.0, 3600.0), 7500.0) * pulse(blast_n, 0.005, 0.14) * 2.5
        pieces.append(np.concatenate([0.5 * breath, np.zeros(int(0.06 * RATE)), blast]))
    return repeat(draw, n, pieces, (0.4, 0.8))


def sniff(draw: Draw, n: int) -> Signal:
    """Short soft hisses in a narrow high band, evenly spaced."""
    center = draw.uniform(3200.0, 4400.0)
    size = int(draw.uniform(0.14, 0.24) * RATE)
    hiss = band_noise(draw, size, center * 0.8, center * 1.25) * swell(size) * np.linspace(0.4, 1.0, size)
    return repeat(draw, n, [hiss], (0.22, 0.4))


def throat(draw: Draw, n: int) -> Signal:
    """Low growls with a slow rattle."""
    pieces = []
    for _ in range(2):
        size = int(draw.uniform(0.45, 0.8) * RATE)
        rattle = 0.5 + 0.5 * np.sin(2 * np.pi * draw.uniform(22.0, 32.0) * np.arange(size) / RATE)
        growl = voiced(draw, size, draw.uniform(85.0, 110.0), 95.0, 0.7) + 0.4 * band_noise(draw, size, 200.0, 1500.0)
        pieces.append(growl * rattle**1.5 * swell(size, 0.5))
    return repeat(draw, n, pieces, (0.15, 0.4))


PROSODY: Final[Mapping[str, Generator]] = MappingProxyType(
    {name: partial(speak, manner) for name, manner in MANNERS.items()}
)
"""By SER label."""

VOCAL: Final[Mapping[str, Generator]] = MappingProxyType(
    {
        "Cough": cough,
        "Laughter": laughter,
        "Sigh": sigh,
        "Sneeze": sneeze,
        "Sniff": sniff,
        "Throat clearing": throat,
    }
)
"""By VSC label."""
