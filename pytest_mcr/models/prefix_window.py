"""An audio tower's window, narrowed to the clips at hand where that changes no number.

Towers in the manner of Whisper take 30 s of features whatever the clip's length, and mask what lies beyond it: of a
clip of 4 s, seven eighths of the work are about silence that nobody attends to. Whether a tower bears being given a
shorter window is tried at load on noise, by comparing the embeddings that reach the language model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch

from pytest_mcr.models.hf_delivery import FEATURES, MASKS, Tensors

MARGIN: Final = 4
"""Frames left behind the longest clip: more than the two convolutions of width 3 reach."""
STEP: Final = 4
"""Frames of one embedding: a convolution and a pooling, each of stride 2."""
ALIKE: Final = {torch.float32: 1e-4}
ALIKE_16_BIT: Final = 2e-2
"""How far embeddings may be apart, as a share of the largest number among them."""


class Window:
    """Narrows the window of a model's audio tower.

    Args:
        model: with an ``audio_tower`` in its base; without one, or with one of another kind, nothing is narrowed.
    """

    def __init__(self, model: Any) -> None:
        self._tower: Any = getattr(model.base_model, "audio_tower", None)
        self._whole = getattr(getattr(self._tower, "config", None), "max_source_positions", None)
        table = getattr(self._tower, "embed_positions", None)
        fits = isinstance(table, torch.nn.Embedding) and table.num_embeddings == self._whole
        self._table = table if fits else None

    @contextmanager
    def narrowed(self, inputs: Tensors) -> Iterator[Tensors]:
        """Let the tower take the clips' frames instead of its whole window.

        Args:
            inputs: of the model, with features of shape (clips, bins, frames) and their mask of shape (clips, frames).

        Yields:
            The inputs to run meanwhile.
        """
        cut, table = self._cut(inputs), self._table
        if cut is None or table is None:
            yield inputs
            return
        frames, names = cut
        config, weight = self._tower.config, table.weight
        # Both are read by the forward pass; the table is swapped whole, because it is added without being indexed.
        config.max_source_positions = frames // 2
        table.weight = torch.nn.Parameter(weight[: frames // 2], requires_grad=False)
        try:
            yield {**inputs, **{name: inputs[name][..., :frames] for name in names}}
        finally:
            config.max_source_positions = self._whole
            table.weight = weight

    def _cut(self, inputs: Tensors) -> tuple[int, list[str]] | None:
        """Frames to keep and the tensors to cut, None where there is nothing to gain."""
        features = next((name for name in FEATURES if name in inputs), None)
        mask = next((name for name in MASKS if name in inputs), None)
        if features is None or mask is None or self._whole is None:
            return None
        whole = 2 * self._whole
        if inputs[features].shape[-1] != whole or inputs[mask].shape[-1] != whole or inputs[mask].dim() != 2:
            return None
        longest = int(inputs[mask].sum(-1).max())
        frames = -(-(longest + MARGIN) // STEP) * STEP
        return None if frames >= whole else (frames, [features, mask])


@torch.inference_mode()
def narrows(model: Any, prompts: Sequence[Tensors]) -> bool:
    """Whether a narrow window gives the embeddings of the whole one.

    Args:
        model: whose tower is tried.
        prompts: whole prompts of one row, with clips of different lengths.
    """
    window = Window(model)
    allowed = ALIKE.get(model.dtype, ALIKE_16_BIT)
    for prompt in prompts:
        with window.narrowed(prompt) as inputs:
            if inputs is prompt:
                return False
            narrow = _embedded(model, inputs)
        whole = _embedded(model, prompt)
        if not bool((narrow - whole).abs().max() <= allowed * whole.abs().max()):
            return False
    return True


def _embedded(model: Any, inputs: Tensors) -> torch.Tensor:
    """What the language model is given for a prompt, in float32."""
    seen: list[torch.Tensor] = []

    def note(_: Any, __: Any, given: dict[str, Any]) -> None:
        seen.append(given["inputs_embeds"])

    hook = model.get_decoder().register_forward_pre_hook(note, with_kwargs=True)
    try:
        model.base_model(**inputs, use_cache=False)
    finally:
        hook.remove()
    return seen[0].float()
