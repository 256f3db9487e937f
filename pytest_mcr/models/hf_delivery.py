"""Proof that the audio of a clip is in what a processor made of it: placeholders, features, nothing cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.protocol import Audio

FEATURES: Final = ("input_features", "input_values", "audio_input_features")
MASKS: Final = ("feature_attention_mask", "input_features_mask")
SAMPLE_MASKS: Final = ("padding_mask", "input_values_mask", "chunk_sample_lengths")
"""Tensors whose sum is the number of samples that were taken."""
COUNTED: Final = frozenset({"qwen2_audio"})
"""Families whose number of audio tokens is known to be `tokens_of_frames`, and is therefore checked."""

Tensors = dict[str, torch.Tensor]


def verify(counts: Sequence[int], tensors: Tensors, clips: Sequence[Audio], extractor: Any, family: str) -> None:
    """Check that every row holds placeholders for all of its clip, and that the features are there.

    Args:
        counts: audio placeholders in each row.
        tensors: what the processor gave.
        clips: the clip of each row.
        extractor: the processor's feature extractor.
        family: ``config.model_type``.

    Raises:
        DeliveryError: a row without placeholders, features that are absent or too short, or a count that differs
            from what the features of the row call for.
    """
    if len(counts) != len(clips) or min(counts) < 1:
        raise DeliveryError(
            f"{list(counts)} audio placeholders in {len(counts)} prompts for {len(clips)} clips; expected some in each"
        )
    if not any(name in tensors for name in FEATURES):
        raise DeliveryError(f"the processor gave no audio features, only {', '.join(sorted(tensors))}")
    taken = next((tensors[name] for name in SAMPLE_MASKS if name in tensors), None)
    if taken is not None:
        _require_whole(int(taken.sum()), sum(len(clip.samples) for clip in clips), clips[0].rate)
    mask = next((tensors[name] for name in MASKS if name in tensors), None)
    if mask is None or mask.dim() != 2:
        return
    frames = [int(count) for count in mask.sum(-1)]
    if family in COUNTED:
        expected = [tokens_of_frames(count) for count in frames]
        if list(counts) != expected:
            raise DeliveryError(f"{list(counts)} audio placeholders in the prompts; the features call for {expected}")
    hop = getattr(extractor, "hop_length", None)
    if hop is not None:
        frame: Any = getattr(extractor, "frame_length", None) or getattr(extractor, "n_fft", 0)
        _verify_length(frames, clips, int(hop), int(frame))


def _verify_length(frames: list[int], clips: Sequence[Audio], hop: int, frame: int) -> None:
    """Frames must cover the clips: a clip's own where rows are clips, else (windows a clip) their sum."""
    samples = [len(clip.samples) for clip in clips]
    heard, given = (frames, samples) if len(frames) == len(clips) else ([sum(frames)], [sum(samples)])
    # The last frame of a window is dropped by Whisper's extractor; Gemma 3n's has none that reaches beyond the clip.
    slack = 2 * hop * max(1, len(frames)) + frame
    for count, length in zip(heard, given, strict=True):
        _require_whole(count * hop, length, clips[0].rate, slack)


def _require_whole(covered: int, length: int, rate: int, slack: int = 0) -> None:
    if covered < length - slack:
        raise DeliveryError(f"the features cover {covered / rate:.2f} s of {length / rate:.2f} s: audio was cut")


def tokens_of_frames(frames: int) -> int:
    """Audio tokens of Qwen2-Audio for mel frames: a convolution and a pooling, each of stride 2 (25 a second)."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1 if frames > 0 else 0
