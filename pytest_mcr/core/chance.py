"""The accuracy that needs no ears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def chance(golds: Sequence[str], sizes: Sequence[int]) -> float:
    """max(1/K, largest share of a gold answer), K averaged over samples; open-ended samples add nothing to 1/K.

    Args:
        golds: each sample's gold answer; one or more.
        sizes: candidates of each sample, 0 for an open-ended one.
    """
    # Sorted: the last bit of the sum must not hang on the order of the samples.
    guess = sum(1 / size if size else 0.0 for size in sorted(sizes)) / len(sizes)
    return max(guess, max(Counter(golds).values()) / len(golds))
