"""Hidden states of the last position, streamed to disk layer by layer: memory stays flat however many there are.

Layer 0 is the embeddings, layer l the output of block l before any final norm. The forward pass ends at the last layer
that is wanted: neither the head nor the blocks above it run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pytest_mcr.errors import StatesError
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.probes.body import Body, UnfitError, hooked, state_of

CHUNK_ROWS: Final = 256


class _ReadError(Exception):
    """Ends a forward pass whose wanted states are known."""


class Reader:
    """Reads the states of the last position.

    Args:
        body: of the model.
        layers: ascending, from 0 (embeddings) to the depth.
    """

    def __init__(self, body: Body, layers: Sequence[int]) -> None:
        self._body = body
        self.layers = tuple(layers)

    @torch.inference_mode()
    def read(self, prompt: Tensors) -> torch.Tensor:
        """States after a prompt, shape (layers, width), in the model's dtype, on the CPU.

        Args:
            prompt: from `body.tensors`.

        Raises:
            UnfitError: the states of the blocks are no (1, tokens, width) tensors.
        """
        seen: dict[int, torch.Tensor] = {}

        def note(layer: int, states: torch.Tensor) -> None:
            if states.dim() != 3 or len(states) != 1:
                raise UnfitError(
                    f"its blocks pass on states of shape {tuple(states.shape)}; expected (1, tokens, width)"
                )
            seen[layer] = states[0, -1].detach().cpu()
            if layer == self.layers[-1]:
                raise _ReadError

        def begin(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
            note(0, args[0] if args else given["hidden_states"])

        def after(layer: int) -> Any:
            return lambda _, __, output: note(layer, state_of(output))

        blocks = self._body.blocks
        first = blocks[:1] if self.layers[0] == 0 else []
        later = [(layer, blocks[layer - 1]) for layer in self.layers if layer]
        numbers = iter([layer for layer, _ in later])
        with (
            hooked(first, lambda block: block.register_forward_pre_hook(begin, with_kwargs=True)),
            hooked([block for _, block in later], lambda block: block.register_forward_hook(after(next(numbers)))),
        ):
            try:
                self._body.model(**prompt, use_cache=False)
            except _ReadError:
                return torch.stack([seen[layer] for layer in self.layers])
        raise UnfitError(f"block {self.layers[-1]} was never run")


class StateWriter:
    """Writes states in chunks of `CHUNK_ROWS` rows.

    Args:
        folder: made where it is missing; its files are ours.
        layers: of each state.
    """

    def __init__(self, folder: Path, layers: Sequence[int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._layers = tuple(layers)
        self._open: list[torch.Tensor] = []
        self._sizes: list[int] = []

    def add(self, states: torch.Tensor) -> None:
        """Add one row, shape (layers, width)."""
        self._open.append(states)
        if len(self._open) == CHUNK_ROWS:
            self._flush()

    def close(self) -> States:
        """Write what is left, and return all rows to read."""
        self._flush()
        return States(self._folder, self._layers, tuple(self._sizes))

    def _flush(self) -> None:
        if self._open:
            rows = torch.stack(self._open, 1)
            named = {f"layer.{layer}": rows[place].contiguous() for place, layer in enumerate(self._layers)}
            save_file(named, _file(self._folder, len(self._sizes)))
            self._sizes.append(len(self._open))
            self._open = []


class States:
    """States on disk.

    Args:
        folder: with the files.
        layers: that they hold.
        sizes: rows of each file.
    """

    def __init__(self, folder: Path, layers: tuple[int, ...], sizes: tuple[int, ...]) -> None:
        self._folder = folder
        self.layers = layers
        self._sizes = sizes

    def __len__(self) -> int:
        return sum(self._sizes)

    def layer(self, layer: int, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Rows of one layer, float32, shape (stop - start, width).

        Args:
            layer: one of `layers`.
            start: first row.
            stop: the row after the last; None for all.

        Raises:
            StatesError: a file is missing or was cut short, or a state is not finite.
        """
        stop = len(self) if stop is None else stop
        parts: list[NDArray[np.float32]] = []
        begin = 0
        for number, size in enumerate(self._sizes):
            low, high = max(start, begin), min(stop, begin + size)
            if low < high:
                parts.append(self._chunk(number, layer)[low - begin : high - begin])
            begin += size
        rows = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
        bad = int((~np.isfinite(rows)).any(-1).sum()) if rows.size else 0
        if bad:
            raise StatesError(f"{bad} of {len(rows)} states of layer {layer} are not finite numbers")
        return rows

    def _chunk(self, number: int, layer: int) -> NDArray[np.float32]:
        file = _file(self._folder, number)
        try:
            with safe_open(file, framework="pt") as chunk:
                rows = chunk.get_tensor(f"layer.{layer}")
        except (OSError, SafetensorError) as error:
            raise StatesError(f"{file.name} of the hidden states is missing or was cut short: {error}") from error
        if len(rows) != self._sizes[number]:
            raise StatesError(f"{file.name} holds {len(rows)} hidden states; expected {self._sizes[number]}")
        found: NDArray[np.float32] = rows.float().numpy()
        return found


def _file(folder: Path, number: int) -> Path:
    return folder / f"states-{number:05d}.safetensors"
