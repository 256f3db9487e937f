"""Free generation by a rule: branches decoded in lock step, each from the cache of its own prompt.

At every step the rule chooses one token from the next-token distributions of all branches, and every branch is fed
that token. A branch is one row with a cache of its own, prefilled by the plain path: nothing is padded, so that an
answer depends on its own prompts alone, and a rule without strength writes what J alone writes, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from pytest_mcr.core.clusters import Floats
from pytest_mcr.models.hf_decode import Decoder, Prefilled
from pytest_mcr.models.prefix_network import raise_not_numbers

Choose = Callable[[Mapping[str, Floats]], int]


def lock_step(decoder: Decoder, branches: Mapping[str, Prefilled], limit: int, choose: Choose) -> list[int]:
    """Write one answer.

    Args:
        decoder: of the model.
        branches: prompts of one row each, by branch; used up by this.
        limit: most tokens.
        choose: the next token from the branches' log-probabilities in nats, float64 of shape (vocabulary,).

    Returns:
        Token ids, without the stop token.

    Raises:
        ArithmeticError: the logits are not numbers.
    """
    words: list[int] = []
    while len(words) < limit:
        token = choose({name: _chances(branch) for name, branch in branches.items()})
        if token in decoder.stops:
            break
        words.append(token)
        if len(words) < limit:
            for branch in branches.values():
                decoder.step(branch, torch.tensor([token], device=branch.logits.device))
    return words


def _chances(branch: Prefilled) -> Floats:
    logits = branch.logits[0].to("cpu", torch.float64)
    if logits.isnan().any():
        raise_not_numbers()
    found: Floats = logits.log_softmax(-1).numpy()
    return found
