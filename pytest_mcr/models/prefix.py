"""The engine: a clip's common prefix runs once, and everything that is asked about the clip continues from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pytest_mcr.models.hf_ahead import Key
from pytest_mcr.models.hf_decode import Decoder
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.prefix_cache import Prefix, Shelf, prefill
from pytest_mcr.models.prefix_rows import answer_in_rows
from pytest_mcr.models.prefix_stages import Stages
from pytest_mcr.models.prefix_tree import common_length
from pytest_mcr.models.prefix_walk import Ask, Told, Walker

ENGINE_VERSION: Final = 3
"""To be raised with every change that can move an answer; part of a model's fingerprint."""

NODES: Final = {"cpu": 512, "cuda": 4096}
"""Tree nodes in a forward pass. Each attends to all others of its row, masked or not: on a CPU smaller passes win."""
STEPS: Final = 32
"""Room for tokens of answers beside the nodes."""
LEVELLED: Final = 12
"""Tokens by which prefixes are shortened at most to make them as long as the shortest of their batch."""

Way = Literal["tree", "rows"]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip and what is asked about it.

    Attributes:
        key: of the clip; its prefix is kept under it from one call to the next when it is asked about alone.
        asks: whole prompts, one or more.
        audio: its tensors, batch size 1; empty for prompts without a clip.
        least: tokens up to the last one of the audio, that one included.
        shared: tokens that all prompts begin with, and after which each has one more at least.
    """

    key: Key
    asks: Sequence[Ask]
    audio: Tensors
    least: int
    shared: int

    @property
    def continues(self) -> bool:
        """Whether what the prompts share holds all of the audio, so that they can continue from it."""
        return self.shared >= max(1, self.least)

    def part(self, numbers: Sequence[int]) -> Clip:
        """The clip with some of its prompts, which go on sharing what all do."""
        return replace(self, asks=[self.asks[number] for number in numbers])


def clip_of(key: Key, asks: Sequence[Ask], audio: Tensors, audio_token: int) -> Clip:
    """A clip with its prompts.

    Args:
        key: of the clip.
        asks: whole prompts, one or more.
        audio: its tensors.
        audio_token: the token id that stands for one audio embedding.
    """
    rows = [ask.ids for ask in asks]
    places = [place for place, token in enumerate(rows[0]) if token == audio_token] if audio else []
    shared = min(common_length(rows), min(map(len, rows)) - 1)
    return Clip(key, asks, audio, places[-1] + 1 if places else 0, shared)


class Engine:
    """Answers prompts on shared prefixes.

    Args:
        decoder: of the plain path; the fallback continues with it.
        join: audio tensors of some clips as one batch on the model's device.
        way: ``tree``, or ``rows`` where the model takes no tree mask.
        stages: where the time goes.
        shelf: where prefixes are kept from one call to the next; None for one of its own.
    """

    def __init__(
        self,
        decoder: Decoder,
        join: Callable[[Sequence[Tensors]], Tensors],
        way: Way,
        stages: Stages,
        shelf: Shelf | None = None,
    ) -> None:
        self.way = way
        self.shelf = shelf or Shelf()
        self._decoder = decoder
        self._network = decoder.network
        self._walker = Walker(decoder.network, decoder.stops, decoder.turn_end, stages)
        self._join = join
        self._stages = stages
        self._nodes = NODES.get(self._network.device.type, NODES["cpu"])

    def answer(self, clips: Sequence[Clip]) -> list[list[Told]]:
        """Answer all prompts of some clips.

        Args:
            clips: each `Clip.continues`; more than one only where they may share a batch.

        Returns:
            For each clip what was said to each of its prompts, in order.

        Raises:
            ArithmeticError: the model's logits are not numbers.
        """
        prefix = self._prefix(clips)
        starts = [len(ids) for ids in prefix.ids]
        asks = [[ask.after(start) for ask in clip.asks] for clip, start in zip(clips, starts, strict=True)]
        alone = len(clips) == 1
        told: list[dict[int, Told]] = [{} for _ in clips]
        packs = packed(asks, self._nodes)
        for number, pack in enumerate(packs, start=1):
            chosen = [[line[place] for place in places] for line, places in zip(asks, pack, strict=True)]
            said = self._continue(prefix, chosen, last=number == len(packs) and not alone)
            for row, places, words in zip(told, pack, said, strict=True):
                row.update(zip(places, words, strict=True))
        if alone:
            self.shelf.put(clips[0].key, prefix)
        return [[row[place] for place in range(len(row))] for row in told]

    def _continue(self, prefix: Prefix, asks: list[list[Ask]], *, last: bool) -> list[list[Told]]:
        if self.way == "tree":
            return self._walker.answer(prefix, asks, last=last)
        return answer_in_rows(self._decoder, prefix, asks, self._stages)

    def _prefix(self, clips: Sequence[Clip]) -> Prefix:
        """The clips' prefixes: kept from an earlier call, or run now."""
        lengths = _levelled(clips) if self.way == "tree" else [clip.shared for clip in clips]
        common = [clip.asks[0].ids[:length] for clip, length in zip(clips, lengths, strict=True)]
        kept = self.shelf.take(clips[0].key, common[0], max(1, clips[0].least)) if len(clips) == 1 else None
        if kept is not None:
            return kept
        with self._stages("prefill"):
            audio = self._join([clip.audio for clip in clips if clip.audio])
            return prefill(self._network, common, audio, room=self._room(clips, common))

    def _room(self, clips: Sequence[Clip], common: Sequence[Sequence[int]]) -> int:
        asks = [[ask.after(len(ids)) for ask in clip.asks] for clip, ids in zip(clips, common, strict=True)]
        return STEPS + max(
            sum(_nodes(line[place]) for place in places)
            for pack in packed(asks, self._nodes)
            for line, places in zip(asks, pack, strict=True)
        )


def _levelled(clips: Sequence[Clip]) -> list[int]:
    """Lengths of the prefixes: all the same where little is lost, so that no row needs padding.

    What a longer prefix gives up, its clip's prompts share as nodes of the tree. Without padding attention needs no
    mask, which lets it run its fastest kernels.
    """
    lengths = [clip.shared for clip in clips]
    least = min(lengths)
    level = max(lengths) - least <= LEVELLED and least >= max(clip.least for clip in clips)
    return [least] * len(lengths) if level else lengths


def packed(asks: Sequence[Sequence[Ask]], nodes: int) -> list[list[list[int]]]:
    """Which prompts go through the model together.

    Args:
        asks: of each clip, without the tokens of its prefix.
        nodes: of a forward pass, about.

    Returns:
        For each pass and each clip the places of its prompts, each in one pass. A single clip's follow one another, so
        that those that begin alike stay together; of several clips they are shared out evenly, because every row of a
        pass is as wide as the widest.
    """
    most = nodes // len(asks)
    sizes = [[_nodes(ask) for ask in line] for line in asks]
    runs = [_runs(line, most) for line in sizes]
    if len(asks) == 1:
        return [[run] for run in runs[0]]
    passes = max(map(len, runs))
    shared = [_shared_out(line, passes) for line in sizes]
    return [[line[number] for line in shared] for number in range(passes)]


def _runs(sizes: Sequence[int], most: int) -> list[list[int]]:
    """Places in runs of at most so many nodes, or of one prompt."""
    runs: list[list[int]] = [[]]
    nodes = 0
    for place, size in enumerate(sizes):
        nodes += size
        if runs[-1] and nodes > most:
            runs.append([])
            nodes = size
        runs[-1].append(place)
    return runs


def _shared_out(sizes: Sequence[int], passes: int) -> list[list[int]]:
    """Places over passes, the largest first and to the pass with the least; the fullest pass comes first."""
    loads, places = [0] * passes, [list[int]() for _ in range(passes)]
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        least = loads.index(min(loads))
        loads[least] += sizes[place]
        places[least].append(place)
    return [places[number] for number in sorted(range(passes), key=lambda number: (-loads[number], number))]


def _nodes(ask: Ask) -> int:
    """The most that a prompt adds to a tree."""
    return len(ask.ids) + sum(map(len, ask.labels))
