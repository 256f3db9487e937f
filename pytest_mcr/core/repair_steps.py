"""Repair in free generation: what a rule makes of the branches' next-token log-probabilities, one step at a time.

The candidate set of a step is the tokens that J finds plausible: those with p >= mask * max p (contrastive decoding,
Li et al., arXiv 2210.15097). Within it a rule is what it is among labels (`repair`): GACL normalises both branches over
the plausible tokens, and its gate asks at each step, not once an answer, whether A is sure of another token than J.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pytest_mcr.core.clusters import Floats, Mask
from pytest_mcr.core.repair import combine
from pytest_mcr.core.repair_arms import Arm


def plausible(joint: Floats, mask: float) -> Mask:
    """Tokens whose probability is at least ``mask`` times that of the likeliest; this one is always among them.

    Args:
        joint: log-probabilities of J in nats, shape (vocabulary,).
        mask: alpha of Li et al., above 0 and at most 1; 1 leaves the likeliest alone.
    """
    kept: Mask = joint >= joint.max() + math.log(mask)
    return kept


def step_scores(arm: Arm, branches: Mapping[str, Floats]) -> Floats:
    """The scores of the next token that an arm ends with; minus infinity where J finds it implausible.

    Args:
        arm: a rule in free generation, with a ``mask``.
        branches: log-probabilities in nats after the same words, shape (vocabulary,), by branch; those of
            ``arm.branches`` at least.
    """
    kept = plausible(branches["joint"], arm.number("mask"))
    found = np.full(len(kept), -np.inf)
    found[kept] = combine(arm, {branch: branches[branch][kept] for branch in arm.branches})
    return found


def next_token(arm: Arm, branches: Mapping[str, Floats]) -> int:
    """The token that an arm writes next; of equals the first of the vocabulary."""
    return int(np.argmax(step_scores(arm, branches)))
