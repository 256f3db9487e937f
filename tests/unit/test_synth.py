"""Synthetic clips: seeded, well-formed, confined to their bands, and told apart by plain statistics."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.data.synth import (
    BANDS,
    LONGEST,
    RATE,
    SHORTEST,
    TEST_BANDS,
    TRAIN_BANDS,
    Draw,
    Generator,
    Split,
    band_noise,
    clip,
    fast,
    place,
    pulse,
    swell,
    tone,
)
from pytest_mcr.data.synth_events import EVENTS
from pytest_mcr.data.synth_voices import PROSODY, VOCAL

GENERATORS: dict[str, Generator] = {**EVENTS, **PROSODY, **VOCAL}
SPLITS: tuple[Split, ...] = ("train", "fixture", "heldout")


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("split", SPLITS)
def test_a_clip_is_well_formed(name: str, split: Split) -> None:
    samples = clip((1, 2, 3), [GENERATORS[name]], split)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert SHORTEST * RATE <= len(samples) <= LONGEST * RATE
    assert np.isfinite(samples).all()
    assert 0.19 <= float(np.abs(samples).max()) <= 0.96


def test_the_seed_decides_every_sample() -> None:
    first, again, other = (clip(seed, [EVENTS["bell"]], "train") for seed in ((1, 2), (1, 2), (1, 3)))
    assert np.array_equal(first, again)
    assert len(first) != len(other) or not np.array_equal(first, other)


def test_splits_share_no_band() -> None:
    assert BANDS["fixture"] == BANDS["heldout"] == TEST_BANDS
    bands = sorted((*TRAIN_BANDS, *TEST_BANDS))
    assert all(0.0 <= low < high <= 1.0 for low, high in bands)
    assert all(left[1] <= right[0] for left, right in pairwise(bands))


@given(st.integers(0, 2**32), st.floats(-1e3, 1e3), st.floats(0.1, 1e3), st.sampled_from(SPLITS))
def test_draws_stay_in_their_bands(seed: int, low: float, width: float, split: Split) -> None:
    draw = Draw(np.random.default_rng(seed), BANDS[split])
    position = (draw.uniform(low, low + width) - low) / width
    assert any(start - 1e-6 <= position <= stop + 1e-6 for start, stop in BANDS[split])


def test_draws_reach_every_band_evenly() -> None:
    draw = Draw(np.random.default_rng(0), TRAIN_BANDS)
    positions = np.array([draw.uniform(0.0, 1.0) for _ in range(4000)])
    shares = [float(((positions >= start) & (positions <= stop)).mean()) for start, stop in TRAIN_BANDS]
    assert shares == pytest.approx([35 / 75, 40 / 75], abs=0.03)


@given(st.integers(1, 10**6))
def test_fast_lengths_are_multiples_that_suffice(n: int) -> None:
    assert fast(n) % 512 == 0
    assert n <= fast(n) < n + 512


@given(st.integers(1, 4000), st.floats(0.0, 1.0))
def test_envelopes_stay_within_one(n: int, attack: float) -> None:
    for envelope in (pulse(n, attack, 0.1), swell(n)):
        assert envelope.shape == (n,)
        assert 0.0 <= float(envelope.min()) <= float(envelope.max()) <= 1.0


def test_noise_and_tones_lie_where_they_are_asked() -> None:
    hertz = np.fft.rfftfreq(RATE, 1 / RATE)
    noise = np.abs(np.fft.rfft(band_noise(Draw(np.random.default_rng(0)), RATE, 1000.0, 2000.0))) ** 2
    assert noise[(hertz > 800) & (hertz < 2500)].sum() > 0.95 * noise.sum()
    loudest = hertz[np.abs(np.fft.rfft(tone(np.full(RATE, 440.0), [1.0, 0.2]))).argmax()]
    assert loudest == pytest.approx(440.0, abs=1.0)


def test_place_cuts_what_reaches_past_the_end() -> None:
    target = np.zeros(RATE)
    place(target, np.ones(RATE), 0.75)
    place(target, np.ones(RATE), 2.0)
    assert target.sum() == RATE // 4


def look(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A crude fingerprint: mean and spread over time of the log power in 16 bands, and of its change."""
    frames = samples[: len(samples) // 400 * 400].reshape(-1, 400) * np.hanning(400)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:193] ** 2
    log = np.log(power.reshape(len(frames), 16, 12).mean(axis=2) + 1e-7)
    log -= log.mean()
    change = np.abs(np.diff(log, axis=0))
    return np.concatenate([log.mean(axis=0), log.std(axis=0), change.mean(axis=0)])


@pytest.mark.parametrize("bank", [EVENTS, PROSODY, VOCAL], ids=["events", "prosody", "vocal"])
def test_classes_are_told_apart_by_plain_statistics(bank: dict[str, Generator]) -> None:
    """Nearest class mean of a crude fingerprint, fitted on training clips, is right on most clips of unseen ranges."""
    known = {name: np.array([look(clip((0, i), [make], "train")) for i in range(12)]) for name, make in bank.items()}
    spread = np.concatenate([rows - rows.mean(axis=0) for rows in known.values()]).std(axis=0) + 1e-6
    right = 0
    for name, make in bank.items():
        for i in range(6):
            heard = look(clip((1, i), [make], "heldout"))
            near = min(
                (float((((heard - rows.mean(axis=0)) / spread) ** 2).sum()), label) for label, rows in known.items()
            )
            right += near[1] == name
    assert right / (6 * len(bank)) >= 0.6
