"""The end of a model's last layer, run only where somebody reads it.

A forward pass that fills a cache needs the last layer's keys and values; a pass that reads logits at some places needs
its output there. The feed-forward part of that layer works on each place alone, so that the other places can go
without. Whether a model bears that is tried at load on noise, by comparing what is cached and what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

from pytest_mcr.models.hf_delivery import Tensors

ALIKE: Final = {torch.float32: 1e-5}
ALIKE_16_BIT: Final = 2e-2
"""How far hidden states may be apart, as a share of the largest number among them: a product of fewer rows is summed
in another order."""

Places = tuple[torch.Tensor, torch.Tensor]
"""Rows and columns of the places that are read, each of shape (places,)."""


class Tail:
    """Leaves out the feed-forward part of a model's last layer.

    Args:
        model: whose decoder has ``layers``, the last with an ``mlp``; of another kind nothing is left out.
    """

    def __init__(self, model: Any) -> None:
        layers = getattr(model.get_decoder(), "layers", None)
        found = getattr(layers[-1], "mlp", None) if isinstance(layers, torch.nn.ModuleList) and len(layers) else None
        self._mlp = found if isinstance(found, torch.nn.Module) else None

    @property
    def exists(self) -> bool:
        """Whether there is something to leave out."""
        return self._mlp is not None

    @contextmanager
    def read_at(self, places: Places | None) -> Iterator[None]:
        """Run the part at some places as long as the context lasts; the output elsewhere is of no use.

        Args:
            places: None for no place at all.
        """
        if self._mlp is None:
            yield
            return
        self._mlp.forward = _chosen(self._mlp.forward, places)
        try:
            yield
        finally:
            del self._mlp.forward  # the class's own again


@torch.inference_mode()
def leaves_out(model: Any, inputs: Tensors, new_cache: Callable[[], Any]) -> bool:
    """Whether a model caches the same without the part, and says the same where it is run.

    Args:
        model: to try; its base gives hidden states.
        inputs: a whole prompt of one row, audio included.
        new_cache: makes an empty cache.
    """
    tail = Tail(model)
    if not tail.exists:
        return False
    whole, filled, chosen = new_cache(), new_cache(), new_cache()
    own = model.base_model(**inputs, past_key_values=whole, use_cache=True).last_hidden_state
    with tail.read_at(None):
        model.base_model(**inputs, past_key_values=filled, use_cache=True)
    columns = torch.tensor([own.shape[1] - 1, own.shape[1] // 2], device=own.device)
    places = (torch.zeros_like(columns), columns)
    with tail.read_at(places):
        ours = model.base_model(**inputs, past_key_values=chosen, use_cache=True).last_hidden_state
    gap = (ours[places] - own[places]).abs().max()
    return bool(gap <= ALIKE.get(own.dtype, ALIKE_16_BIT) * own[places].abs().max()) and all(
        torch.equal(one.keys, two.keys) and torch.equal(one.values, two.values)
        for other in (filled, chosen)
        for one, two in zip(whole.layers, other.layers, strict=True)
    )


def _chosen(forward: Callable[[torch.Tensor], torch.Tensor], places: Places | None) -> Callable[..., torch.Tensor]:
    def run(hidden: torch.Tensor) -> torch.Tensor:
        out = torch.zeros_like(hidden)
        if places is not None:
            out[places] = forward(hidden[places])
        return out

    return run
