"""Requests are grouped by clip, planned, and answered exactly once, also when memory runs out."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.hf_ahead import Key
from pytest_mcr.models.hf_batches import BatchLimit
from pytest_mcr.models.hf_lanes import Lanes
from pytest_mcr.models.prefix_work import NO_AUDIO, REMEMBERED, Recurring, Share, Topic, Work
from pytest_mcr.models.protocol import Audio, Request


def clip(number: int, seconds: float = 1.0, loud: bool = True) -> Audio:
    samples = np.full(round(100 * seconds), 0.5 if loud else 0.0, np.float32)
    return Audio(samples, 100, f"clip {number}")


CLIPS = [None, *(clip(number, 0.5 * (number + 1)) for number in range(4))]
ASKED = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60)), max_size=25)


def requests_of(asked: Sequence[tuple[int, int]]) -> list[Request]:
    return [Request("id", CLIPS[which], "x" * length, ("yes",), 4, True) for which, length in asked]


class Machine:
    """Answers what fits into its memory."""

    def __init__(self, fits: int, lanes: int = 1) -> None:
        self.fits = fits
        self.lanes = lanes
        self.batches: list[list[tuple[Key, list[int]]]] = []
        self.forgot = 0

    def answer(self, lane: int, batch: Sequence[Share]) -> None:
        assert lane < self.lanes
        if sum(len(numbers) for _, numbers in batch) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append([(topic.key, [topic.places[number] for number in numbers]) for topic, numbers in batch])

    def forget(self) -> None:
        self.forgot += 1


def run(work: Work, machine: Machine, limit: BatchLimit, *, shares: bool = True, apart: Sequence[Key] = ()) -> None:
    lanes = Lanes(machine.lanes)
    work.run(
        machine.answer, limit, lanes, shares_batches=shares, tokens=1000, apart=set(apart), forget=machine.forget
    )  # fmt: skip
    lanes.close()


@given(ASKED, st.integers(1, 9), st.integers(1, 9), st.booleans(), st.sets(st.integers(0, 4)), st.integers(1, 3))
def test_every_prompt_is_answered_once_whatever_fits(
    asked: list[tuple[int, int]], size: int, fits: int, shares: bool, apart: set[int], lanes: int
) -> None:
    requests = requests_of(asked)
    places = [place for place in range(len(asked)) if place % 5 != 4]  # others were refused
    machine, limit = Machine(fits, lanes), BatchLimit(size)
    keys = [Topic(CLIPS[which]).key for which in apart]
    run(Work(requests, places), machine, limit, shares=shares, apart=keys)
    answered = [place for batch in machine.batches for _, some in batch for place in some]
    assert sorted(answered) == places
    for batch in machine.batches:
        clips = {key for key, _ in batch}
        assert all(Topic(requests[place].audio).key == key for key, some in batch for place in some)
        assert len(clips) == 1 or not clips & set(keys)
        assert len(clips) == 1 or (shares and NO_AUDIO not in clips)
        assert sum(len(some) for _, some in batch) <= min(size, max(fits, 1))
    assert machine.forgot == 0 or limit.prompts < size


def test_a_single_prompt_that_does_not_fit_is_an_error() -> None:
    machine, limit = Machine(0), BatchLimit(4)
    with pytest.raises(torch.OutOfMemoryError):
        run(Work(requests_of([(1, 5)] * 4), range(4)), machine, limit)
    assert limit.prompts == 1
    assert machine.forgot == 2


def test_what_a_clip_had_encoded_is_let_go_when_it_is_done() -> None:
    work = Work(requests_of([(1, 5), (1, 6), (2, 7)]), range(3))
    held = object()

    def answer(lane: int, batch: Sequence[Share]) -> None:
        for topic, _ in batch:
            topic.clip = held  # type: ignore[assignment]

    work.run(answer, BatchLimit(1), Lanes(1), shares_batches=True, tokens=None, apart=(), forget=lambda: None)
    assert [topic.clip for topic in work.topics] == [None, None]
    assert [topic.open for topic in work.topics] == [[], []]


@pytest.mark.parametrize(("lanes", "used"), [(1, 1), (2, 2), (3, 3)])
def test_the_batches_of_one_clip_follow_one_another_in_as_few_lanes_as_keep_all_busy(lanes: int, used: int) -> None:
    ran: list[tuple[int, Key, int]] = []
    begun: set[int] = set()
    meeting = threading.Barrier(used, timeout=20)

    def answer(lane: int, batch: Sequence[Share]) -> None:
        [(topic, numbers)] = batch
        if lane not in begun:
            begun.add(lane)
            meeting.wait()  # so that no lane is done before another has begun
        ran.append((lane, topic.key, len(numbers)))

    requests = requests_of([(1, length) for length in range(14)])
    pool = Lanes(lanes)
    Work(requests, range(14)).run(
        answer, BatchLimit(4), pool, shares_batches=True, tokens=None, apart=(), forget=lambda: None
    )
    pool.close()
    assert sorted(size for _, _, size in ran) == [2, 4, 4, 4]
    assert len({lane for lane, _, _ in ran}) == used


def test_which_batches_there_are_does_not_depend_on_the_lanes() -> None:
    requests = requests_of([(number % 5, 7 * number % 50) for number in range(40)])
    found = []
    for lanes in (1, 3):
        machine = Machine(99, lanes)
        run(Work(requests, range(40)), machine, BatchLimit(6))
        found.append(sorted(machine.batches, key=repr))
    assert found[0] == found[1]


def test_clips_are_told_apart_by_what_is_played_not_by_their_file() -> None:
    cut = Audio(np.zeros(7, np.float32), 100, "clip 0")
    requests = [Request("id", audio, "?", (), 4, False) for audio in (clip(0), cut, None, clip(0), None)]
    work = Work(requests, range(5))
    assert [topic.places for topic in work.topics] == [[0, 3], [1], [2, 4]]


def test_silence_is_known_the_second_time() -> None:
    recurring = Recurring()
    silent, loud = Topic(clip(0, loud=False)), Topic(clip(1))
    assert recurring.note([silent, loud, Topic(None)]) == set()
    assert recurring.note([silent, loud, Topic(None)]) == {silent.key}
    recurring.note([Topic(clip(number, loud=False)) for number in range(2, 2 + REMEMBERED)])
    assert recurring.note([silent]) == set()
