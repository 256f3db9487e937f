"""The ablation's model: the lab model's ears, frozen, and a small language model into which they are fused four ways.

What is heard, the words and everything outside the blocks is the same for all; the blocks' MLPs are as wide as makes
the number of trained parameters the same within a few in a hundred.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pytest_mcr.errors import ModelError
from pytest_mcr.report.results import replace_file
from pytest_mcr.train.fusion_blocks import BLOCKS, FUSIONS, Fusion, Gated, Sight, TwoWay
from pytest_mcr.train.lab_model import sinusoids

CONFIG: Final = "fusion.json"
WEIGHTS: Final = "fusion.safetensors"
LONGEST: Final = 2048
"""Tokens of a prompt with its answer."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a model is.

    Attributes:
        parameters: that are aimed at, without the frozen ears.
        width: of every state.
        layers: blocks.
        heard: width of a heard frame.
        vocabulary: tokens.
    """

    parameters: int = 450_000
    width: int = 96
    layers: int = 3
    heard: int = 160
    vocabulary: int = 1400


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows, padded on the right.

    Attributes:
        ids: (rows, tokens), the prompt, the start of the answer and the answer.
        asked: (rows,), tokens before the answer.
        heard: (rows, frames, heard width).
        frames: (rows,), heard frames; 0 without audio.
    """

    ids: Tensor
    asked: Tensor
    heard: Tensor
    frames: Tensor


class FusionModel(nn.Module):
    """Next-token logits of a text about a clip.

    Args:
        fusion: how they meet.
        size: of the model.
    """

    places: Tensor

    def __init__(self, fusion: Fusion, size: Size) -> None:
        super().__init__()
        self.fusion, self.size = fusion, size
        width = size.width
        self.words, self.hear = nn.Embedding(size.vocabulary, width), nn.Linear(size.heard, width)
        self.nothing = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.words.weight, std=0.1)
        self.register_buffer("places", sinusoids(LONGEST, width) / 10, persistent=False)
        hidden = hidden_of(fusion, size)
        self.blocks = nn.ModuleList([BLOCKS[fusion](width, hidden) for _ in range(size.layers)])
        self.norm, self.audio_norm = nn.RMSNorm(width), nn.RMSNorm(width)

    def forward(self, batch: Batch) -> Tensor:
        """Final states, shape (rows, tokens, width); `logits` makes words of them."""
        x = self.words(batch.ids) + self.places[: batch.ids.shape[1]]
        a = self.audio_norm(self.hear(batch.heard)) / 10 + self.places[: batch.heard.shape[1]]
        a = torch.cat([self.nothing.expand(len(a), 1, -1), a], dim=1)
        sight = sight_of(batch)
        for block in self.blocks:
            x, a = block(x, a, sight)
        if self.fusion == "twoway":  # the answer, too, is half of what was read and half of what was heard
            x = (x + self._listened(x, a, sight)) / 2
        normed: Tensor = self.norm(x)
        return normed

    def _listened(self, x: Tensor, a: Tensor, sight: Sight) -> Tensor:
        last = self.blocks[-1]
        assert isinstance(last, TwoWay)
        found: Tensor = last.other(last.norm(x), last.norm(a), sight.audio)
        return found

    def logits(self, states: Tensor) -> Tensor:
        """Logits over the vocabulary."""
        return states @ self.words.weight.T

    def gates(self) -> tuple[Tensor, Tensor]:
        """Of the last call of a gated model: mean gate and mean conflict signal over the layers, (rows, tokens).

        Raises:
            TypeError: it has no gate.
        """
        blocks = [block for block in self.blocks if isinstance(block, Gated)]
        if not blocks:
            raise TypeError(f"{self.fusion} has no gate")
        return (
            torch.stack([block.gate for block in blocks]).mean(0),
            torch.stack([block.conflict for block in blocks]).mean(0),
        )


def sight_of(batch: Batch) -> Sight:
    """The masks of a batch."""
    rows, tokens = batch.ids.shape
    keys = batch.heard.shape[1] + 1
    audio = torch.arange(keys) <= batch.frames[:, None]
    question = torch.arange(tokens) < batch.asked[:, None]
    there = torch.cat([audio, torch.ones(rows, tokens, dtype=torch.bool)], dim=1)
    before = torch.ones(keys + tokens, keys + tokens, dtype=torch.bool).tril()
    return Sight(audio[:, None, None], question[:, None, None], (there[:, None, :] & before)[:, None])


def hidden_of(fusion: Fusion, size: Size) -> int:
    """Width of the MLPs that brings a model nearest to the aimed number of parameters.

    Raises:
        ValueError: none does.
    """
    width = size.width
    outside = width * (size.vocabulary + size.heard + 4)
    bare = parameters(BLOCKS[fusion](width, 1)) - (2 * width + 1)
    hidden = round(((size.parameters - outside) / size.layers - bare) / (2 * width + 1))
    if hidden < 1:
        raise ValueError(f"{size.parameters} parameters are too few for {fusion} of width {width}")
    return hidden


def parameters(module: nn.Module) -> int:
    """Trained numbers."""
    return sum(weights.numel() for weights in module.parameters())


def save(model: FusionModel, folder: Path, facts: dict[str, Any]) -> None:
    """Write weights and what they are.

    Args:
        model: to save.
        folder: made if absent.
        facts: of the training, kept beside fusion and size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{WEIGHTS}.new"
    save_file(model.state_dict(), staged)
    staged.replace(folder / WEIGHTS)
    told = {"fusion": model.fusion, "size": asdict(model.size), **facts}
    replace_file(folder / CONFIG, json.dumps(told, indent=1, sort_keys=True) + "\n")  # last: it says that all is there


def load(folder: Path) -> tuple[FusionModel, dict[str, Any]]:
    """Read a model and what is told of it.

    Raises:
        ModelError: the folder does not hold one.
    """
    try:
        told = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if told["fusion"] not in FUSIONS:
            raise ValueError(f"fusion {told['fusion']!r}, expected one of {', '.join(FUSIONS)}")
        model = FusionModel(told["fusion"], Size(**told["size"]))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        lines = str(error).strip().splitlines() or [""]
        raise ModelError(
            f"{folder}: no model of the fusion ablation ({type(error).__name__}: {lines[0]}); "
            "python -m pytest_mcr.train.fusion makes them"
        ) from None
    return model.eval(), told


def spread(models: Sequence[FusionModel]) -> float:
    """Largest deviation from the mean number of parameters, as a share of it."""
    counts = [parameters(model) for model in models]
    mean = sum(counts) / len(counts)
    return max(abs(count - mean) for count in counts) / mean
