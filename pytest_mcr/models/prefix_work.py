"""The requests of a call, put into batches by clip, and put into smaller ones when memory runs out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pytest_mcr.models.hf_ahead import Key, key_of
from pytest_mcr.models.hf_batches import Batch, BatchLimit, Group, out_of_memory, plan_batches
from pytest_mcr.models.hf_lanes import Lanes
from pytest_mcr.models.prefix import Clip
from pytest_mcr.models.protocol import Audio, Request

NO_AUDIO: Final[Key] = ("", 0, 0)
"""The key of prompts without a clip."""
TOKENS_A_SECOND: Final = 25.0
CHARACTERS_A_TOKEN: Final = 4
FRAME: Final = 16
"""Rough sizes, by which batches are planned before anything is tokenised: of audio, text and chat template."""
REMEMBERED: Final = 64


@dataclass(slots=True)
class Topic:
    """What is asked about one clip.

    Attributes:
        audio: None for prompts without a clip.
        places: which of the call's requests these are.
        open: numbers of those not answered yet, among the places.
        clip: the prompts as tokens, once they are needed and as long as they are.
    """

    audio: Audio | None
    places: list[int] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    clip: Clip | None = None

    @property
    def key(self) -> Key:
        """Which clip it is."""
        return NO_AUDIO if self.audio is None else key_of(self.audio)


Share = tuple[Topic, list[int]]
"""A topic and the numbers of some of its prompts."""
Answer = Callable[[int, Sequence[Share]], None]
"""Answers a batch in the lane of that number."""


class Work:
    """Requests of one call, by clip.

    Args:
        requests: of the call.
        places: which of them are to be answered.
    """

    def __init__(self, requests: Sequence[Request], places: Sequence[int]) -> None:
        self._requests = requests
        self._guard = threading.Lock()
        topics: dict[Key, Topic] = {}
        for place in places:
            audio = requests[place].audio
            topic = topics.setdefault(NO_AUDIO if audio is None else key_of(audio), Topic(audio))
            topic.open.append(len(topic.places))
            topic.places.append(place)
        self.topics = list(topics.values())

    def run(
        self,
        answer: Answer,
        limit: BatchLimit,
        lanes: Lanes,
        *,
        shares_batches: bool,
        tokens: int | None,
        apart: Container[Key],
        forget: Callable[[], None],
    ) -> None:
        """Answer everything, in batches that fit.

        Args:
            answer: answers a batch.
            limit: prompts in a batch.
            lanes: where batches run side by side. Which batches there are does not depend on them.
            shares_batches: whether different clips may be in one batch.
            tokens: as for `plan_batches`.
            apart: clips that go alone, because their prefix is kept or will be.
            forget: frees what memory can be freed, after it ran out.

        Raises:
            torch.OutOfMemoryError: a single prompt does not fit.
        """
        while any(topic.open for topic in self.topics):
            planned = plan_batches(
                [self._group(topic) for topic in self.topics],
                limit=limit.prompts,
                shares_batches=shares_batches,
                tokens=tokens,
            )
            shares = [self._shares(part) for batch in planned for part in _split(batch, self.topics, apart)]
            failed: list[tuple[int, BaseException]] = []
            jobs = _spread(_chained(shares), lanes.count)
            lanes.run([partial(self._answered, answer, job, failed) for job in jobs])
            if failed:
                size, error = max(failed, key=lambda one: one[0])
                if not limit.halve(size):
                    raise error
                del error
                failed.clear()  # the frames of the errors would keep the tensors alive
                forget()

    def _answered(
        self, answer: Answer, job: Sequence[list[Share]], failed: list[tuple[int, BaseException]], lane: int
    ) -> None:
        """Answer the batches of a job, until memory runs out here or in another lane: then all is planned anew."""
        for batch in job:
            if failed:
                return
            try:
                answer(lane, batch)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                failed.append((sum(len(numbers) for _, numbers in batch), error))
                return
            with self._guard:  # two lanes may have batches of one clip
                for topic, numbers in batch:
                    topic.open = [number for number in topic.open if number not in numbers]
                    if not topic.open:
                        topic.clip = None

    def _group(self, topic: Topic) -> Group:
        seconds = 0.0 if topic.audio is None else len(topic.audio.samples) / topic.audio.rate
        return Group(
            prefix=round(TOKENS_A_SECOND * seconds) + FRAME,
            prompts=tuple(self._size(topic.places[number]) for number in topic.open),
            audio=topic.audio is not None,
        )

    def _size(self, place: int) -> int:
        request = self._requests[place]
        return (len(request.prompt) + sum(map(len, request.candidates))) // CHARACTERS_A_TOKEN

    def _shares(self, batch: Batch) -> list[Share]:
        return [
            (self.topics[part.group], [self.topics[part.group].open[prompt] for prompt in part.prompts])
            for part in batch
        ]  # fmt: skip


def _chained(batches: Sequence[list[Share]]) -> list[list[list[Share]]]:
    """Batches that must follow one another in one lane, because they continue from the same clip's prefix."""
    jobs: list[list[list[Share]]] = []
    for batch in batches:
        before = jobs[-1][-1] if jobs else []
        if len(batch) == len(before) == 1 and batch[0][0] is before[0][0]:
            jobs[-1].append(batch)
        else:
            jobs.append([batch])
    return jobs


def _spread(jobs: list[list[list[Share]]], lanes: int) -> list[list[list[Share]]]:
    """The same batches in jobs that fill the lanes: one with more than a lane's share of the prompts is cut in two.

    Both halves then run the clip's prefix, which is less than what the other lane would wait for.
    """
    jobs = list(jobs)
    share = sum(map(_prompts, jobs)) / lanes
    while lanes > 1 and (large := [job for job in jobs if len(job) > 1 and _prompts(job) > share]):
        job = max(large, key=_prompts)
        place, half = jobs.index(job), len(job) // 2
        jobs[place : place + 1] = [job[:half], job[half:]]
    return jobs


def _prompts(job: Sequence[list[Share]]) -> int:
    return sum(len(numbers) for batch in job for _, numbers in batch)


def _split(batch: Batch, topics: Sequence[Topic], apart: Container[Key]) -> list[Batch]:
    """A batch without the clips that go alone, and each of those."""
    alone = [part for part in batch if topics[part.group].key in apart]
    together = [part for part in batch if part not in alone]
    return [[part] for part in alone] + ([together] if together else [])


class Recurring:
    """Clips of silence that were asked about before: they come again, and share a prefix by length."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Key, None] = OrderedDict()

    def note(self, topics: Sequence[Topic]) -> set[Key]:
        """The silent clips among these that were noted before; then note them all."""
        silent = [topic.key for topic in topics if topic.audio is not None and not topic.audio.samples.any()]
        known = {key for key in silent if key in self._seen}
        for key in silent:
            self._seen[key] = None
            self._seen.move_to_end(key)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return known
