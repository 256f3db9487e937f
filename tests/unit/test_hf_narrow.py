# mypy: allow-untyped-calls
"""Features computed over a clip's own length are the bits of those computed over the whole window."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoProcessor

from pytest_mcr.models import hf_narrow
from pytest_mcr.models.hf_narrow import Window, window_of
from pytest_mcr.models.hf_processor import Processor
from pytest_mcr.models.hf_prompts import ANY_PROMPT
from pytest_mcr.models.protocol import Audio
from tests.unit.tiny_requests import clip, loaded

RATE = 16_000


@pytest.fixture(scope="module")
def processor(tiny_model_dir: Path) -> Processor:
    return Processor(AutoProcessor.from_pretrained(tiny_model_dir), "qwen2_audio", 3)


@pytest.fixture(scope="module")
def window(processor: Processor) -> Window:
    found = window_of(processor)
    assert found == Window(400, 4 * RATE)
    return found


@settings(max_examples=60)
@given(
    samples=st.integers(RATE // 10, 4 * RATE),
    seed=st.integers(0, 99),
    loud=st.sampled_from([0.0, 1e-4, 0.1, 1.0]),
    offset=st.sampled_from([0.0, 0.9]),
)
def test_every_clip_gives_the_processors_own_tensors(
    processor: Processor, window: Window, samples: int, seed: int, loud: float, offset: float
) -> None:
    noise = np.random.default_rng(seed).normal(size=samples)
    audio = Audio(np.clip(loud * noise + offset, -1, 1).astype(np.float32), RATE, "a clip")
    whole, ours = processor.tensors([audio], [ANY_PROMPT]), window.tensors(processor, audio)
    assert whole.keys() == ours.keys()
    assert all(torch.equal(whole[name], ours[name]) for name in whole)


def test_a_short_clip_is_transformed_over_its_own_length(
    processor: Processor, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []
    real = Processor.tensors

    def note(self: Processor, clips: list[Audio], prompts: list[str], samples: int | None = None) -> object:
        asked.append(samples)
        return real(self, clips, prompts, samples)

    monkeypatch.setattr(Processor, "tensors", note)
    window.tensors(processor, clip(0, 1.0))
    window.tensors(processor, clip(0, 3.95))
    assert asked == [round(1.1 * RATE), None]


def test_too_little_silence_behind_the_clip_would_be_noticed(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf_narrow, "SILENCE", 0.0)
    assert window_of(processor) is None


def test_an_extractor_with_dither_is_asked_for_the_whole_window(tiny_model_dir: Path) -> None:
    real = AutoProcessor.from_pretrained(tiny_model_dir)
    real.feature_extractor.dither = 0.1
    assert window_of(Processor(real, "qwen2_audio", 3)) is None


def test_the_model_uses_it(tiny_model_dir: Path) -> None:
    assert loaded(tiny_model_dir)._inputs._window == Window(400, 4 * RATE)
