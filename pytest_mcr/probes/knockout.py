"""Attention knockout: edges from some positions to others are cut before the softmax, in some blocks.

Each block is given the attention mask that the model made for it, with the edges taken out (minus infinity, or False in
a boolean mask). Cut attention renormalises over what is left, and positions stay as they are, so that a cut text is not
quite an absent one. The first token is a sink and is never cut.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from pytest_mcr.probes.body import Body, UnfitError, hooked

MASKED = ("sdpa", "eager")
"""Implementations of attention that take a mask with an entry for each edge."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Edges to take out.

    Attributes:
        sources: positions that are not attended to; the first token is left out of them.
        to_all: by every other position; else by the last one alone.
    """

    sources: tuple[int, ...]
    to_all: bool

    def edges(self, length: int) -> torch.Tensor:
        """Which edges are cut, shape (length, length), queries first.

        The sources go on seeing each other: what they hold reaches nobody, and a softmax over nothing is no number.
        """
        places = torch.tensor([place for place in self.sources if place > 0], dtype=torch.long)
        cut = torch.zeros(length, length, dtype=torch.bool)
        if self.to_all:
            cut[:, places] = True
            cut[places] = False
        else:
            cut[length - 1, places] = True
            cut[length - 1, length - 1] = False
        return cut


def window(layer: int, width: int, depth: int) -> list[int]:
    """The blocks ``layer - width`` to ``layer + width`` of a model, as far as they exist; blocks count from 1."""
    return list(range(max(1, layer - width), min(depth, layer + width) + 1))


@contextmanager
def knocked_out(body: Body, layers: Collection[int], cut: Cut, length: int) -> Iterator[None]:
    """Cut edges in some blocks as long as the context lasts.

    Args:
        body: of the model.
        layers: blocks, counted from 1.
        cut: which edges.
        length: tokens of the prompts that are run meanwhile.

    Raises:
        UnfitError: when a prompt is run, and a block is given no mask that has an entry for each edge.
    """
    kind = body.decoder.config._attn_implementation
    if kind not in MASKED:
        raise UnfitError(f"its attention ({kind}) takes no mask of edges; append ?attn=sdpa to the model")
    edges = cut.edges(length).to(body.model.device)
    some = bool(edges.any())

    def replace(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if "attention_mask" not in given:
            raise UnfitError("its blocks are given no attention_mask of their own")
        mask = given["attention_mask"]
        return args, {**given, "attention_mask": without(mask, edges) if some else mask}

    chosen: Sequence[Any] = [body.blocks[layer - 1] for layer in sorted(layers)]
    with hooked(chosen, lambda block: block.register_forward_pre_hook(replace, with_kwargs=True)):
        yield


def without(mask: torch.Tensor | None, edges: torch.Tensor) -> torch.Tensor:
    """A block's attention mask with edges taken out.

    Args:
        mask: as the model made it, shape (1, 1 or heads, length, length); True or 0 where attended to. None is causal.
        edges: shape (length, length), True where cut.

    Raises:
        UnfitError: a mask of another form.
    """
    if mask is None:
        return torch.ones_like(edges).tril()[None, None] & ~edges
    if not isinstance(mask, torch.Tensor) or mask.dim() != 4 or mask.shape[-2:] != edges.shape:
        form = tuple(mask.shape) if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise UnfitError(f"its attention mask has the form {form}; expected an entry for each edge")
    if mask.dtype is torch.bool:
        return mask & ~edges
    return mask.masked_fill(edges, torch.finfo(mask.dtype).min)
