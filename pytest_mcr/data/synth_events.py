"""Six environmental sounds for audio question answering, each with its own look in a spectrogram."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from pytest_mcr.data.synth import RATE, Draw, Generator, Signal, band_noise, place, pulse, swell, tone


def bell(draw: Draw, n: int) -> Signal:
    """Strikes with a few inharmonic partials that ring on."""
    base = draw.uniform(500.0, 1100.0)
    ratios = (1.0, 2.0, 2.76, 3.76, 5.4)
    strike_n = int(draw.uniform(0.7, 1.5) * RATE)
    seconds = np.arange(strike_n) / RATE
    strike = np.zeros(strike_n)
    for number, ratio in enumerate(ratios):
        if base * ratio < RATE / 2 - 500:
            partial = np.sin(2 * np.pi * base * ratio * seconds + draw.rng.uniform(0, 6.3))
            strike += (
                partial * pulse(strike_n, 0.003, draw.uniform(0.25, 0.5) / (1 + 0.4 * number)) / (1 + 0.5 * number)
            )
    signal = np.zeros(n)
    second, period = draw.rng.uniform(0, 0.2), draw.uniform(0.45, 1.0)
    while second < n / RATE:
        place(signal, strike * draw.uniform(0.7, 1.0), second)
        second += period
    return signal


def bird(draw: Draw, n: int) -> Signal:
    """Groups of short, fast sweeps between 2.5 and 6 kHz."""
    signal = np.zeros(n)
    second = draw.rng.uniform(0, 0.2)
    center, span = draw.uniform(3000.0, 4800.0), draw.uniform(600.0, 1500.0)
    while second < n / RATE:
        for _ in range(draw.count(2, 5)):
            size = int(draw.uniform(0.06, 0.14) * RATE)
            sweep = np.linspace(-1, 1, size) * draw.rng.choice([-1.0, 1.0])
            place(signal, tone(center + span * sweep, [1.0]) * swell(size), second)
            second += size / RATE + draw.uniform(0.02, 0.07)
        second += draw.uniform(0.15, 0.5)
    return signal


def drum(draw: Draw, n: int) -> Signal:
    """A beat of low, booming thumps with a falling pitch and a dull tap."""
    size = int(0.4 * RATE)
    base = draw.uniform(75.0, 120.0)
    thump = tone(base * (1 + 1.5 * np.exp(-np.arange(size) / RATE / 0.05)), [1.0, 0.4, 0.15])
    beat = thump * pulse(size, 0.002, draw.uniform(0.1, 0.16))
    beat += band_noise(draw, size, 300.0, 1200.0) * pulse(size, 0.001, 0.02) * 0.4
    signal = np.zeros(n)
    second, period = draw.rng.uniform(0, 0.15), draw.uniform(0.28, 0.5)
    while second < n / RATE:
        place(signal, beat * draw.uniform(0.7, 1.0), second)
        second += period
    return signal


def engine(draw: Draw, n: int) -> Signal:
    """A steady stack of low harmonics with a slow drift and a little roughness."""
    seconds = np.arange(n) / RATE
    drift = 1 + 0.08 * np.sin(2 * np.pi * draw.uniform(0.1, 0.4) * seconds + draw.rng.uniform(0, 6.3))
    strength = [draw.rng.uniform(0.5, 1.0) / k**0.35 for k in range(1, 31)]
    hum = tone(draw.uniform(45.0, 95.0) * drift, strength)
    rough = 1 + 0.3 * np.sin(2 * np.pi * draw.uniform(18.0, 28.0) * seconds)
    return hum / float(hum.std()) * rough + 0.25 * band_noise(draw, n, 80.0, 1200.0)


def siren(draw: Draw, n: int) -> Signal:
    """A loud tone that rises and falls over an octave."""
    seconds = np.arange(n) / RATE
    wave = np.sin(2 * np.pi * draw.uniform(0.35, 1.1) * seconds + draw.rng.uniform(0, 6.3))
    return tone(draw.uniform(650.0, 950.0) * 2 ** (draw.uniform(0.4, 0.6) * wave), [1.0, 0.5, 0.35, 0.2, 0.1])


def wind(draw: Draw, n: int) -> Signal:
    """Gusts of low noise whose level and colour move slowly."""
    seconds = np.arange(n) / RATE
    gust = 0.55 + 0.45 * np.sin(2 * np.pi * draw.uniform(0.25, 0.7) * seconds + draw.rng.uniform(0, 6.3))
    low = band_noise(draw, n, 60.0, draw.uniform(280.0, 420.0))
    high = band_noise(draw, n, 300.0, draw.uniform(800.0, 1300.0))
    return low * gust + 0.6 * high * gust**2


EVENTS: Final[Mapping[str, Generator]] = MappingProxyType(
    {"bell": bell, "bird": bird, "drum": drum, "engine": engine, "siren": siren, "wind": wind}
)
"""By name; the names are the keys of the phrase bank too."""
