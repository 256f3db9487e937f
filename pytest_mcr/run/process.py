"""Facts about the model of one process, and where its time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_mcr.models.protocol import Model
from pytest_mcr.run.canary import Canary

STAGES: Final = ("audio", "prefill", "suffix", "decode", "model")
"""Where a process spends its time: waiting for audio and features; the clips' prefixes; the texts and labels after
them; the words of answers; a model that does not say. The rest of its time it is idle."""


@dataclass(slots=True)
class Process:
    """Facts about the model of one process.

    Attributes:
        canary: None until it ran.
        seconds: wall time of ``load`` and ``canary``, of each of `STAGES`, and ``measuring``: from the first chunk's
            beginning to the last one's end.
        notes: what its user should know, a line each.
        plain: the model has a plain path to audit its batches with.
    """

    model: dict[str, object]
    canary: Canary | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    plain: bool = False

    def spend(self, stage: str, seconds: float) -> None:
        """Add to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def note(self, line: str) -> None:
        """Add a line, once."""
        if line not in self.notes:
            self.notes.append(line)


def facts(model: Model, fingerprint: str) -> dict[str, object]:
    """What the results say about a model."""
    return {
        "name": str(model.name),
        "fingerprint": fingerprint,
        "device": getattr(model, "device", None) and str(getattr(model, "device", None)),
        "dtype": getattr(model, "dtype", None) and str(getattr(model, "dtype", None)),
        "traits": dict(getattr(model, "traits", None) or {}),
    }


def cache_note(traits: Mapping[str, Any]) -> str | None:
    """A line for a model behind a server whose weights were not named, so that its answers are not kept."""
    if traits.get("family") != "endpoint" or traits.get("revision") is not None:
        return None
    return "cache: not used, a server's weights are not known; name them with ?revision=TEXT to keep answers"


def engine_note(traits: Mapping[str, Any]) -> str | None:
    """A line for a local model that cannot share a clip's prefix in the fast way."""
    engine = traits.get("engine")
    if not isinstance(engine, Mapping) or engine.get("continuation") in (None, "tree"):
        return None
    ways = {"rows": "one row a prompt from a copy of the clip's cache", "plain": "each prompt from its beginning"}
    way = ways.get(str(engine["continuation"]), str(engine["continuation"]))
    reason = engine.get("reason") or "no reason given"
    if traits.get("order") == "text-first":
        reason = "the text comes before the audio, so the prompts of a clip do not share it"
    return f"engine: {way}, slower than a token tree ({reason})"
