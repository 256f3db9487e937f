"""Decoding, mixing, resampling and digests, against soundfile and scipy directly."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.signal import resample_poly

from pytest_mcr.data.audio import crop, decode, digest, level, noise, resample, silence
from pytest_mcr.models.protocol import Audio
from tests.unit.clips import FORMATS, RATE, Samples, tone, written

VARIANTS = (
    ("wav", "PCM_U8"), ("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "PCM_32"), ("wav", "FLOAT"), ("wav", "DOUBLE"),
    ("wav", "ULAW"), ("flac", "PCM_16"), ("flac", "PCM_24"), ("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", None),
)  # fmt: skip


# Decoding


@pytest.mark.parametrize(("extension", "subtype"), VARIANTS)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_decodes_at_its_own_rate(
    tmp_path: Path, extension: str, subtype: str | None, channels: int
) -> None:
    samples = tone()
    path = written(tmp_path, f"a.{extension}", np.stack([samples] * channels, axis=1), subtype=subtype)
    audio = decode(path)
    assert (audio.rate, str(audio.samples.dtype), audio.samples.shape) == (RATE, "float32", samples.shape)
    assert np.corrcoef(audio.samples, samples)[0, 1] > 0.99
    assert np.abs(audio.samples).max() <= 1


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("extension", FORMATS)
def test_every_usual_rate(tmp_path: Path, extension: str, rate: int) -> None:
    audio = decode(written(tmp_path, f"a.{extension}", tone(0.5, rate), rate))
    assert (audio.rate, len(audio.samples)) == (rate, rate // 2)


def test_float_samples_arrive_unchanged(tmp_path: Path) -> None:
    samples = tone()
    assert np.array_equal(decode(written(tmp_path, "a.wav", samples, subtype="FLOAT")).samples, samples)


@given(
    frames=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 4)),
        elements=st.floats(-1, 1, width=32),
    )
)
def test_mono_is_the_mean_of_the_channels(tmp_path_factory: pytest.TempPathFactory, frames: Samples) -> None:
    path = written(tmp_path_factory.getbasetemp(), "mean.wav", frames, subtype="FLOAT")
    expected = np.array([np.float32(sum(map(float, frame)) / len(frame)) for frame in frames])
    assert np.array_equal(decode(path).samples, expected)


def test_equal_channels_are_the_mono_clip(tmp_path: Path) -> None:
    samples = tone()
    mono = decode(written(tmp_path, "mono.wav", samples, subtype="FLOAT"))
    stereo = decode(written(tmp_path, "stereo.wav", np.stack([samples, samples], axis=1), subtype="FLOAT"))
    assert mono.digest == stereo.digest
    assert np.array_equal(mono.samples, stereo.samples)


def test_the_digest_is_of_little_endian_samples_and_the_rate(tmp_path: Path) -> None:
    samples = np.array([0.0, 0.5, -1.0], np.float32)
    expected = hashlib.sha256(struct.pack("<3f", 0.0, 0.5, -1.0) + b"16000").hexdigest()
    assert decode(written(tmp_path, "a.wav", samples, subtype="FLOAT")).digest == expected
    assert digest(samples.astype(">f4"), RATE) == expected


def test_the_digest_hears_the_rate_and_each_sample_but_not_the_container(tmp_path: Path) -> None:
    samples = (tone() * 32_767).astype(np.int16)
    other = samples.copy()
    other[-1] += 1
    wav = decode(written(tmp_path, "a.wav", samples, subtype="PCM_16")).digest
    assert decode(written(tmp_path, "a.flac", samples, subtype="PCM_16")).digest == wav
    assert decode(written(tmp_path, "b.wav", samples, 22_050, subtype="PCM_16")).digest != wav
    assert decode(written(tmp_path, "c.wav", other, subtype="PCM_16")).digest != wav


def test_a_clip_beyond_full_scale_is_divided_by_its_peak(tmp_path: Path) -> None:
    loud = 3 * tone()
    audio = decode(written(tmp_path, "a.wav", loud, subtype="FLOAT"))
    assert np.abs(audio.samples).max() == 1
    assert np.allclose(audio.samples * np.abs(loud).max(), loud, atol=1e-6)
    assert audio.digest == digest(loud, RATE)


def test_more_than_one_block_of_frames(tmp_path: Path) -> None:
    samples = tone(150.0)
    assert np.array_equal(decode(written(tmp_path, "a.wav", samples, subtype="FLOAT")).samples, samples)


def test_a_clip_of_one_sample(tmp_path: Path) -> None:
    assert decode(written(tmp_path, "a.wav", np.array([0.25], np.float32))).samples.tolist() == [0.25]


# Resampling


@pytest.mark.parametrize(
    ("rate", "up", "down"), [(8_000, 80, 441), (16_000, 160, 441), (22_050, 1, 2), (48_000, 160, 147)]
)
def test_resampling_is_scipys_polyphase_filter(rate: int, up: int, down: int) -> None:
    samples = tone(0.5, 44_100)
    changed = resample(Audio(samples, 44_100, "d"), rate)
    expected = resample_poly(samples.astype(np.float64), up, down).astype(np.float32)
    assert (changed.rate, changed.digest, str(changed.samples.dtype)) == (rate, "d", "float32")
    assert np.array_equal(changed.samples, expected)


@pytest.mark.parametrize(("own", "wanted"), [(44_100, 16_000), (8_000, 16_000), (48_000, 16_000), (16_000, 44_100)])
def test_resampling_keeps_pitch_level_and_length(own: int, wanted: int) -> None:
    clean = (0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * own) / own)).astype(np.float32)
    changed = resample(Audio(clean, own, "d"), wanted).samples
    spectrum = np.abs(np.fft.rfft(changed))
    assert len(changed) == 2 * wanted
    assert np.argmax(spectrum) / 2 == 440  # two seconds: bins of half a hertz
    assert np.abs(changed[wanted // 2 : -wanted // 2]).max() == pytest.approx(0.5, abs=2e-3)


def test_resampling_to_the_same_rate_is_the_same_clip() -> None:
    audio = noise(0.1, RATE, 0)
    assert resample(audio, RATE) is audio


def test_resampling_overshoot_stays_within_full_scale() -> None:
    square = np.sign(np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE + 0.1)).astype(np.float32)
    overshooting = resample_poly(square.astype(np.float64), 3, 1)
    assert np.abs(overshooting).max() > 1.05
    assert np.abs(resample(Audio(square, RATE, "d"), 48_000).samples).max() == 1


def test_the_digest_does_not_depend_on_resampling(tmp_path: Path) -> None:
    audio = decode(written(tmp_path, "a.wav", tone(rate=44_100), 44_100))
    assert resample(audio, 16_000).digest == audio.digest == resample(audio, 8_000).digest


# Plain operations


@given(
    samples=hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(-1, 1, width=32)),
    length=st.integers(0, 60),
)
def test_crop_gives_exactly_the_seconds_asked_for(samples: Samples, length: int) -> None:
    cropped = crop(Audio(samples, 1_000, "d"), length / 1_000)
    kept = min(length, len(samples))
    assert len(cropped.samples) == length
    assert np.array_equal(cropped.samples[:kept], samples[:kept])
    assert not cropped.samples[kept:].any()
    assert cropped.digest == digest(cropped.samples, 1_000)
    assert cropped.samples.dtype == np.float32


@given(
    samples=hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(-1, 1, width=32)),
    rms=st.floats(0.01, 0.5),
)
def test_level_brings_the_rms_or_full_scale(samples: Samples, rms: float) -> None:
    audio = Audio(samples, RATE, digest(samples, RATE))
    changed = level(audio, rms)
    if not samples.any():
        assert changed is audio
        return
    peak = float(np.abs(changed.samples).max())
    reached = float(np.sqrt(np.mean(changed.samples.astype(np.float64) ** 2)))
    assert peak <= 1
    assert reached == pytest.approx(rms, rel=1e-5) or (peak == 1 and reached < rms)
    assert changed.digest == digest(changed.samples, RATE)


def test_silence_and_noise() -> None:
    quiet, first, again, other = silence(0.5, RATE), noise(0.5, RATE, 1), noise(0.5, RATE, 1), noise(0.5, RATE, 2)
    assert len(quiet.samples) == len(first.samples) == RATE // 2
    assert not quiet.samples.any()
    assert quiet.digest == hashlib.sha256(bytes(4 * RATE // 2) + b"16000").hexdigest()
    assert first.digest == again.digest != other.digest
    assert 0.28 < np.sqrt(np.mean(first.samples**2)) < 0.3
    assert quiet.samples.dtype == first.samples.dtype == np.float32
