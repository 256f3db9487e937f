"""DoLa (Chuang et al., ICLR 2024, arXiv 2309.03883): what the last layer says, less what an early layer said already.

For each token the premature layer M is, of a bucket of layers, the one whose next-token distribution is furthest from
the last layer's. A token x of the plausible set, ``q_N(x) >= mask * max q_N``, has ``F = log q_N(x) - log q_M(x)``, and
log-probabilities are the log-softmax of F within the set (section 2 of the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import log_softmax, logsumexp

from pytest_mcr.core.clusters import Floats

FLOOR: Final = -1000.0
"""Log-probability in nats of a token outside the plausible set: finite, as in the authors' code, so that of two labels
the one with fewer such tokens wins."""
DEEP: Final = 16
"""Blocks from which a bucket holds every second layer only, as in the paper (which has 32 and more)."""


def bucket(name: str, depth: int, *, tied: bool) -> list[int]:
    """The layers among which the premature one is chosen, ascending; may be empty.

    Args:
        name: ``low`` for the first half of the layers below the last, ``high`` for the second.
        depth: blocks; layer 0 is the embeddings and layer ``depth`` the last.
        tied: the head is the embedding matrix, so that layer 0 says the token it was given, and is left out.
    """
    half = depth // 2
    layers = range(half) if name == "low" else range(half, depth)
    step = 2 if depth >= DEEP else 1
    return [layer for layer in layers if layer % step == 0 and not (tied and layer == 0)]


def divergence(one: Floats, other: Floats) -> Floats:
    """Jensen-Shannon divergence in nats, from 0 to log 2, over the last axis of two arrays of log-probabilities."""
    middle = np.logaddexp(one, other) - np.log(2)
    return 0.5 * (_relative(one, middle) + _relative(other, middle))


def _relative(one: Floats, middle: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # a token without any probability adds nothing
        terms = np.where(np.isneginf(one), 0.0, np.exp(one) * (one - middle))
    found: Floats = terms.sum(-1)
    return found


def premature(last: Floats, early: Floats) -> list[int]:
    """By token, the place of the early layer that is furthest from the last one; of equals the first.

    Args:
        last: log-probabilities, shape (tokens, vocabulary).
        early: the same by layer, shape (layers, tokens, vocabulary).
    """
    return [int(place) for place in np.argmax(divergence(last[None], early), axis=0)]


def label_score(last: Floats, early: Floats, label: Sequence[int], mask: float) -> float:
    """The sum of a label's contrasted log-probabilities, in nats.

    Args:
        last: logits of the last layer where each token of the label comes next, shape (tokens, vocabulary).
        early: the same of each layer of the bucket, shape (layers, tokens, vocabulary).
        label: token ids, the end of turn among them.
        mask: alpha, the share of the largest probability that a plausible token has at least; 0 for all tokens.
    """
    final, before = log_softmax(last, axis=-1), log_softmax(early, axis=-1)
    total = 0.0
    for at, layer in enumerate(premature(final, before)):
        plausible = np.exp(final[at] - final[at].max()) >= mask
        if not plausible[label[at]]:
            total += FLOOR
            continue
        contrast = final[at, plausible] - before[layer, at, plausible]
        total += float(final[at, label[at]] - before[layer, at, label[at]] - logsumexp(contrast))
    return total
