# mypy: allow-untyped-calls
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.hf_delivery import tokens_of_frames, verify
from tests.unit.tiny_requests import clip


class Extractor:
    hop_length = 160


def features(*frames: int, long: int = 400) -> dict[str, torch.Tensor]:
    mask = torch.tensor([[1] * count + [0] * (long - count) for count in frames])
    return {"input_features": torch.zeros(len(frames), 128, long), "feature_attention_mask": mask}


@pytest.mark.parametrize("frames", [3, 4, 49, 100, 150, 399, 400])
def test_the_count_is_that_of_the_encoder_itself(tiny_model_dir: Path, frames: int) -> None:
    tower = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(tiny_model_dir).model.audio_tower
    assert tokens_of_frames(frames) == int(tower._get_feat_extract_output_lengths(torch.tensor(frames))[1])


@given(st.integers(0, 3000))
def test_a_frame_more_is_at_most_a_token_more(frames: int) -> None:
    assert tokens_of_frames(frames) <= tokens_of_frames(frames + 1) <= tokens_of_frames(frames) + 1
    assert (tokens_of_frames(frames) == 0) == (frames < 3)


def test_sound_input_passes() -> None:
    clips = [clip(1, 1.5), clip(2, 4.0)]
    verify([37, 100], features(150, 400), clips, Extractor(), "qwen2_audio")
    verify([200], features(400, 400, 150), [clip(1, 9.5)], Extractor(), "audioflamingo3")  # windows of one clip
    verify([5], {"input_values": torch.zeros(1, 9)}, clips[:1], Extractor(), "unknown")  # no mask to count


@pytest.mark.parametrize(
    ("counts", "tensors", "family", "words"),
    [
        ([37, 0], features(150, 150), "qwen2_audio", r"\[37, 0\] audio placeholders in 2 prompts for 2 clips"),
        ([37], features(150, 150), "qwen2_audio", r"\[37\] audio placeholders in 1 prompts for 2 clips"),
        ([37, 37], {"input_ids": torch.zeros(2, 9)}, "qwen2_audio", "no audio features, only input_ids"),
        ([37, 36], features(150, 150), "qwen2_audio", r"call for \[37, 37\]"),
        ([25, 37], features(100, 150), "qwen2_audio", r"cover 1\.00 s of 1\.50 s"),
        ([9, 9], features(100, 100, 60), "audioflamingo3", r"cover 2\.60 s of 3\.00 s"),
    ],
    ids=["none", "row", "features", "count", "cut", "windows"],
)
def test_what_is_missing_is_named(counts: list[int], tensors: dict[str, torch.Tensor], family: str, words: str) -> None:
    with pytest.raises(DeliveryError, match=words):
        verify(counts, tensors, [clip(1, 1.5), clip(2, 1.5)], Extractor(), family)
