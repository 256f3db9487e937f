"""Which prompts go through the model together: clips of like length, the longest first, within a limit that learns.

Longest first, so that a batch that does not fit fails at once and not after an hour. Nothing here changes an answer:
every prompt is planned exactly once, and where clips may not share a batch each has batches of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch

START: Final = 32
"""Prompts in a batch until more were tried or fewer had to do."""
CPU_TOKENS: Final = 512
"""Prefix tokens in one forward pass of several clips on a CPU. Measured on one core: clips of 100 to 200 tokens cost
the same by the four as by the eight, clips of 750 gain nothing by the two, and lose a sixth where one needs padding.
By the four, a chunk gives two lanes a batch each."""
CPU_PROMPTS: Final = 16
"""Prompts of one clip in a batch on a CPU: a forward pass takes fewer, and two batches can go side by side."""
FULL: Final = 2048
"""Prefix tokens from which on a forward pass is busy enough that padding costs more than another pass."""


@dataclass(frozen=True, slots=True)
class Group:
    """One clip and its prompts, or prompts without a clip.

    Attributes:
        prefix: about how many tokens its prompts share, audio included.
        prompts: about how many tokens each prompt has of its own.
        audio: whether there is a clip.
    """

    prefix: int
    prompts: tuple[int, ...]
    audio: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """Some prompts of one group.

    Attributes:
        group: index of the group.
        prompts: indices of its prompts, longest first.
    """

    group: int
    prompts: tuple[int, ...]


Batch = list[Part]


def plan_batches(
    groups: Sequence[Group], *, limit: int, shares_batches: bool, tokens: int | None = None
) -> list[Batch]:
    """Put every prompt into exactly one batch.

    Args:
        groups: clips with their prompts; a group without prompts is in no batch.
        limit: most prompts in a batch, at least 1. A group with more is cut over batches of its own that follow one
            another, so that its prefix can be kept from one to the next.
        shares_batches: whether different clips may be in one batch. Groups without audio always may, among themselves.
        tokens: most prefix tokens in a batch of several groups, padding counted; None without such a limit. With it a
            batch of one group holds at most `CPU_PROMPTS`.

    Returns:
        Batches with those of the longest clips first; within a batch, longest first.

    Raises:
        ValueError: a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"limit {limit}; expected at least 1 prompt in a batch")
    batches: list[Batch] = []
    open_batch: Batch | None = None
    for index in sorted(range(len(groups)), key=lambda index: _order(groups[index], index)):
        group = groups[index]
        ranked = sorted(range(len(group.prompts)), key=lambda prompt: (-group.prompts[prompt], prompt))
        most = limit if tokens is None else min(limit, CPU_PROMPTS)
        if len(ranked) > most:
            batches += [[Part(index, tuple(ranked[at : at + most]))] for at in range(0, len(ranked), most)]
            open_batch = None
        elif ranked:
            if open_batch is None or not _joins(group, open_batch, groups, limit, shares_batches, tokens):
                open_batch = []
                batches.append(open_batch)
            open_batch.append(Part(index, tuple(ranked)))
    return batches


def _order(group: Group, index: int) -> tuple[bool, int, int, int]:
    """Clips before text, then by length; the longest prompt decides between clips of one length."""
    return not group.audio, -group.prefix, -max(group.prompts, default=0), index


def _joins(
    group: Group, batch: Batch, groups: Sequence[Group], limit: int, shares_batches: bool, tokens: int | None
) -> bool:
    first = groups[batch[0].group]  # the longest
    if group.audio != first.audio or (group.audio and not shares_batches):
        return False
    if sum(len(part.prompts) for part in batch) + len(group.prompts) > limit:
        return False
    padded = first.prefix * (len(batch) + 1)
    if tokens is not None and padded > tokens:
        return False
    return padded <= FULL or 4 * group.prefix >= 3 * first.prefix


class BatchLimit:
    """Most prompts in a batch: given, or found out; shrinks for good when memory runs out.

    Args:
        size: prompts; None to find out.

    Attributes:
        automatic: whether it was to be found out.
        prompts: the limit now.
    """

    def __init__(self, size: int | None) -> None:
        if size is not None and size < 1:
            raise ValueError(f"batch size {size}; expected at least 1 prompt")
        self.automatic = size is None
        self.prompts = START if size is None else size

    def halve(self, failed: int) -> bool:
        """Remember that a batch did not fit.

        Args:
            failed: prompts in that batch.

        Returns:
            Whether it is worth trying again; False when a single prompt did not fit.
        """
        if failed <= 1:
            self.prompts = 1
            return False
        self.prompts = min(self.prompts, failed // 2)
        return True

    def fit(self, attempt: Callable[[int], None], most: int) -> int:
        """Find the largest batch that fits by doubling, and remember it; a given size is left as it is.

        Args:
            attempt: runs that many prompts of the longest kind; raises when memory runs out.
            most: prompts beyond which more are of no use.

        Returns:
            The limit.

        Raises:
            torch.OutOfMemoryError: a single prompt does not fit.
        """
        if not self.automatic:
            return self.prompts
        size = max(1, min(self.prompts, most))
        while (error := _tried(attempt, size)) is not None:
            if not self.halve(size):
                raise error
            size = self.prompts
        self.prompts = size
        while size < most:
            size = min(2 * size, most)
            if _tried(attempt, size) is not None:
                break
            self.prompts = size
        return self.prompts


def out_of_memory(error: BaseException) -> bool:
    """CUDA has a type of its own for it, the CPU allocator only a message."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _tried(attempt: Callable[[int], None], size: int) -> BaseException | None:
    """What ran out of memory, None when it fitted."""
    try:
        attempt(size)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        torch.cuda.empty_cache()  # nothing without CUDA; with it, the blocks that the next attempt cuts otherwise
        return error.with_traceback(None)  # its frames would keep the tensors alive
    return None
