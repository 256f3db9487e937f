"""Floating-point work of a Qwen2-Audio's prefill, counted on the passes that are really run.

A multiplication with an addition is two. Counted are the transformer layers of the audio encoder and of the language
model: every weight once a position, and attention over the keys that a position may see. Convolutions, projector,
embeddings and output head are left out (about one hundredth at the real size), so that the figure is on the low side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.engine import counted


@dataclass(slots=True)
class Work:
    """Floating-point operations of prefills, and the positions that they ran."""

    encoder: float = 0.0
    language: float = 0.0
    positions: int = 0

    @property
    def total(self) -> float:
        """Operations of both parts."""
        return self.encoder + self.language


def stack_flops(weights: int, layers: int, width: int, rows: int, tokens: int, *, causal: bool) -> float:
    """Operations of a stack of transformer layers over whole sequences.

    Args:
        weights: parameters of all its layers.
        layers: how many.
        width: of queries, all heads together.
        rows: sequences.
        tokens: positions of each.
        causal: a position sees itself and those before it; else all.

    Returns:
        2 x weights x positions, and 4 x width operations for each pair of query and visible key in each layer
        (Kaplan et al. 2020, arXiv 2001.08361, table 1, with the causal half counted exactly).
    """
    pairs = tokens * (tokens + 1) / 2 if causal else tokens * tokens
    return rows * (2.0 * weights * tokens + 4.0 * layers * width * pairs)


@contextmanager
def prefill_work(model: Any) -> Iterator[Work]:
    """Count prefills, passes on an empty cache, as long as the context lasts."""
    work = Work()
    tower, text = model.model.audio_tower, model.get_decoder()
    audio_config, text_config = model.config.audio_config, model.config.text_config
    heads, width = text_config.num_attention_heads, text_config.hidden_size
    assert width % heads == 0
    audio_weights, text_weights = weights_of(tower.layers), weights_of(text.layers)

    def note(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        states = args[0] if args else given["hidden_states"]
        rows, frames = int(states.shape[0]), int(states.shape[1])
        layers, wide = audio_config.encoder_layers, audio_config.d_model
        work.encoder += stack_flops(audio_weights, layers, wide, rows, frames, causal=False)

    hook = tower.layers[0].register_forward_pre_hook(note, with_kwargs=True)
    try:
        with counted(model) as passes:
            yield work
    finally:
        hook.remove()
    layers = text_config.num_hidden_layers
    for one in (one for one in passes if one.past == 0):
        work.language += stack_flops(text_weights, layers, width, one.rows, one.tokens, causal=True)
        work.positions += one.rows * one.tokens


def weights_of(layers: Any) -> int:
    """Parameters of some modules."""
    return sum(parameter.numel() for parameter in layers.parameters())
