"""Prefixes: what clips' prompts have in common, run once and kept as a key-value cache."""

# mypy: allow-untyped-calls

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from pytest_mcr.models.hf_ahead import Key
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.prefix_network import Network
from pytest_mcr.models.prefix_tree import common_length

KEPT: Final = 4
"""Prefixes kept between calls. One of 30 s takes 0.4 GB in a model of 8 billion parameters."""


class RoomyLayer(DynamicLayer):
    """A cache layer that grows inside a buffer, so that a step copies its own tokens and not all before them.

    Args:
        room: tokens to make room for beyond those at hand, whenever the buffer is made.
    """

    _layer_type = None  # transformers registers subclasses that name one

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._buffers: list[torch.Tensor] = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values; all so far, as views of the buffers."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        new = old + key_states.shape[-2]
        if not self._holds(new):
            self._move(old, new, key_states, value_states)
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., old:new, :] = states
        self.keys, self.values = (buffer[..., :new, :] for buffer in self._buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep some rows, with their room."""
        length = self.get_seq_length()
        if length > 0 and self._holds(length):
            self._buffers = [buffer[indices] for buffer in self._buffers]
            self.keys, self.values = (buffer[..., :length, :] for buffer in self._buffers)
        else:
            super().batch_select_indices(indices)

    def _holds(self, tokens: int) -> bool:
        """Whether what is stored lies in the buffers, with room up to so many tokens."""
        return bool(
            self._buffers
            and self.keys is not None
            and self._buffers[0].data_ptr() == self.keys.data_ptr()
            and self._buffers[0].shape[0] == self.keys.shape[0]
            and self._buffers[0].shape[-2] >= tokens
        )

    def _move(self, old: int, new: int, *states: torch.Tensor) -> None:
        stored = (self.keys, self.values)
        self._buffers = []
        for held, given in zip(stored, states, strict=True):
            rows, heads, _, width = given.shape
            buffer = given.new_empty((rows, heads, new + self._room, width))
            if held is not None and old:
                buffer[..., :old, :] = held
            self._buffers.append(buffer)


def new_cache(network: Network, room: int) -> Any:
    """An empty cache of the layers that the model's config calls for, roomy where they attend to everything."""
    cache = DynamicCache(config=network.model.config.get_text_config())
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def sees_all(cache: Any) -> bool:
    """Whether every layer attends to every token, so that tokens can be taken back and masked one by one."""
    return all(type(layer) in (DynamicLayer, RoomyLayer) for layer in cache.layers)


@dataclass(slots=True)
class Prefix:
    """Clips after the tokens that all their prompts begin with.

    Attributes:
        ids: tokens of each row, without padding.
        cache: the model's, with left-padded rows.
        mask: 1 at tokens and 0 at padding, shape (rows, positions).
    """

    ids: list[list[int]]
    cache: Any
    mask: torch.Tensor

    @property
    def width(self) -> int:
        """Positions, padding included."""
        return self.mask.shape[1]

    def shorten(self, tokens: int) -> None:
        """Take the last tokens of a single row back."""
        if tokens:
            self.cache.crop(-tokens)
            self.ids = [row[:-tokens] for row in self.ids]
            self.mask = self.mask[:, :-tokens]

    def repeated(self, rows: Sequence[int]) -> Any:
        """A copy of the cache with a row for each of the given, which may come several times."""
        cache = copy.deepcopy(self.cache)
        cache.batch_select_indices(torch.tensor(rows, device=self.mask.device))
        return cache


def prefill(network: Network, ids: list[list[int]], audio: Tensors, room: int) -> Prefix:
    """Run the common tokens of some clips, audio included.

    Args:
        network: of the model.
        ids: the common tokens of each clip.
        audio: tensors of the clips, in the same order; empty without audio.
        room: tokens that will follow.
    """
    longest = max(map(len, ids))
    padded = torch.tensor([[0] * (longest - len(row)) + row for row in ids], device=network.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=network.device)
    cache = new_cache(network, room)
    given: Tensors = {"input_ids": padded, "attention_mask": mask, **audio}
    if not network.three_axes:  # those families derive their positions from ids and mask themselves
        given["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    network.fill(given, cache)
    return Prefix(ids, cache, mask)


class Shelf:
    """The prefixes of the last clips, one clip each; several lanes may use it.

    Args:
        size: how many.
    """

    def __init__(self, size: int = KEPT) -> None:
        self._size = size
        self._kept: OrderedDict[Key, Prefix] = OrderedDict()
        self._guard = threading.Lock()

    def keys(self) -> set[Key]:
        """Clips whose prefix is kept."""
        return set(self._kept)

    def take(self, key: Key, ids: list[int], least: int) -> Prefix | None:
        """Take a clip's prefix away, to be put back after use; what fails in between leaves nothing half done.

        Args:
            key: of the clip.
            ids: the common tokens of the prompts that are asked now.
            least: tokens that it must hold, those of the audio included.

        Returns:
            A prefix of those tokens, which may be shorter than they are; None when none is kept that will do.
        """
        with self._guard:
            prefix = self._kept.pop(key, None)
        if prefix is None:
            return None
        held = len(prefix.ids[0])
        shared = common_length([prefix.ids[0], ids])
        if shared < least or (shared < held and not sees_all(prefix.cache)):
            return None
        prefix.shorten(held - shared)
        return prefix

    def put(self, key: Key, prefix: Prefix) -> None:
        """Keep a prefix, and let go of the one that was longest not used."""
        with self._guard:
            self._kept[key] = prefix
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Let go of all."""
        self._kept.clear()
