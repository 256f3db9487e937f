"""Bodies of chat completions: the clip first, then the text, greedy."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from pytest_mcr.models.endpoint_target import Target
from pytest_mcr.models.protocol import Audio
from pytest_mcr.models.wav import wav_bytes

GREEDY: Final[Mapping[str, object]] = {"temperature": 0, "frequency_penalty": 0, "n": 1}
"""Sent with every request. ``transformers serve`` turns a frequency penalty of 0 into a repetition penalty of 1."""
UNPENALIZED: Final[Mapping[str, object]] = {"repetition_penalty": 1.0}
"""Beyond the standard: overrides what a checkpoint's generation config sets. Sent where the server takes it."""


def encode(audio: Audio) -> str:
    """A clip as base64 of a 16-bit PCM mono WAV file at its rate."""
    return base64.b64encode(wav_bytes(audio.samples, audio.rate)).decode("ascii")


def chat(
    target: Target,
    clip: str | None,
    prompt: str,
    tokens: int,
    *,
    extras: Mapping[str, object],
    label: str | None = None,
) -> dict[str, Any]:
    """The body of a request.

    Args:
        target: names the model, the system turn and the field for the room.
        clip: from `encode`, None for a question without audio.
        prompt: the user turn's text.
        tokens: room for the answer.
        extras: fields beyond the common ones.
        label: an assistant turn to end with, None for none.
    """
    parts: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
    if clip is not None:
        parts.insert(0, {"type": "input_audio", "input_audio": {"data": clip, "format": "wav"}})
    messages: list[dict[str, Any]] = [{"role": "user", "content": parts}]
    if target.system is not None:
        messages.insert(0, {"role": "system", "content": target.system})
    if label is not None:
        messages.append({"role": "assistant", "content": label})
    return {"model": target.model, "messages": messages, target.limit: tokens, **GREEDY, **extras}
