"""The fallback for models that take no tree mask: one row a prompt, each on a copy of its clip's cache."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mcr.models.hf_decode import Decoder
from pytest_mcr.models.prefix_cache import Prefix, sees_all
from pytest_mcr.models.prefix_stages import Stages
from pytest_mcr.models.prefix_walk import Ask, Told


def answer_in_rows(decoder: Decoder, prefix: Prefix, asks: Sequence[Sequence[Ask]], stages: Stages) -> list[list[Told]]:
    """Answer prompts that continue prefixes.

    Args:
        decoder: continues from the copies.
        prefix: one row a clip; unchanged afterwards.
        asks: for each row its prompts, without the tokens of the prefix, each with at least one more.
        stages: where the time goes.
    """
    places = [(row, number) for row, line in enumerate(asks) for number in range(len(line))]
    told = [[Told() for _ in line] for line in asks]
    for group in _groups(places, asks, gaps=sees_all(prefix.cache)):
        chosen = [asks[row][number] for row, number in group]
        rows = [row for row, _ in group]
        with stages("suffix"):
            prefilled = decoder.resume(prefix.repeated(rows), prefix.mask[rows], [ask.ids for ask in chosen])
            scores = decoder.score(prefilled, [ask.labels for ask in chosen])
        with stages("decode"):
            words = decoder.greedy(prefilled, [ask.limit for ask in chosen])
        for (row, number), said, chances in zip(group, words, scores, strict=True):
            told[row][number] = Told(said, chances)
    return told


def _groups(
    places: Sequence[tuple[int, int]], asks: Sequence[Sequence[Ask]], *, gaps: bool
) -> list[list[tuple[int, int]]]:
    """Prompts that may go together: where a layer counts stored tokens (a sliding window), padding would count too."""
    groups: dict[int, list[tuple[int, int]]] = {}
    for row, number in places:
        groups.setdefault(0 if gaps else len(asks[row][number].ids), []).append((row, number))
    return list(groups.values())
