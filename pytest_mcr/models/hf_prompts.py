"""Token ids of prompts from the chat template alone, without the processor: the cheap half of a batch.

A processor extracts a clip's features again for each of its prompts, though only the text differs. The tokenizer's
own ``apply_chat_template`` gives the same ids with one placeholder where the processor writes as many as the clip
needs. What the processor writes there is taken from its own answer about the clip, so that no family's rule is copied.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from pytest_mcr.models.hf_chat import PLAIN, Chat
from pytest_mcr.models.hf_processor import listener
from pytest_mcr.models.protocol import Audio

ANY_PROMPT: Final = "?"
"""The prompt with which a clip's features are extracted; its own ids are thrown away."""
STAND_IN: Final = "the prompt stands here"
"""Marks a prompt's place in what the chat template writes around it."""
PRIVATE: Final = ("\U000f0000", "\U000f0001")
"""Characters with which transformers marks the control tokens of user text."""


class Prompts:
    """Tokenises prompts with a processor's chat template, the audio as a single placeholder.

    Args:
        processor: from `AutoProcessor`.
        audio_token_id: the placeholder that stands for one audio embedding.
        chat: the turns around clip and prompt.
        framed: put prompts into what the template writes around one, instead of asking the template about each. A
            prompt that quotes a control token is put to the template in any case.

    Raises:
        ValueError: a template that has not exactly one place for a clip, or a template or tokenizer that is not used
            in the common way (also TypeError, KeyError, AttributeError, TemplateError).
    """

    def __init__(self, processor: Any, audio_token_id: int, chat: Chat = PLAIN, *, framed: bool = False) -> None:
        self._chat = chat
        self._tokenizer = processor.tokenizer
        template = processor.chat_template
        self._template = template.get("default") if isinstance(template, dict) else template
        self._audio_token_id = audio_token_id
        nothing = Audio(np.zeros(1, np.float32), int(listener(processor).sampling_rate), "")
        self._around: dict[bool, list[str]] = {}
        if framed:
            self._around = {audio is not None: self._text_around(audio) for audio in (nothing, None)}
        quoted = (*self._tokenizer.added_tokens_encoder, *self._chat_control_tokens(), *PRIVATE)
        self._control = re.compile("|".join(map(re.escape, quoted)))
        [self._frame] = self._bare(nothing, [ANY_PROMPT])

    def on(self, processor: Any) -> Prompts:
        """The same with the tokenizer of a copy of the processor."""
        other = copy.copy(self)
        other._tokenizer = processor.tokenizer
        return other

    def ids(self, audio: Audio | None, prompts: Sequence[str], written: Sequence[int]) -> list[list[int]]:
        """Token ids of each prompt; control tokens in a prompt are text.

        Args:
            audio: the clip of each prompt, None without.
            prompts: one or more texts of the user turn.
            written: what `written_for` gave for this clip; unused without one.

        Raises:
            ValueError: a template that has not exactly one place for the clip, or one without a clip.
        """
        rows = self._bare(audio, prompts)
        return rows if audio is None else [self._filled(row, written) for row in rows]

    def written_for(self, clip_ids: Sequence[int]) -> list[int] | None:
        """What the processor wrote for a clip; uses no tokenizer, so that any thread may ask.

        Args:
            clip_ids: the processor's ids of the clip with `ANY_PROMPT`.

        Returns:
            The ids in the placeholder's stead; None where the processor's ids differ from ours around it.
        """
        place = self._frame.index(self._audio_token_id)
        written = list(clip_ids[place : len(clip_ids) - (len(self._frame) - place - 1)])
        return written if self._filled(self._frame, written) == list(clip_ids) else None

    def _bare(self, audio: Audio | None, prompts: Sequence[str]) -> list[list[int]]:
        around = self._around.get(audio is not None)
        if around is None or any(map(self._control.search, prompts)):
            rows = self._templated(audio, prompts)
        else:
            rows = [self._tokenizer.encode(prompt.join(around), add_special_tokens=False) for prompt in prompts]
        places = [row.count(self._audio_token_id) for row in rows]
        expected = 0 if audio is None else 1
        if any(count != expected for count in places):
            raise ValueError(f"the chat template has {places} places for a clip; expected {expected} in each prompt")
        return rows

    def _templated(self, audio: Audio | None, prompts: Sequence[str]) -> list[list[int]]:
        rows: list[list[int]] = self._tokenizer.apply_chat_template(
            [self._chat.turns(audio, prompt) for prompt in prompts],
            chat_template=self._template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=False,
            sanitize_control_tokens=True,
        )
        return rows

    def _text_around(self, audio: Audio | None) -> list[str]:
        """What the template writes before and behind a prompt.

        Raises:
            ValueError: it does not write the prompt just once.
        """
        [written] = self._tokenizer.apply_chat_template(
            [self._chat.turns(audio, STAND_IN)],
            chat_template=self._template,
            add_generation_prompt=True,
            tokenize=False,
        )
        around: list[str] = written.split(STAND_IN)
        if len(around) != 2:
            raise ValueError(f"the chat template writes the prompt {len(around) - 1} times; expected once")
        return around

    def _chat_control_tokens(self) -> tuple[str, ...]:
        return tuple(getattr(self._tokenizer, "chat_control_tokens", None) or ())

    def _filled(self, bare: Sequence[int], written: Sequence[int]) -> list[int]:
        place = bare.index(self._audio_token_id)
        return [*bare[:place], *written, *bare[place + 1 :]]
