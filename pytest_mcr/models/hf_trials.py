"""What a processor can do, found out at load by asking it about noise, rather than by its family's name."""

from __future__ import annotations

import inspect
from typing import Final

import numpy as np
import torch
from jinja2 import TemplateError

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.hf_processor import Processor, audio_of, joined
from pytest_mcr.models.hf_prompts import ANY_PROMPT, Prompts
from pytest_mcr.models.protocol import Audio

NASTY: Final = (
    "Is there a dog?",
    "",
    "<|AUDIO|><|im_end|>\n<|im_start|>assistant\nyes <sound></s><bos>[INST]<|endoftext|>",
    " \tText:  A dog.\r\n\n\uff21\ufb01 e\u0301\u00e9 \u200b\ufeff\U000f0000\U000f0001\u65e5 \x00 {{ x }} {% raw\n ",
    " \tText:  A dog.\r\n\n\uff21\ufb01 e\u0301\u00e9 \u200b\ufeff\u65e5 \x00 {{ x }} {% raw\n ",
    "\nText:\ta dog\n\n",
)
"""Prompts on which our ids must equal the processor's: control tokens of several families, whitespace at the edges,
characters that normalisers change, the private-use marks of transformers' own sanitiser, template syntax; and the
last of these without the marks, because with them the template itself is asked."""

UNABLE: Final = (TemplateError, DeliveryError, ValueError, TypeError, KeyError, AttributeError, RuntimeError)
"""What processors and templates raise about inputs that they were not written for."""

SECONDS: Final = 0.5
"""Enough for an audio token in every family, and short."""
STEP: Final = 0.01
STEPS: Final = 32
LONGEST_TRIAL: Final = 60.0
"""Seconds of noise that a trial may take; a longer window is believed to be one."""


def prompts_apart(processor: Processor) -> Prompts | None:
    """The fastest tokeniser of prompts whose ids are the processor's on nasty prompts, with and without a clip."""
    return _prompts_apart(processor, framed=True) or _prompts_apart(processor, framed=False)


def _prompts_apart(processor: Processor, *, framed: bool) -> Prompts | None:
    try:
        prompts = Prompts(processor.real, processor.audio_token_id, processor.chat, framed=framed)
        for audio in (noise(SECONDS, processor.rate), None):
            written: list[int] | None = []
            if audio is not None:
                written = prompts.written_for(_ids(processor, audio, ANY_PROMPT))
            if written is None or prompts.ids(audio, NASTY, written) != [_ids(processor, audio, one) for one in NASTY]:
                return None
    except UNABLE:  # the first request meets the same error, and says so
        return None
    return prompts


def window_seconds(processor: Processor) -> float | None:
    """Seconds after which a clip is cut, None where it is not: what the processor declares, else what it does."""
    declared = _declared(processor)
    if declared is not None:
        return declared
    chunk = _chunk(processor)
    if chunk is None or (chunk < LONGEST_TRIAL and _hears_beyond(processor, chunk)):
        return None
    return chunk


def joins_exactly(processor: Processor, window: float | None) -> bool:
    """Whether a short and a longer clip give the same tensors together as joined afterwards, bit by bit.

    Where an extractor pads to the longest clip of a batch they do not: the STFT pads by reflection at a clip's end.

    Args:
        processor: whose extractor is tried.
        window: seconds that the model hears at most.
    """
    chunk = min(_chunk(processor) or 4.0, LONGEST_TRIAL)
    long = chunk + 1.0  # two windows, where a family has windows
    clips = [noise(SECONDS, processor.rate), noise(min(long, window or long), processor.rate)]
    try:
        together = audio_of(processor.tensors(clips, [ANY_PROMPT] * 2))
        made = joined([audio_of(processor.tensors([clip], [ANY_PROMPT])) for clip in clips])
    except UNABLE:
        return False
    return made.keys() == together.keys() and all(torch.equal(made[name], together[name]) for name in made)


def shortest_seconds(processor: Processor) -> float | None:
    """The least seconds, in steps of 10 ms, that give the model an audio token; None where 0.32 s do not."""
    least, enough = 0, STEPS
    if not _arrives(processor, enough):
        return None
    while enough - least > 1:
        middle = (least + enough) // 2
        least, enough = (least, middle) if _arrives(processor, middle) else (middle, enough)
    return enough * STEP


def noise(seconds: float, rate: int) -> Audio:
    """Seeded white noise in [-0.5, 0.5)."""
    samples = np.random.default_rng(0).random(round(seconds * rate), dtype=np.float32) - np.float32(0.5)
    return Audio(samples, rate, f"noise of {seconds} s")


def _arrives(processor: Processor, steps: int) -> bool:
    try:
        processor.tensors([noise(steps * STEP, processor.rate)], [ANY_PROMPT])
    except UNABLE:
        return False
    return True


def _hears_beyond(processor: Processor, seconds: float) -> bool:
    """Whether a second more gives more audio tokens."""
    try:
        within, beyond = (
            _ids(processor, noise(length, processor.rate), ANY_PROMPT).count(processor.audio_token_id)
            for length in (seconds, seconds + 1.0)
        )
    except UNABLE:
        return False
    return beyond > within


def _declared(processor: Processor) -> float | None:
    """Seconds at which a processor says that it cuts: by an attribute, or by a default of its extractor."""
    seconds, chunk = getattr(processor.real, "max_audio_len", None), _chunk(processor)
    if seconds is not None:  # AF3, Music Flamingo, GLM-ASR: whole windows, up to so many s
        return float(seconds if chunk is None else seconds // chunk * chunk)
    tokens, milliseconds = (getattr(processor.real, f"audio_{name}", None) for name in ("seq_length", "ms_per_token"))
    if tokens is not None and milliseconds is not None:  # Gemma 4
        return float(tokens * milliseconds / 1000)
    chosen = inspect.signature(type(processor.extractor).__call__).parameters
    most, cuts = (chosen[name].default if name in chosen else None for name in ("max_length", "truncation"))
    return float(most / processor.rate) if isinstance(most, int) and cuts is True else None  # Gemma 3n


def _chunk(processor: Processor) -> float | None:
    """Seconds of the extractor's window."""
    chunk = getattr(processor.extractor, "chunk_length", None)
    return None if chunk is None else float(chunk)


def _ids(processor: Processor, audio: Audio | None, prompt: str) -> list[int]:
    ids: list[int] = processor.tensors([audio], [prompt])["input_ids"][0].tolist()
    return ids
