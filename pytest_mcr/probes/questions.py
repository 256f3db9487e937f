"""The conflicts that are looked into: a clip, its prompt with and without the text, and the two labels."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import Checkpoint
from pytest_mcr.models.hf_prompts import ANY_PROMPT
from pytest_mcr.models.protocol import Audio
from pytest_mcr.probes.body import tensors
from pytest_mcr.probes.contrast import Contrast, contrast
from pytest_mcr.probes.spans import Spans, spans


@dataclass(frozen=True, slots=True)
class Conflict:
    """A clip with a text that says something else.

    Attributes:
        id: names it in messages, and seeds its draws.
        audio: at the model's rate.
        joint: the user turn's text with the text line (branch J).
        alone: the same without it (branch A).
        gold: the label that the audio supports.
        text: the label that the text supports.
        candidates: all labels.
        cluster: clips that are one for statistics; None for the audio's digest.
    """

    id: str
    audio: Audio
    joint: str
    alone: str
    gold: str
    text: str
    candidates: tuple[str, ...]
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Posed:
    """A conflict as a model takes it, each prompt ended by what both labels begin with.

    Attributes:
        id: of the conflict.
        cluster: of the conflict.
        joint: tensors of branch J.
        alone: tensors of branch A.
        spans: of branch J.
        labels: the two rival tokens.
    """

    id: str
    cluster: str
    joint: Tensors
    alone: Tensors
    spans: Spans
    labels: Contrast


def pose(conflict: Conflict, inputs: Inputs, checkpoint: Checkpoint) -> Posed:
    """Bring a conflict into the form that a model takes.

    Args:
        conflict: whose clip the model can hear.
        inputs: of the model.
        checkpoint: of the same.

    Raises:
        DeliveryError: the audio did not become placeholders and features.
        ValueError: both labels have the same tokens, or the prompts differ in no token.
    """
    tokenizer = checkpoint.processor.tokenizer

    def ids(label: str) -> list[int]:
        return [int(token) for token in tokenizer(label, add_special_tokens=False)["input_ids"]]

    labels = contrast(
        ids(conflict.gold), ids(conflict.text), [ids(label) for label in conflict.candidates], checkpoint.turn_end
    )
    encoded = inputs.encode(conflict.audio, [conflict.joint, conflict.alone, ANY_PROMPT])
    joint, alone, bare = ([*row, *labels.forced] for row in encoded.ids)
    control = {int(token) for token in tokenizer.all_special_ids} - {checkpoint.audio_token_id}
    parts = spans(joint, alone, bare, audio=checkpoint.audio_token_id, control=control)
    if not parts.text:
        raise ValueError("the prompts with and without the text are the same tokens; expected a text line in one")
    return Posed(
        conflict.id,
        conflict.cluster or conflict.audio.digest,
        tensors(joint, encoded.audio, checkpoint),
        tensors(alone, encoded.audio, checkpoint),
        parts,
        labels,
    )
