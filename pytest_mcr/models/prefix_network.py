"""A model's forward pass, with logits only at the places where somebody reads them.

The logits of a whole batch do not fit: 156,000 words at 800 positions of 32 rows are 16 GB. Where the model's logits
are its output embeddings applied to its base's hidden states, which is tried at load and not looked up by name, the
base runs alone and the head is applied to chosen places. Elsewhere the model's own forward does what it can.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import torch

from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.prefix_queries import Places
from pytest_mcr.models.prefix_tail import Extent, Tail
from pytest_mcr.models.prefix_window import Window

SLICE: Final = 1 << 24
"""Logits held at a time while places are read: 64 MB of float32."""


@dataclass(frozen=True, slots=True)
class Read:
    """What the logits say at some places.

    Attributes:
        best: the most likely next token of each place.
        chances: log-probabilities in nats, by place and by wanted token.
    """

    best: list[int]
    chances: list[list[float]]


class Network:
    """Runs a model.

    Args:
        model: the part that speaks (an Omni checkpoint's thinker).
        headless: its logits are its output embeddings applied to its base's hidden states (see `is_headless`).
        narrows: its audio tower may be given a shorter window (see `prefix_window.narrows`).
        leaves_out: how much of its last layer runs only where it is read (see `prefix_tail.leaves_out`).
    """

    def __init__(
        self, model: Any, *, headless: bool = False, narrows: bool = False, leaves_out: Extent | None = None
    ) -> None:
        self.model = model
        self.headless = headless
        self.tail = Tail(model, leaves_out) if headless and leaves_out else None
        self.window = Window(model) if narrows else None
        self.dtype: torch.dtype = model.dtype
        self.device: torch.device = model.device
        self.three_axes = has_three_axes(model.config)
        keep = inspect.signature(model.forward).parameters.get("logits_to_keep")
        self._keeps = keep is not None
        self._keeps_chosen = keep is not None and "Tensor" in str(keep.annotation)

    def on(self, model: Any) -> Network:
        """The same findings for a replica of the model."""
        extent = None if self.tail is None else self.tail.extent
        return Network(model, headless=self.headless, narrows=self.window is not None, leaves_out=extent)

    def positions(self, flat: torch.Tensor) -> torch.Tensor:
        """Position ids as the model wants them, from shape (rows, tokens): text and audio advance all axes alike."""
        return flat.expand(3, *flat.shape) if self.three_axes else flat

    def logits(self, *, last: bool, **inputs: Any) -> torch.Tensor:
        """Float32 logits of shape (rows, tokens, vocabulary), or (rows, 1, vocabulary) for the last place alone."""
        if self.headless:
            hidden = self.model.base_model(**inputs).last_hidden_state
            chosen: torch.Tensor = self.model.get_output_embeddings()(hidden[:, -1:] if last else hidden)
            return chosen.float()
        if last and self._keeps:
            inputs["logits_to_keep"] = 1
        everywhere: torch.Tensor = self.model(**inputs).logits
        return (everywhere[:, -1:] if last else everywhere).float()

    def fill(self, inputs: Tensors, cache: Any) -> None:
        """Run for the cache's sake only."""
        with nullcontext(inputs) if self.window is None else self.window.narrowed(inputs) as given:
            if self.headless:
                with self._read_at(None):
                    self.model.base_model(past_key_values=cache, use_cache=True, **given)
            else:
                self.logits(last=True, past_key_values=cache, use_cache=True, **given)

    def read(self, rows: Sequence[int], columns: Sequence[int], wanted: Sequence[Sequence[int]], **inputs: Any) -> Read:
        """Run, and read the next token's distribution at some places.

        Args:
            rows: row of each place.
            columns: column of each place, among the tokens of this run.
            wanted: for each place the tokens whose log-probability is asked for; all empty to skip the softmax.
            inputs: of the model.

        Raises:
            ArithmeticError: the logits are not numbers.
        """
        row, column = (torch.tensor(places, device=self.device) for places in (rows, columns))
        if self.headless:
            with self._read_at((row, column)):
                states = self.model.base_model(**inputs).last_hidden_state[row, column]
            return self._digest(states, wanted)
        if self._keeps_chosen:
            kept, column = torch.unique(column, return_inverse=True)
            inputs["logits_to_keep"] = kept
        return self._digest(self.model(**inputs).logits[row, column], wanted)

    def _read_at(self, places: Places | None) -> AbstractContextManager[None]:
        return nullcontext() if self.tail is None else self.tail.read_at(places)

    def _digest(self, states: torch.Tensor, wanted: Sequence[Sequence[int]]) -> Read:
        """From hidden states or logits of shape (places, ...) to what is wanted, in slices."""
        width = max(map(len, wanted), default=0)
        targets = torch.tensor([[*row, *[0] * (width - len(row))] for row in wanted], device=self.device)
        best: list[int] = []
        chances: list[list[float]] = []
        for start, logits in self._slices(states):
            values, tokens = logits.max(-1)
            if values.isnan().any():  # its argmax would be a token like any other
                raise_not_numbers()
            best += tokens.tolist()
            if width:
                given = logits.gather(1, targets[start : start + len(logits)])
                chances += (given - logits.logsumexp(-1, keepdim=True)).tolist()
        return Read(best, chances or [[] for _ in best])

    def _slices(self, states: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        head = self.model.get_output_embeddings() if self.headless else None
        vocabulary = states.shape[-1] if head is None else len(head.weight)
        size = max(1, SLICE // vocabulary)
        for start in range(0, len(states), size):
            part = states[start : start + size]
            yield start, (part if head is None else head(part)).float()


def is_headless(model: Any, inputs: Tensors) -> bool:
    """Whether the model's logits are exactly its output embeddings applied to its base's hidden states.

    Args:
        model: to try.
        inputs: a whole prompt of one row, audio included.
    """
    base, head = model.base_model, model.get_output_embeddings()
    if base is model or head is None or "input_ids" not in inspect.signature(base.forward).parameters:
        return False
    with torch.inference_mode():
        own = model(**inputs, use_cache=False).logits
        ours = head(base(**inputs, use_cache=False).last_hidden_state)
    return torch.equal(own, ours)  # a scaled or capped head differs, however little


def raise_not_numbers() -> None:
    """Say that logits are NaN.

    Raises:
        ArithmeticError: always.
    """
    raise ArithmeticError("the model's logits are NaN; type --mcr-dtype float32 if the dtype overflows")


def has_three_axes(config: Any) -> bool:
    """Whether positions have three axes (time, height, width), as in the Omni thinkers."""
    text = config.get_text_config()
    ropes = [getattr(text, name, None) or {} for name in ("rope_parameters", "rope_scaling")]
    return any("mrope_section" in rope for rope in ropes)
