"""Attention asked for its output at chosen places only: the others keep their keys and values, and cost no more.

What a layer's attention gives at a place depends on that place's query alone, once keys and values are there. So the
queries of places that nobody reads, their products with all keys, and the output projection can go without. The module
runs as it is: its two projections are given fewer rows, and between them stands an attention function of ours, which
hands the chosen queries to the one that the model was loaded with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

Places = tuple[torch.Tensor, torch.Tensor]
"""Rows and columns of the places that are read, each of shape (places,)."""
CHOSEN: Final = "pytest_mcr_chosen"
"""Name of our attention function among transformers'."""
KERNEL: Final = "sdpa"
"""The attention function that we hand on to; models that were loaded with another are left alone."""

_FUNCTIONS: Final[Any] = ALL_ATTENTION_FUNCTIONS
_PLACES: Final[WeakKeyDictionary[torch.nn.Module, Places | None]] = WeakKeyDictionary()
"""What the attention modules inside a context are asked for. Lanes have modules of their own."""


class Queries:
    """Leaves out what an attention module would give at places that nobody reads.

    Args:
        attention: of a decoder layer, with ``q_proj``, ``o_proj`` and ``config``; another kind is left as it is.
    """

    def __init__(self, attention: Any) -> None:
        parts = [getattr(attention, name, None) for name in ("q_proj", "o_proj")]
        self._config: Any = getattr(attention, "config", None)
        usual = getattr(self._config, "_attn_implementation", None) == KERNEL
        self._attention = attention if usual and all(isinstance(part, torch.nn.Linear) for part in parts) else None

    @property
    def exists(self) -> bool:
        """Whether there is something to leave out."""
        return self._attention is not None

    @contextmanager
    def read_at(self, places: Places | None) -> Iterator[None]:
        """Give output at some places as long as the context lasts, zeros or anything elsewhere.

        Args:
            places: None for no place at all.
        """
        attention = self._attention
        if attention is None:
            yield
            return
        _PLACES[attention] = places
        attention.config = _Renamed(self._config)
        try:
            with ExitStack() as parts:
                for part in (attention.q_proj, attention.o_proj):
                    parts.enter_context(run_at(part, places))
                yield
        finally:
            attention.config = self._config
            del _PLACES[attention]


@contextmanager
def run_at(part: torch.nn.Module, places: Places | None) -> Iterator[None]:
    """Run a module that works on each place alone at some places only; elsewhere its output is zeros.

    Args:
        part: takes shape (rows, places, features in), gives (rows, places, features out).
        places: None for no place at all.
    """
    own: Callable[[torch.Tensor], torch.Tensor] = part.forward
    width = part.out_features if isinstance(part, torch.nn.Linear) else None

    def run(hidden: torch.Tensor) -> torch.Tensor:
        out = hidden.new_zeros(*hidden.shape[:-1], width or hidden.shape[-1])
        if places is not None:
            out[places] = own(hidden[places])
        return out

    part.forward = run
    try:
        yield
    finally:
        del part.forward  # the class's own again


class _Renamed:
    """A module's configuration, with the name of our attention function."""

    def __init__(self, own: Any) -> None:
        self._own = own
        self._attn_implementation = CHOSEN

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **given: Any,
) -> tuple[torch.Tensor, Any]:
    """Attention at the module's chosen places.

    Args:
        module: that asks.
        query: of shape (rows, heads, queries, features).
        key: of shape (rows, key heads, positions, features); values likewise.
        value: see key.
        attention_mask: of shape (rows or 1, heads or 1, queries, positions), None for causal order.
        given: handed on.

    Returns:
        Output of shape (rows, queries, heads, features), and no weights.
    """
    attend: Any = _FUNCTIONS[KERNEL]
    places = _PLACES[module]
    rows, heads, queries, features = query.shape
    whole = query.new_zeros(rows, queries, heads, value.shape[-1])
    if places is None:
        return whole, None
    row, column = places
    slot, index = _slots(row, column, rows)
    if attention_mask is None or 2 * index.shape[1] > queries:  # without a mask the order of queries says what is seen
        found: tuple[torch.Tensor, Any] = attend(module, query, key, value, attention_mask, **given)
        return found
    picked = index[:, None, :, None]
    some = query.gather(2, picked.expand(-1, heads, -1, features))
    mask = attention_mask.expand(rows, -1, -1, -1)
    seen = mask.gather(2, picked.expand(-1, mask.shape[1], -1, mask.shape[3]))
    out, _ = attend(module, some, key, value, seen, **given)
    whole[row, column] = out[row, slot]
    return whole, None


def _slots(row: torch.Tensor, column: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Chosen places as the fewest columns: each place's slot in its row, and each row's columns by slot.

    Free slots hold column 0, whose output nobody reads.
    """
    counts = torch.bincount(row, minlength=rows)
    order = torch.argsort(row, stable=True)
    starts = counts.cumsum(0) - counts
    slot = torch.empty_like(row)
    slot[order] = torch.arange(len(row), device=row.device) - starts[row[order]]
    index = row.new_zeros(rows, int(counts.max()))
    index[row, slot] = column
    return slot, index


_FUNCTIONS.register(CHOSEN, _attend)
