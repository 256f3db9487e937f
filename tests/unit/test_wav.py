import io

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pytest_mcr.models.wav import STEPS, wav_bytes


@given(hnp.arrays(np.int16, st.integers(1, 64)), st.sampled_from([8000, 16_000, 24_000, 44_100]))
def test_sixteen_bit_clips_come_back_bit_for_bit(whole: NDArray[np.int16], rate: int) -> None:
    samples = (whole / STEPS).astype(np.float32)
    read, rate_read = soundfile.read(io.BytesIO(wav_bytes(samples, rate)), dtype="float32")
    assert rate_read == rate
    assert read.tobytes() == samples.tobytes()


@given(hnp.arrays(np.float32, st.integers(1, 64), elements=st.floats(-2, 2, width=32)))
def test_other_clips_are_rounded_and_clipped(samples: NDArray[np.float32]) -> None:
    read, _ = soundfile.read(io.BytesIO(wav_bytes(samples, 16_000)), dtype="float32")
    assert np.abs(read - np.clip(samples, -1, 1)).max() <= 1 / STEPS


def test_the_file_is_mono_16_bit_pcm() -> None:
    info = soundfile.info(io.BytesIO(wav_bytes(np.zeros(10, np.float32), 8000)))
    assert (info.format, info.subtype, info.channels, info.frames) == ("WAV", "PCM_16", 1, 10)
