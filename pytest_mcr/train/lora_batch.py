"""From examples to tensors and a loss: the prompt as the model is asked, and its answer, which alone is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from pytest_mcr.core.prompts import Template, render
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.hf_inputs import Encoded, Inputs
from pytest_mcr.models.hf_load import Checkpoint
from pytest_mcr.models.prefix_window import Window
from pytest_mcr.train.lora_data import Example

KEPT_BYTES: Final = 1 << 30
"""Features that are kept from one epoch to the next; beyond that they are made again."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An example as tokens.

    Attributes:
        ids: of the whole turn: prompt, answer, end of turn.
        answer: how many of them, at the end, are to be learned.
        audio: the clip's tensors, batch size 1.
    """

    ids: list[int]
    answer: int
    audio: Tensors


class Examples:
    """Makes turns of examples with the checkpoint's own processor, as in a measurement.

    Args:
        checkpoint: loaded model and processor.
        inputs: of its processor.
        root: of the dataset.
        template: of the prompts.
    """

    def __init__(self, checkpoint: Checkpoint, inputs: Inputs, root: Path, template: Template) -> None:
        self._checkpoint = checkpoint
        self._inputs = inputs
        self._root = root
        self._template = template
        self._kept: dict[tuple[str, str], Turn] = {}
        self._room = KEPT_BYTES

    def turn(self, example: Example) -> Turn:
        """Prompt, answer and end of turn of an example.

        Raises:
            AudioError: the clip cannot be decoded any more.
            DeliveryError: the audio did not become placeholders and features.
        """
        key = (example.sample.id, example.condition)
        if key in self._kept:
            return self._kept[key]
        clip = resample(decode(self._root / example.sample.audio), self._inputs.sample_rate)
        prompt = render(self._template, example.sample, example.condition)
        encoded: Encoded = self._inputs.encode(clip, [prompt])
        tokenizer = self._checkpoint.processor.tokenizer
        answer = [int(token) for token in tokenizer(example.sample.gold, add_special_tokens=False)["input_ids"]]
        answer.append(self._checkpoint.turn_end)
        turn = Turn(encoded.ids[0] + answer, len(answer), encoded.audio)
        size = sum(value.numel() * value.element_size() for value in turn.audio.values())
        if size <= self._room:
            self._room -= size
            self._kept[key] = turn
        return turn

    def batches(self, turns: Sequence[Turn], size: int) -> list[list[Turn]]:
        """Turns that may share a forward pass: up to `size`, one where clips may not share a batch."""
        most = size if self._inputs.shares_batches else 1
        return [list(turns[start : start + most]) for start in range(0, len(turns), most)]

    def tensors(self, turns: Sequence[Turn]) -> Tensors:
        """Batch turns, padded on the right; on the model's device and in its dtype.

        Returns:
            ``input_ids`` and ``attention_mask`` of shape (turns, tokens), and the clips' tensors.
        """
        width = max(len(turn.ids) for turn in turns)
        ids = torch.full((len(turns), width), self._checkpoint.pad)
        mask = torch.zeros((len(turns), width), dtype=torch.long)
        for row, turn in enumerate(turns):
            ids[row, : len(turn.ids)] = torch.tensor(turn.ids)
            mask[row, : len(turn.ids)] = 1
        audio = self._inputs.join([turn.audio for turn in turns])
        found = {"input_ids": ids, "attention_mask": mask, **audio}
        where, dtype = self._checkpoint.device, self._checkpoint.dtype
        return {
            name: value.to(where, dtype) if value.is_floating_point() else value.to(where)
            for name, value in found.items()
        }


def loss_of(model: Any, tensors: Tensors, turns: Sequence[Turn], window: Window | None = None) -> torch.Tensor:
    """Sum over the answers' tokens of -log p(token | all before it), in nats, in float32; a scalar.

    Args:
        model: with its adapter.
        tensors: of the turns.
        turns: the rows.
        window: narrows the audio tower's window where that changes no number; None leaves it whole.
    """
    if window is None:
        logits = model(**tensors, use_cache=False).logits
    else:
        with window.narrowed(tensors) as narrow:
            logits = model(**narrow, use_cache=False).logits
    rows: list[int] = []
    places: list[int] = []
    for row, turn in enumerate(turns):
        places += range(len(turn.ids) - turn.answer, len(turn.ids))
        rows += [row] * turn.answer
    where = torch.tensor(rows, device=logits.device), torch.tensor(places, device=logits.device)
    said = logits[where[0], where[1] - 1].float()
    return torch.nn.functional.cross_entropy(said, tensors["input_ids"][where], reduction="sum")
