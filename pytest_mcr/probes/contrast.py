"""The two labels of a conflict as two rival tokens at one position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contrast:
    """What is compared at the last position.

    Attributes:
        forced: tokens that both labels begin with; they are appended to the prompt.
        gold: next token of the gold label.
        text: next token of the text's label.
        choices: next tokens of all candidates that begin with ``forced``, ascending; gold and text among them.
    """

    forced: tuple[int, ...]
    gold: int
    text: int
    choices: tuple[int, ...]


def contrast(gold: Sequence[int], text: Sequence[int], candidates: Sequence[Sequence[int]], end: int) -> Contrast:
    """Find the first token in which two labels differ.

    Args:
        gold: token ids of the gold label.
        text: of the text's label.
        candidates: of all candidates.
        end: token id of the end of a turn; what follows a label that another one begins with.

    Raises:
        ValueError: both labels have the same tokens.
    """
    one, two = [*gold, end], [*text, end]
    at = next((at for at, (left, right) in enumerate(zip(one, two, strict=False)) if left != right), None)
    if at is None:
        raise ValueError("the gold label and the text's label are the same tokens; expected two labels")
    forced = tuple(one[:at])
    rows = ([*candidate, end] for candidate in (gold, text, *candidates))
    choices = sorted({row[at] for row in rows if tuple(row[:at]) == forced and len(row) > at})
    return Contrast(forced, one[at], two[at], tuple(choices))
