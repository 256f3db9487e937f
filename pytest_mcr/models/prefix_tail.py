"""The end of a model's last layer, run only where somebody reads it.

A forward pass that fills a cache needs the last layer's keys and values; a pass that reads logits at some places needs
its output there. The feed-forward part of that layer, and what its attention gives, can be left out at the other
places. What of it a model bears is tried at load on noise, by comparing what is cached and what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import torch

from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.prefix_queries import Places, Queries, run_at

ALIKE: Final = {torch.float32: 1e-5}
ALIKE_16_BIT: Final = 2e-2
"""How far hidden states may be apart, as a share of the largest number among them: a product of fewer rows is summed
in another order."""
CONTINUED: Final = 6
"""Tokens of the tree that is tried, of which two are read."""

Extent = Literal["attention", "mlp"]
"""How much of the last layer is left out: the feed-forward part alone, or the attention's output too."""
EXTENTS: Final[tuple[Extent, ...]] = ("attention", "mlp")


class Tail:
    """Leaves out the end of a model's last layer.

    Args:
        model: whose decoder has ``layers``, the last with an ``mlp``; of another kind nothing is left out.
        extent: how much; of an attention that is not of the usual kind nothing is left out.
    """

    def __init__(self, model: Any, extent: Extent) -> None:
        layers = getattr(model.get_decoder(), "layers", None)
        last = layers[-1] if isinstance(layers, torch.nn.ModuleList) and len(layers) else None
        found = getattr(last, "mlp", None)
        self.extent = extent
        self._mlp = found if isinstance(found, torch.nn.Module) else None
        self._queries = Queries(getattr(last, "self_attn", None)) if extent == "attention" else None

    @property
    def exists(self) -> bool:
        """Whether there is something to leave out, of this extent."""
        return self._mlp is not None and (self._queries is None or self._queries.exists)

    @contextmanager
    def read_at(self, places: Places | None) -> Iterator[None]:
        """Run the part at some places as long as the context lasts; the output elsewhere is of no use.

        Args:
            places: None for no place at all.
        """
        if self._mlp is None:
            yield
        elif self._queries is None:
            with run_at(self._mlp, places):
                yield
        else:
            with run_at(self._mlp, places), self._queries.read_at(places):
                yield


@torch.inference_mode()
def leaves_out(model: Any, extent: Extent, inputs: Tensors, new_cache: Callable[[], Any], axes: int) -> bool:
    """Whether a model caches the same without the part, and says the same where it is run.

    Args:
        model: to try; its base gives hidden states.
        extent: of what is left out.
        inputs: a whole prompt of one row, audio included.
        new_cache: makes an empty cache.
        axes: of a position; 1, or 3 where the model's positions have time, height and width.
    """
    tail = Tail(model, extent)
    if not tail.exists:
        return False
    whole, filled, chosen = new_cache(), new_cache(), new_cache()
    own = model.base_model(**inputs, past_key_values=whole, use_cache=True).last_hidden_state
    with tail.read_at(None):
        model.base_model(**inputs, past_key_values=filled, use_cache=True)
    places = _places(own.shape[1], own.device)
    with tail.read_at(places):
        ours = model.base_model(**inputs, past_key_values=chosen, use_cache=True).last_hidden_state
    if not (_alike(ours[places], own[places]) and _same(whole, filled) and _same(whole, chosen)):
        return False
    tree = _continued(inputs, axes)
    own = model.base_model(**tree, past_key_values=whole, use_cache=True).last_hidden_state
    places = _places(CONTINUED, own.device)
    with tail.read_at(places):
        ours = model.base_model(**tree, past_key_values=filled, use_cache=True).last_hidden_state
    return _alike(ours[places], own[places]) and _same(whole, filled)


def _places(tokens: int, device: torch.device) -> Places:
    """The last place of the one row, and one in the middle."""
    columns = torch.tensor([tokens - 1, tokens // 2], device=device)
    return torch.zeros_like(columns), columns


def _continued(inputs: Tensors, axes: int) -> Tensors:
    """The prompt's last tokens once more as a tree behind it: two branches that do not see each other."""
    ids = inputs["input_ids"][:, -CONTINUED:]
    past = inputs["input_ids"].shape[1]
    own = torch.arange(CONTINUED, device=ids.device)
    branch, depth = own % 2, own // 2
    sees = (branch[:, None] == branch[None]) & (own[:, None] >= own[None])
    seen = torch.cat([sees.new_ones(CONTINUED, past), sees], -1)[None, None]
    dtype = next(value.dtype for value in inputs.values() if value.is_floating_point())
    mask = torch.zeros(seen.shape, dtype=dtype, device=ids.device).masked_fill_(~seen, torch.finfo(dtype).min)
    positions = (past + depth)[None]
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": positions.expand(axes, *positions.shape) if axes > 1 else positions,
    }


def _alike(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Whether hidden states are the same up to rounding."""
    return bool((one - two).abs().max() <= ALIKE.get(two.dtype, ALIKE_16_BIT) * two.abs().max())


def _same(one: Any, two: Any) -> bool:
    """Whether two caches hold the same bits."""
    return all(
        torch.equal(first.keys, second.keys) and torch.equal(first.values, second.values)
        for first, second in zip(one.layers, two.layers, strict=True)
    )
