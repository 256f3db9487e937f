"""From clips and prompts to the tensors of a batch: a clip's features once, and each of its prompts as token ids."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers.utils import logging as transformers_logging

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.hf_ahead import Ahead
from pytest_mcr.models.hf_chat import PLAIN, Chat
from pytest_mcr.models.hf_chat_trial import obeyed, written_order
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.hf_narrow import window_of
from pytest_mcr.models.hf_processor import Processor, audio_of, joined, without_complaints
from pytest_mcr.models.hf_prompts import ANY_PROMPT
from pytest_mcr.models.hf_trials import joins_exactly, prompts_apart, shortest_seconds, window_seconds
from pytest_mcr.models.protocol import Audio, Request


@dataclass(frozen=True, slots=True)
class Encoded:
    """One clip and its prompts.

    Attributes:
        ids: token ids of each prompt, not padded, one placeholder for each audio embedding.
        audio: the clip's tensors, batch size 1 (or its windows); empty without a clip.
    """

    ids: list[list[int]]
    audio: Tensors


@dataclass(frozen=True, slots=True)
class Heard:
    """What the processor made of a clip.

    Attributes:
        audio: tensors of the clip.
        written: token ids that stand for the clip in a prompt; None where they cannot be told from the prompt's.
    """

    audio: Tensors
    written: list[int] | None


class Inputs:
    """Builds tensors with a checkpoint's own processor and chat template.

    Args:
        processor: from `AutoProcessor`.
        family: ``config.model_type``.
        audio_token_id: the placeholder that stands for one audio embedding.
        chat: the turns around clip and prompt.

    Raises:
        ModelError: the chat template does not write the turns that were asked for.

    Attributes:
        sample_rate: Hz that the feature extractor takes.
        order: of clip and text in what the chat template writes, None where noise cannot tell.
        window: seconds that the model hears at most, None without a limit.
        shortest: least seconds that give the model an audio token, None where noise of 0.32 s gives none.
        tokenizes_apart: prompts are tokenised without the processor, because that gave the same ids at load.
        shares_batches: tensors of different clips may be joined, because that gave the same bits at load.
    """

    def __init__(self, processor: Any, family: str, audio_token_id: int, chat: Chat = PLAIN) -> None:
        transformers_logging.warning_once.cache_clear()  # a warning given before this model would not come again
        self._processor = obeyed(Processor(processor, family, audio_token_id, chat))
        self.order = written_order(self._processor)
        self.sample_rate = self._processor.rate
        self.window = window_seconds(self._processor)
        self.shortest = shortest_seconds(self._processor)
        self.shares_batches = joins_exactly(self._processor, self.window)
        self._window = window_of(self._processor)
        self._prompts = prompts_apart(self._processor)
        self.tokenizes_apart = self._prompts is not None
        self._twin = self._processor.twin() if self.tokenizes_apart else None
        self._ahead: Ahead[Heard] = Ahead(self._hear_ahead)

    @property
    def processor(self) -> Any:
        """The checkpoint's own."""
        return self._processor.real

    def twin(self) -> Inputs:
        """The same for another thread, with a processor of its own; what was prefetched serves both."""
        other = copy.copy(self)
        other._processor = self._processor.twin()
        other._prompts = None if self._prompts is None else self._prompts.on(other.processor)
        return other

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
        if self.shortest is not None and seconds < self.shortest:
            return f"clip lasts {seconds:.3f} s, which gives the model no audio token; {self.shortest:.2f} s is enough"
        return None

    def encode(self, audio: Audio | None, prompts: Sequence[str]) -> Encoded:
        """Token ids of the prompts of one clip, as the processor would give them, and the clip's tensors.

        Args:
            audio: the clip, not one that `refusal` refuses; None for text only.
            prompts: texts of the user turn, one or more.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        if self._prompts is None:
            return self._encode_by_processor(audio, prompts)
        heard = Heard({}, []) if audio is None else self._hear(audio)
        if heard.written is None:
            return self._encode_by_processor(audio, prompts)
        with without_complaints():
            return Encoded(self._prompts.ids(audio, prompts, heard.written), heard.audio)

    def prefetch(self, audio: Audio) -> None:
        """Have a clip's features extracted by another thread, for the next `encode` of it; returns at once.

        At most 32 clips wait to be used; beyond that, and for a clip that the model cannot hear, this does nothing.
        What goes wrong is raised by `encode`. Any thread may call this.
        """
        if self._twin is not None and audio.rate == self.sample_rate and self.refusal(audio) is None:
            self._ahead.order(audio)

    def join(self, parts: Sequence[Tensors]) -> Tensors:
        """Audio tensors of several clips as one batch, in the same order.

        Args:
            parts: `Encoded.audio` of each clip; more than one only where `shares_batches`.

        Raises:
            ValueError: the model's clips may not share a batch, or the parts hold different tensors.
        """
        if len(parts) > 1 and not self.shares_batches:
            raise ValueError("clips may not share a batch of this model: their features depend on the neighbours")
        return joined(parts)

    def close(self) -> None:
        """End the thread that works ahead and forget its clips."""
        self._ahead.close()

    def build(self, requests: Sequence[Request]) -> Tensors:
        """Tensors of one batch by the processor alone, left-padded.

        Args:
            requests: all with audio or all without.

        Returns:
            ``input_ids`` and ``attention_mask`` of shape (rows, tokens), and the family's audio tensors.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        return self._processor.tensors([one.audio for one in requests], [one.prompt for one in requests])

    def verify(self, tensors: Tensors, clips: Sequence[Audio]) -> None:
        """Check that every row holds placeholders for all of its clip, and that the features are there.

        Raises:
            DeliveryError: a row without placeholders, features that are absent or too short, or a count that differs
                from what the features of the row call for.
        """
        self._processor.verify(tensors, clips)

    def _hear(self, audio: Audio) -> Heard:
        """What was made ahead, else made now."""
        return self._ahead.take(audio) or self._hear_by(self._processor, audio)

    def _hear_ahead(self, audio: Audio) -> Heard:
        return self._hear_by(self._twin or self._processor, audio)

    def _hear_by(self, processor: Processor, audio: Audio) -> Heard:
        window = self._window
        tensors = processor.tensors([audio], [ANY_PROMPT]) if window is None else window.tensors(processor, audio)
        written = None
        if self._prompts is not None:
            written = self._prompts.written_for(tensors["input_ids"][0].tolist())
        return Heard(audio_of(tensors), written)

    def _encode_by_processor(self, audio: Audio | None, prompts: Sequence[str]) -> Encoded:
        """The processor's ids of every prompt, features and all: right, and slower."""
        built = [self._processor.tensors([audio], [prompt]) for prompt in prompts]
        return Encoded([tensors["input_ids"][0].tolist() for tensors in built], audio_of(built[0]))
