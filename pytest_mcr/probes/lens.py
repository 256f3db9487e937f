"""Logit lens of two answers: what the model's own head would say of them after each layer, at the last position.

``M(l)`` is the logit of the audio's answer minus that of the text's, read off layer l; at the last layer it is the
model's own. The text's label is the rival with and without the text, so that both curves are about the same two tokens.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.probes.body import Look
from pytest_mcr.probes.contrast import Contrast

Floats = NDArray[np.float64]

FIRST_DEPTH: Final = 0.4
"""Relative depth from which a curve is summed up: earlier states are not yet written in the output's terms."""
DEEP: Final = 12
"""Blocks from which a layer is named; of fewer, only curves are shown."""


def margins(look: Look, labels: Contrast) -> Floats:
    """M by layer in nats, shape (rows of the look,).

    Args:
        look: of a prompt that ends in what both labels begin with.
        labels: the two answers.
    """
    gap = look.logits[:, labels.gold] - look.logits[:, labels.text]
    return np.asarray(gap.double().cpu().numpy(), dtype=np.float64)


def late(curve: Floats) -> Floats:
    """The part of a curve from `FIRST_DEPTH` on.

    Args:
        curve: by layer from 0 (embeddings) to the last, shape (layers + 1,).
    """
    depth = np.arange(len(curve)) / (len(curve) - 1)
    return curve[depth >= FIRST_DEPTH - 1e-9]


def area(curve: Floats) -> float:
    """Mean height of the late part of a curve over depth (trapezoids), in the curve's unit."""
    part = late(curve)
    return float(np.trapezoid(part) / (len(part) - 1)) if len(part) > 1 else float(part[0])


def oscillations(curve: Floats) -> int:
    """How often the late part of a curve changes its sign; a 0 keeps the sign before it."""
    signs = np.sign(late(curve))
    signs = signs[signs != 0]
    return int((signs[1:] != signs[:-1]).sum())


def crossover(curve: Floats) -> int:
    """The first layer from which on the sign is the final one."""
    other = np.flatnonzero(np.sign(curve) != np.sign(curve[-1]))
    return int(other[-1]) + 1 if len(other) else 0
