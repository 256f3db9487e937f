"""Whether a chat template writes the turns that were asked for, tried at load: templates drop what they do not know.

A system prompt that is dropped, or a clip that stays before the text whatever the order, would make the run's record
of what the model was asked untrue.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf_chat import AUDIO_FIRST, TEXT_FIRST, Chat, Order
from pytest_mcr.models.hf_processor import Processor
from pytest_mcr.models.hf_trials import SECONDS, UNABLE, noise

SYSTEM: Final = "mcrsystem"
PROMPT: Final = "mcrprompt"
"""Words that no template writes by itself."""


def obeyed(processor: Processor) -> Processor:
    """The same processor, its system turn in the form that its template takes.

    Raises:
        ModelError: its template has no place for a system turn, or keeps clip and text in another order.
    """
    asked = processor.chat
    if asked.order != AUDIO_FIRST and written_order(processor) != asked.order:
        raise ModelError(
            f"order={asked.order}: the chat template of this {processor.family} checkpoint does not write clip and "
            f"text in that order; leave the option out"
        )
    if asked.system is None:
        return processor
    for parts in (True, False):
        chat = replace(asked, parts=parts)
        if _writes_system(processor, chat):
            return Processor(processor.real, processor.family, processor.audio_token_id, chat)
    raise ModelError(
        f"system=...: the chat template of this {processor.family} checkpoint writes no system turn; "
        "leave the option out"
    )


def written_order(processor: Processor) -> Order | None:
    """The order of clip and text in what the template writes; None where it cannot be told."""
    tokenizer, audio = processor.real.tokenizer, processor.audio_token_id
    try:
        ids = _ids(processor, processor.chat)
        first, last = ids.index(audio), len(ids) - 1 - ids[::-1].index(audio)
        before, after = str(tokenizer.decode(ids[:first])), str(tokenizer.decode(ids[last + 1 :]))
    except UNABLE:  # the first request meets the same error, and says so
        return None
    if (PROMPT in before) == (PROMPT in after):
        return None
    return TEXT_FIRST if PROMPT in before else AUDIO_FIRST


def _writes_system(processor: Processor, chat: Chat) -> bool:
    """Whether the words of a system turn are there, and not the code of the list that they came in."""
    try:
        written = str(processor.real.tokenizer.decode(_ids(processor, replace(chat, system=SYSTEM))))
    except UNABLE:
        return False
    as_code = any(f"{quote}type{quote}" in written for quote in "'\"")
    return SYSTEM in written and PROMPT in written and not as_code


def _ids(processor: Processor, chat: Chat) -> list[int]:
    asked = Processor(processor.real, processor.family, processor.audio_token_id, chat)
    clip = noise(SECONDS, processor.rate)
    ids: list[int] = asked.tensors([clip], [PROMPT])["input_ids"][0].tolist()
    return ids
