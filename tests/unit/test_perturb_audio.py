"""Perturbed clips: what every perturber keeps, that it is seeded, and what each does to a tone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.perturbers import NOISE, PERTURBERS, Perturbation
from pytest_mcr.data.audio import digest, level, made, noise, silence
from pytest_mcr.data.perturb_audio import _DONE, PIECE, perturbed
from pytest_mcr.models.protocol import Audio

RATE = 16_000
GRADED = [name for name, kind in PERTURBERS.items() if kind.strength]
DRAWN = [name for name, kind in PERTURBERS.items() if kind.draws]


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE) -> Audio:
    return made((0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate)


def rms(audio: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(audio.samples, dtype=np.float64))))


def test_every_name_can_be_done() -> None:
    assert list(_DONE) == list(PERTURBERS)


@given(
    st.sampled_from(list(PERTURBERS)),
    st.floats(0.01, 1),
    st.integers(1, 3000),
    st.sampled_from([8_000, 16_000, 44_100]),
    st.integers(0, 2**31),
)
@settings(max_examples=150, deadline=None)
def test_length_rate_scale_and_digest(name: str, amount: float, length: int, rate: int, seed: int) -> None:
    loud = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), length)
    clip = made(loud, rate)
    done = Perturbation(name, amount, seed)
    changed = perturbed(clip, done)
    assert (str(changed.samples.dtype), changed.samples.shape, changed.rate) == ("float32", (length,), rate)
    assert changed.samples.flags.c_contiguous
    assert np.isfinite(changed.samples).all()
    assert np.abs(changed.samples).max() <= 1
    assert changed.digest == digest(changed.samples, rate) == perturbed(clip, done).digest
    assert (changed.digest == clip.digest) == np.array_equal(changed.samples, clip.samples)
    assert np.array_equal(clip.samples, loud)  # never in place


@pytest.mark.parametrize("name", GRADED)
def test_no_strength_is_the_clip_itself_and_full_strength_another(name: str) -> None:
    clip = noise(0.5, RATE, 0)
    assert perturbed(clip, Perturbation(name, 0.0, 3)) is clip
    changes = [
        rms(made(perturbed(clip, Perturbation(name, x, 3)).samples - clip.samples, RATE)) for x in (0.05, 0.5, 1)
    ]
    assert 0 < changes[0] < changes[1] <= changes[2]


@pytest.mark.parametrize("name", PERTURBERS)
def test_silence_stays_silence(name: str) -> None:
    assert not perturbed(silence(0.3, RATE), Perturbation(name, 0.5, 0)).samples.any()


@pytest.mark.parametrize("name", PERTURBERS)
def test_what_is_drawn_depends_on_seed_and_clip(name: str) -> None:
    clip, other = noise(1.0, RATE, 1), noise(1.0, RATE, 2)
    first, second = (perturbed(clip, Perturbation(name, 0.5, seed)).samples for seed in (3, 4))
    assert np.array_equal(first, second) == (name not in DRAWN)
    assert not np.array_equal(first, clip.samples)
    if name == "mask":
        gone = [np.flatnonzero(perturbed(x, Perturbation(name, 0.5, 3)).samples == 0)[:500] for x in (clip, other)]
        assert not np.array_equal(gone[0], gone[1])


@pytest.mark.parametrize("snr", [-10.0, 0.0, 20.0])
def test_noise_has_the_wanted_ratio(snr: float) -> None:
    clip = level(tone(440, 2.0), 0.02)
    noisy = perturbed(clip, Perturbation(NOISE, snr))
    added = noisy.samples.astype(np.float64) - clip.samples
    ratio = 10 * np.log10(np.mean(clip.samples.astype(np.float64) ** 2) / np.mean(added**2))
    assert ratio == pytest.approx(snr, abs=0.2)


def test_noises_of_other_clips_and_seeds_have_nothing_in_common() -> None:
    clips = noise(0.1, RATE, 1), noise(0.1, RATE, 2)
    drawn = [perturbed(a, Perturbation(NOISE, 20, seed)).samples - a.samples for a in clips for seed in (3, 4)]
    assert all(abs(np.corrcoef(x, y)[0, 1]) < 0.2 for n, x in enumerate(drawn) for y in drawn[:n])


@given(st.integers(1, 2000), st.integers(0, 100))
def test_twice_reversed_is_the_clip(length: int, seed: int) -> None:
    clip = noise(length / RATE, RATE, seed)
    once = perturbed(clip, Perturbation("reverse"))
    assert np.array_equal(once.samples, clip.samples[::-1])
    assert perturbed(once, Perturbation("reverse")).digest == clip.digest


@pytest.mark.parametrize("name", ["lowpass", "downsample"])
@pytest.mark.parametrize("strength", [0.5, 0.75])
def test_what_lies_below_the_cutoff_passes(name: str, strength: float) -> None:
    cutoff = RATE / 2 * (1 - strength)
    below, above = (rms(perturbed(tone(x * cutoff), Perturbation(name, strength))) for x in (0.8, 1.2))
    assert below == pytest.approx(rms(tone(440)), rel=0.05)
    assert above < 0.1 * below


def test_the_gaussian_filter_has_the_documented_cutoff() -> None:
    for strength in (0.25, 1.0):
        kept = rms(perturbed(tone(132.5 / strength), Perturbation("gaussian", strength))) / rms(tone(132.5 / strength))
        assert kept == pytest.approx(np.sqrt(0.5), rel=0.02)


@given(st.floats(0.01, 1), st.integers(0, 1000))
def test_masks_silence_their_share_of_whole_pieces(strength: float, seed: int) -> None:
    clip = made(np.ones(RATE, np.float32), RATE)
    pieces = perturbed(clip, Perturbation("mask", strength, seed)).samples.reshape(10, round(PIECE * RATE))
    assert set(np.unique(pieces)) <= {0, 1}
    assert (pieces.min(1) == pieces.max(1)).all()
    assert int((pieces.max(1) == 0).sum()) == max(1, round(10 * strength))


def test_the_removed_share_of_the_spectrum_takes_its_share_of_the_power() -> None:
    clip = noise(2.0, RATE, 0)
    powers = [(rms(perturbed(clip, Perturbation("spectrum", x, 1))) / rms(clip)) ** 2 for x in (1e-9, 0.5, 1.0)]
    assert powers[0] == pytest.approx(1, abs=1e-6)
    assert 0.25 < powers[1] < 0.5  # overlapping windows: what is left of a cell leaks into removed neighbours
    assert powers[2] == 0
