"""A checkpoint's own processor, asked so that nothing it ignores, drops or cuts goes unnoticed.

Three silent failures of real processors are turned into errors here: a keyword or content part that is ignored (only
a log line says so), a clip that is cut to the model's window, and placeholders or features that are not there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from transformers.utils import logging as transformers_logging

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.hf_chat import PLAIN, Chat
from pytest_mcr.models.hf_complaints import complaints
from pytest_mcr.models.hf_delivery import Tensors, verify
from pytest_mcr.models.hf_mistral import encode, speaks_mistral
from pytest_mcr.models.protocol import Audio

TEXT: Final = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""Tensors of one number a token; all others that a processor gives are about the audio."""


class Processor:
    """Asks a processor for tensors and checks them.

    Args:
        real: from `AutoProcessor`.
        family: ``config.model_type``.
        audio_token_id: the placeholder that stands for one audio embedding.
        chat: the turns around clip and prompt.

    Attributes:
        rate: Hz that the feature extractor takes.
    """

    def __init__(self, real: Any, family: str, audio_token_id: int, chat: Chat = PLAIN) -> None:
        self.real = real
        self.family = family
        self.audio_token_id = audio_token_id
        self.chat = chat
        self.extractor: Any = listener(real)
        self.rate = int(self.extractor.sampling_rate)

    def twin(self) -> Processor:
        """A copy that another thread may use at the same time: a tokenizer must not be shared by two threads."""
        return Processor(copy.deepcopy(self.real), self.family, self.audio_token_id, self.chat)

    def tensors(self, clips: Sequence[Audio | None], prompts: Sequence[str], samples: int | None = None) -> Tensors:
        """Tensors of a left-padded batch.

        Args:
            clips: the clip of each row; all rows have one, or none has.
            prompts: the text of each row.
            samples: length that the extractor is asked to pad clips to; None for its own window.

        Returns:
            ``input_ids`` and ``attention_mask`` of shape (rows, tokens), and the family's audio tensors.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        with without_complaints():
            turns = [self.chat.turns(clip, prompt) for clip, prompt in zip(clips, prompts, strict=True)]
            found = self._ask(turns, {} if samples is None else {"audio_kwargs": {"max_length": samples}})
        given = [clip for clip in clips if clip is not None]
        if given:
            self.verify(found, given)
        return found

    def verify(self, tensors: Tensors, clips: Sequence[Audio]) -> None:
        """Check that every row holds placeholders for all of its clip, and that the features are there.

        Raises:
            DeliveryError: a row without placeholders, features that are absent or too short, or a count that differs
                from what the features of the row call for.
        """
        # Padding is not counted: GLM-ASR pads with its placeholder.
        places = (tensors["input_ids"] == self.audio_token_id) & tensors["attention_mask"].bool()
        verify([int(count) for count in places.sum(-1)], tensors, clips, self.extractor, self.family)

    def _ask(self, conversations: list[Any], audio: dict[str, Any]) -> Tensors:
        try:
            encoded = self._encode(conversations, audio)
        except ValueError as error:
            if "audio" in str(error).lower():
                raise DeliveryError(f"the processor refused the audio: {' '.join(str(error).split())}") from error
            raise
        return {name: value for name, value in encoded.items() if isinstance(value, torch.Tensor)}

    def _encode(self, conversations: list[Any], audio: dict[str, Any]) -> Any:
        if speaks_mistral(self.real):
            return encode(self.real, conversations, self.rate)
        return self.real.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=True,  # a text that holds <|AUDIO|> is text
            # Flat padding would reach the feature extractor too and change what some families hear.
            processor_kwargs={"text_kwargs": {"padding": True, "padding_side": "left"}, **audio},
        )


def listener(processor: Any) -> Any:
    """The part of a processor that makes features of audio, by either of its names; None where there is none."""
    return getattr(processor, "feature_extractor", None) or getattr(processor, "audio_processor", None)


@contextmanager
def without_complaints() -> Iterator[None]:
    """Turn what transformers says about ignored or cut inputs into an error.

    Raises:
        DeliveryError: it said something of the kind.
    """
    with complaints() as said:
        yield
    if said:
        transformers_logging.warning_once.cache_clear()  # what is only said once must stop every later clip as well
        raise DeliveryError(f"the processor complained: {said[0]}")


def audio_of(tensors: Tensors) -> Tensors:
    """The tensors about the audio, without those about the text."""
    return {name: value for name, value in tensors.items() if name not in TEXT}


def joined(parts: Sequence[Tensors]) -> Tensors:
    """Audio tensors of several clips behind one another, along the first axis.

    Raises:
        ValueError: they hold different tensors.
    """
    names = [sorted(part) for part in parts]
    if any(one != names[0] for one in names):
        raise ValueError(f"clips with different tensors cannot be joined: {names}")
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if parts else {}
