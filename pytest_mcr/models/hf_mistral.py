"""Processors whose chat format is in mistral-common and not in a template: Voxtral.

They take audio as a base64 file, know no template arguments, and never read control tokens out of a text.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import soundfile

BACKEND: Final = "MistralCommonBackend"


def speaks_mistral(processor: Any) -> bool:
    """Whether a processor's tokenizer is mistral-common's."""
    return any(kind.__name__ == BACKEND for kind in type(processor.tokenizer).__mro__)


def needs_mistral(folder: Path) -> str | None:
    """What to install for a checkpoint whose tokenizer transformers reads without it, but not its chat format."""
    if not (folder / "tekken.json").is_file():
        return None
    return (
        "its chat format is in mistral-common, which is not installed or too old; type: pip install "
        "'mistral-common[audio]>=1.11.5' (it may need an older numpy than the one installed)"
    )


def encode(processor: Any, conversations: Sequence[Sequence[dict[str, Any]]], rate: int) -> Any:
    """Tensors of a left-padded batch.

    Args:
        processor: one that `speaks_mistral`.
        conversations: turns in transformers' form, clips as arrays.
        rate: of the clips, in Hz.

    Raises:
        ValueError: mistral-common refused the turns.
    """
    from mistral_common.exceptions import MistralCommonException

    turns = [[_turn(turn, rate) for turn in turns] for turns in conversations]
    try:
        return processor.apply_chat_template(turns, return_tensors="pt")
    except MistralCommonException as error:  # no ValueError of Python's
        raise ValueError(f"mistral-common refused the conversation: {error}") from error


def _turn(turn: dict[str, Any], rate: int) -> dict[str, Any]:
    content = turn["content"]
    if isinstance(content, str):
        return turn
    return {**turn, "content": [_part(part, rate) for part in content]}


def _part(part: dict[str, Any], rate: int) -> dict[str, Any]:
    """A clip as a WAV file of 32-bit floats: the same numbers, where 16 bits would round them."""
    if part["type"] != "audio":
        return part
    file = io.BytesIO()
    soundfile.write(file, part["audio"], rate, format="WAV", subtype="FLOAT")
    return {"type": "audio", "base64": base64.b64encode(file.getbuffer()).decode()}
