"""Answer-side patching: the state of one run is put into another, at the last position after one block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch

from pytest_mcr.probes.body import Body, hooked, state_of

LAST_DEPTH: Final = 0.9
"""Relative depth up to which patching is quoted: at the last layer it replaces the output by construction."""
LEAST_GAP: Final = 0.5
"""Nats between the margins of both runs below which the effect of a patch is a ratio of noise."""


@contextmanager
def patched(body: Body, layer: int, state: torch.Tensor) -> Iterator[None]:
    """Replace the state of the last position after a block as long as the context lasts.

    Args:
        body: of the model.
        layer: block, counted from 1.
        state: shape (width,).
    """

    def replace(_: Any, __: Any, output: Any) -> Any:
        states = state_of(output).clone()
        states[:, -1] = state
        return (states, *output[1:]) if isinstance(output, tuple) else states

    with hooked([body.blocks[layer - 1]], lambda block: block.register_forward_hook(replace)):
        yield


def patchable(layers: Sequence[int], depth: int) -> list[int]:
    """Those layers after which a patch says something: blocks up to `LAST_DEPTH`."""
    return [layer for layer in layers if 1 <= layer <= LAST_DEPTH * depth + 1e-9]


def effect(patch: float, joint: float, alone: float) -> float | None:
    """Normalised effect ``(M_patch - M_J) / (M_A - M_J)``: 0 no effect, 1 as if the text were not there.

    Returns:
        None where the two runs differ by less than `LEAST_GAP`.
    """
    return None if abs(alone - joint) < LEAST_GAP else (patch - joint) / (alone - joint)


def passes(layers: Sequence[int], values: Sequence[float], level: float) -> int | None:
    """The first layer whose value is above a level, None where none is."""
    return next((layer for layer, value in zip(layers, values, strict=True) if value > level), None)
