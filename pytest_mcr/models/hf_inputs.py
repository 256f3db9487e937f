"""From requests to tensors, with proof that the audio is in them: placeholders, features, nothing dropped or cut.

Three silent failures of real processors are turned into errors here: a keyword or content part that is ignored (only
a log line says so), a clip that is cut to the model's window, and an array that is taken to be at another rate.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from transformers.utils import logging as transformers_logging

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.protocol import Audio, Request

FEATURES: Final = ("input_features", "input_values", "audio_input_features")
MASKS: Final = ("feature_attention_mask", "input_features_mask")
FIXED_WINDOW: Final = frozenset({"qwen2_audio"})
"""Families that pad every clip to one length: only there may clips share a batch, because elsewhere the features of a
clip depend on the longest one beside it (the STFT pads by reflection at the end, or the encoder has no mask)."""

UNLIMITED: Final = frozenset({"qwen3_omni_moe", "qwen3_asr"})
"""Families whose extractor has a chunk length and yet does not truncate."""
FIXED_SECONDS: Final = {"gemma3n": 30.0, "gemma4": 30.0, "gemma4_unified": 30.0}
"""Families that truncate at a length which no attribute of their extractor says."""

_ALARMS: Final = ("ignored", "not a valid argument", "truncat", "not used", "unused")


class Inputs:
    """Builds the tensors of a batch with a checkpoint's own processor and chat template.

    Args:
        processor: from `AutoProcessor`.
        family: ``config.model_type``.
        audio_token_id: the placeholder that stands for one audio embedding.

    Attributes:
        sample_rate: Hz that the feature extractor takes.
        window: seconds that the model hears at most, None without a limit.
        shares_batches: clips of different samples may share a batch.
    """

    def __init__(self, processor: Any, family: str, audio_token_id: int) -> None:
        self.processor = processor
        self.family = family
        self.audio_token_id = audio_token_id
        self._extractor = processor.feature_extractor
        self.sample_rate = int(self._extractor.sampling_rate)
        self.window = window_seconds(processor, family)
        self.shares_batches = family in FIXED_WINDOW
        transformers_logging.warning_once.cache_clear()  # a warning given before this model would not come again

    def refusal(self, audio: Audio | None) -> str | None:
        """Why this clip cannot be asked about, None when it can.

        Raises:
            DeliveryError: the clip is at another rate than the model's; it would be heard at the wrong speed.
        """
        if audio is None:
            return None
        if audio.rate != self.sample_rate:
            raise DeliveryError(f"a clip at {audio.rate} Hz was given to a model that takes {self.sample_rate} Hz")
        seconds = len(audio.samples) / audio.rate
        if self.window is not None and seconds > self.window:
            return (
                f"clip lasts {seconds:.1f} s, the model hears at most {self.window:g} s; "
                "shorten the clip or choose a model with a longer window"
            )
        if self.family in FIXED_WINDOW and tokens_of_frames(len(audio.samples) // int(self._extractor.hop_length)) < 1:
            return f"clip lasts {seconds:.3f} s, which gives the model no audio token at all; 0.1 s is enough"
        return None

    def build(self, requests: Sequence[Request]) -> dict[str, torch.Tensor]:
        """Tensors of one batch, left-padded, audio first in the user turn.

        Args:
            requests: all with audio or all without.

        Returns:
            ``input_ids`` and ``attention_mask`` of shape (rows, tokens), and the family's audio tensors.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        with complaints() as heard:
            try:
                encoded = self.processor.apply_chat_template(
                    [conversation(request) for request in requests],
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                    sanitize_control_tokens=True,  # a text that holds <|AUDIO|> is text
                    # Flat padding would reach the feature extractor too and change what some families hear.
                    processor_kwargs={"text_kwargs": {"padding": True, "padding_side": "left"}},
                )
            except ValueError as error:
                if "audio" in str(error).lower():
                    raise DeliveryError(f"the processor refused the audio: {' '.join(str(error).split())}") from error
                raise
        if heard:
            raise DeliveryError(f"the processor complained: {heard[0]}")
        tensors = {name: value for name, value in encoded.items() if isinstance(value, torch.Tensor)}
        if requests[0].audio is not None:
            self.verify(tensors, [request.audio for request in requests if request.audio is not None])
        return tensors

    def verify(self, tensors: dict[str, torch.Tensor], clips: Sequence[Audio]) -> None:
        """Check that every row holds placeholders for all of its clip, and that the features are there.

        Raises:
            DeliveryError: a row without placeholders, features that are absent or too short, or a count that differs
                from what the features of the row call for.
        """
        counts = [int(count) for count in (tensors["input_ids"] == self.audio_token_id).sum(-1)]
        if len(counts) != len(clips) or min(counts) < 1:
            raise DeliveryError(
                f"{counts} audio placeholders in {len(counts)} prompts for {len(clips)} clips; expected some in each"
            )
        if not any(name in tensors for name in FEATURES):
            raise DeliveryError(f"the processor gave no audio features, only {', '.join(sorted(tensors))}")
        mask = next((tensors[name] for name in MASKS if name in tensors), None)
        if mask is None or mask.dim() != 2:
            return
        frames = [int(count) for count in mask.sum(-1)]
        if self.family in FIXED_WINDOW:
            expected = [tokens_of_frames(count) for count in frames]
            if counts != expected:
                raise DeliveryError(f"{counts} audio placeholders in the prompts; the features call for {expected}")
        hop = getattr(self._extractor, "hop_length", None)
        if hop is not None:
            self._verify_length(frames, clips, int(hop))

    def _verify_length(self, frames: list[int], clips: Sequence[Audio], hop: int) -> None:
        """Frames must cover the clips: a clip's own where rows are clips, else (windows a clip) their sum."""
        samples = [len(clip.samples) for clip in clips]
        heard, given = (frames, samples) if len(frames) == len(clips) else ([sum(frames)], [sum(samples)])
        slack = 2 * hop * max(1, len(frames))  # the last frame of a window is dropped by the extractor
        for count, length in zip(heard, given, strict=True):
            if count * hop < length - slack:
                rate = self.sample_rate
                raise DeliveryError(
                    f"the features cover {count * hop / rate:.2f} s of {length / rate:.2f} s: audio was cut"
                )


def conversation(request: Request) -> list[dict[str, Any]]:
    """One user turn: the audio, if any, then the prompt."""
    content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
    if request.audio is not None:
        content.insert(0, {"type": "audio", "audio": request.audio.samples})
    return [{"role": "user", "content": content}]


def tokens_of_frames(frames: int) -> int:
    """Audio tokens of Qwen2-Audio for mel frames: a convolution and a pooling, each of stride 2 (25 a second)."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1 if frames > 0 else 0


def window_seconds(processor: Any, family: str) -> float | None:
    """Seconds after which a family cuts a clip, None where it does not."""
    declared = getattr(processor, "max_audio_len", None)  # AF3, Music Flamingo, GLM-ASR: windows, up to this many s
    if declared is not None:
        return float(declared)
    if family in UNLIMITED:
        return None
    if family in FIXED_SECONDS:
        return FIXED_SECONDS[family]
    chunk = getattr(processor.feature_extractor, "chunk_length", None)
    return None if chunk is None else float(chunk)


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect what transformers logs or warns about things it ignores or cuts."""
    heard: list[str] = []
    handler = _Listener(heard)
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.WARNING:  # TRANSFORMERS_VERBOSITY=error must not blind the check
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield heard
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    for warning in caught:
        text = str(warning.message)
        if _alarming(text):
            heard.append(text)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if _alarming(text):
            self._heard.append(" ".join(text.split()))


def _alarming(text: str) -> bool:
    return any(word in text.lower() for word in _ALARMS)
