"""The conversation that a local model is given: a system turn if one is asked for, then clip and text in an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pytest_mcr.models.protocol import Audio

Order = Literal["audio-first", "text-first"]
AUDIO_FIRST: Final = "audio-first"
TEXT_FIRST: Final = "text-first"


@dataclass(frozen=True, slots=True)
class Chat:
    """How a question is put into turns.

    Attributes:
        system: text of a system turn; None leaves it to the chat template, which may have one of its own.
        order: of the clip and the text in the user turn.
        parts: the system turn is a list of parts, as the user turn is; some templates take a plain string only.
    """

    system: str | None = None
    order: Order = AUDIO_FIRST
    parts: bool = True

    def turns(self, audio: Audio | None, prompt: str) -> list[dict[str, Any]]:
        """The turns of one question; without a clip the user turn is the text alone."""
        content: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
        if audio is not None:
            content.insert(0 if self.order == AUDIO_FIRST else 1, {"type": "audio", "audio": audio.samples})
        turns: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if self.system is not None:
            system = [{"type": "text", "text": self.system}] if self.parts else self.system
            turns.insert(0, {"role": "system", "content": system})
        return turns

    def settings(self) -> tuple[str, ...]:
        """What of it was asked for and can change an answer; nothing for the usual conversation."""
        system = () if self.system is None else (f"system {self.system!r}",)
        return system if self.order == AUDIO_FIRST else (*system, self.order)


PLAIN: Final = Chat()
"""As a model is asked where nothing else is said."""


def chat_of(options: Mapping[str, str]) -> Chat:
    """The conversation that checked options of a spec ask for."""
    return Chat(options.get("system"), TEXT_FIRST if options.get("order") == TEXT_FIRST else AUDIO_FIRST)
