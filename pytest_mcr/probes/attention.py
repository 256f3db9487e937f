"""Attention of the last position by layer: a description, not a cause. Nothing is asserted on it.

Only eager attention returns weights, so the model is switched to it for one pass and back. Of each block only the last
row is kept. Value-weighted attention is the length of what a key adds to the output,
``||sum_h A_h[q, j] W_O v_h[j]||``; it is given where these parts add up to the attention's own output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.probes.body import Body, UnfitError, hooked
from pytest_mcr.probes.spans import Spans

Floats = NDArray[np.float64]

ADDS_UP: Final = {torch.float32: 1e-4}
ADDS_UP_16_BIT: Final = 3e-2
"""How far the parts' sum may be from the attention's output, as a share of the largest number in it."""


@dataclass(frozen=True, slots=True)
class Attended:
    """What the last position attends to.

    Attributes:
        weights: mean over heads by block and key, shape (blocks, tokens); 0 where a block gives none of a key.
        values: value-weighted, of the same shape; None where it cannot be told.
        reason: why ``values`` is None, one line.
    """

    weights: Floats
    values: Floats | None
    reason: str | None


def attend(body: Body, prompt: Tensors) -> Attended:
    """Run a prompt with eager attention.

    Args:
        body: of the model.
        prompt: from `body.tensors`.

    Raises:
        UnfitError: the model cannot be switched to eager attention, or returns no weights then.
    """
    attentions = [_attention(block) for block in body.blocks]
    rows: list[Floats] = []
    parts: list[Floats] = []
    reasons: list[str] = []
    kept: dict[Any, torch.Tensor] = {}

    def keep(module: Any, _: Any, output: Any) -> None:
        kept[module] = output

    def note(module: Any, _: Any, output: Any) -> None:
        weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        length = prompt["input_ids"].shape[1]
        if not isinstance(weights, torch.Tensor) or weights.dim() != 4 or weights.shape[-1] != length:
            raise UnfitError(f"{type(module).__name__} returns no attention weights")
        row = weights[0, :, -1]
        rows.append(_floats(row.float().mean(0)))
        try:
            parts.append(_parts(module, row, kept.get(getattr(module, "v_proj", None)), output[0][0, -1]))
        except UnfitError as error:
            reasons.append(str(error))

    values = [module.v_proj for module in attentions if isinstance(getattr(module, "v_proj", None), torch.nn.Module)]
    with (
        eager(body),
        hooked(values, lambda module: module.register_forward_hook(keep)),
        hooked(attentions, lambda module: module.register_forward_hook(note)),
    ):
        body.model(**prompt, use_cache=False)
    return Attended(np.stack(rows), None if reasons else np.stack(parts), reasons[0] if reasons else None)


@contextmanager
def eager(body: Body) -> Iterator[None]:
    """Eager attention in the language model as long as the context lasts.

    Raises:
        UnfitError: the model cannot be switched.
    """
    before = body.decoder.config._attn_implementation
    if before != "eager":
        body.decoder.set_attn_implementation("eager")
    try:
        if body.decoder.config._attn_implementation != "eager":
            raise UnfitError(f"{type(body.decoder).__name__} cannot be switched to eager attention")
        yield
    finally:
        if before != "eager":
            body.decoder.set_attn_implementation(before)


def log_density(weights: Floats, spans: Spans) -> Floats:
    """``log(d_T / d_A)`` by block: attention per token on the text over that per token on the audio.

    Args:
        weights: by block and key, shape (blocks, tokens).
        spans: with text and audio.
    """
    text, audio = (weights[:, list(places)].mean(1) for places in (spans.text, spans.audio))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.log(text) - np.log(audio)
    return found


def share(weights: Floats, places: Sequence[int], spans: Spans) -> Floats:
    """Share of some keys in the attention that is not on sinks, by block.

    Args:
        weights: by block and key, shape (blocks, tokens).
        places: the keys.
        spans: of the prompt.
    """
    rest = weights.sum(1) - weights[:, list(spans.sink)].sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = weights[:, list(places)].sum(1) / rest
    return found


def _attention(block: Any) -> Any:
    for name in ("self_attn", "attention", "attn"):
        if isinstance(getattr(block, name, None), torch.nn.Module):
            return getattr(block, name)
    raise UnfitError(f"{type(block).__name__} has no attention of its own")


def _parts(module: Any, row: torch.Tensor, values: torch.Tensor | None, output: torch.Tensor) -> Floats:
    """Length of what each key adds to the output of the last position.

    Args:
        module: an attention.
        row: weights, shape (heads, tokens).
        values: what ``v_proj`` gave, shape (1, tokens, key heads x width).
        output: of the attention at the last position, shape (width of the model,).
    """
    out = getattr(module, "o_proj", None)
    if values is None or not isinstance(out, torch.nn.Linear):
        raise UnfitError(f"{type(module).__name__} has no v_proj and o_proj")
    heads, tokens = row.shape
    width = out.in_features // heads
    if values.shape[-1] % width or heads % (values.shape[-1] // width):
        raise UnfitError(f"{type(module).__name__} has values of {values.shape[-1]} numbers for {heads} heads")
    each = values[0].float().view(tokens, -1, width)
    each = each.repeat_interleave(heads // each.shape[1], 1)
    added = (row.float().T[..., None] * each).reshape(tokens, -1) @ out.weight.float().T
    bias = 0.0 if out.bias is None else out.bias.float()
    allowed = ADDS_UP.get(output.dtype, ADDS_UP_16_BIT) * float(output.abs().max())
    if not float((added.sum(0) + bias - output.float()).abs().max()) <= allowed:
        raise UnfitError(f"the values of {type(module).__name__} do not add up to its output")
    return _floats(added.norm(dim=-1))


def _floats(values: torch.Tensor) -> Floats:
    return np.asarray(values.double().cpu().numpy(), dtype=np.float64)
