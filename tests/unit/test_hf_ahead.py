import dataclasses
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.hf_ahead import Ahead
from pytest_mcr.models.protocol import Audio
from tests.unit.tiny_requests import clip

CLIPS = [clip(seed, 0.01) for seed in range(12)]


class Gate:
    """Work that waits until it is let through; says who did it, and how often."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.made: list[str] = []
        self.threads: set[int] = set()

    def make(self, audio: Audio) -> str:
        assert self.open.wait(10)
        self.made.append(audio.digest)
        self.threads.add(threading.get_ident())
        return f"made of {audio.digest}"


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def test_what_was_ordered_is_waited_for_and_used_up(gate: Gate) -> None:
    ahead = Ahead(gate.make)
    assert ahead.order(CLIPS[0])
    assert not ahead.order(CLIPS[0])  # on its way
    gate.open.set()
    assert ahead.take(CLIPS[0]) == f"made of {CLIPS[0].digest}"
    assert ahead.take(CLIPS[0]) is None
    assert ahead.take(CLIPS[1]) is None
    assert ahead.order(CLIPS[0])
    ahead.close()


def test_one_other_thread_does_all_the_work(gate: Gate) -> None:
    gate.open.set()
    ahead = Ahead(gate.make)
    callers = [threading.Thread(target=ahead.order, args=(one,)) for one in CLIPS]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [ahead.take(one) for one in CLIPS] == [f"made of {one.digest}" for one in CLIPS]
    assert len(gate.threads) == 1
    assert gate.threads.isdisjoint({threading.get_ident(), *(caller.ident for caller in callers)})
    ahead.close()


def test_a_full_store_takes_no_more_until_one_is_used(gate: Gate) -> None:
    gate.open.set()
    ahead = Ahead(gate.make, clips=2)
    assert [ahead.order(one) for one in CLIPS[:3]] == [True, True, False]
    ahead.take(CLIPS[1])
    assert ahead.order(CLIPS[2])
    ahead.close()


def test_what_nobody_takes_makes_room_after_a_while(gate: Gate) -> None:
    gate.open.set()
    ahead = Ahead(gate.make, clips=2, stale=3)
    ahead.order(CLIPS[0])
    for _ in range(2):
        ahead.take(CLIPS[9])
    ahead.order(CLIPS[1])
    assert not ahead.order(CLIPS[2])
    ahead.take(CLIPS[9])
    assert ahead.order(CLIPS[2])
    assert ahead.take(CLIPS[0]) is None
    assert ahead.take(CLIPS[1]) is not None
    ahead.close()


def test_what_making_it_raised_is_raised_where_it_is_taken() -> None:
    def fail(audio: Audio) -> str:
        raise ZeroDivisionError(audio.digest)

    ahead = Ahead(fail)
    ahead.order(CLIPS[0])
    with pytest.raises(ZeroDivisionError, match=CLIPS[0].digest):
        ahead.take(CLIPS[0])
    assert ahead.take(CLIPS[0]) is None
    ahead.close()


def test_closing_ends_the_thread_and_it_may_be_used_again(gate: Gate) -> None:
    gate.open.set()
    before = set(threading.enumerate())
    ahead = Ahead(gate.make)
    ahead.order(CLIPS[0])
    assert set(threading.enumerate()) - before
    ahead.close()
    assert not set(threading.enumerate()) - before
    assert ahead.take(CLIPS[0]) is None
    assert ahead.order(CLIPS[0])
    assert ahead.take(CLIPS[0]) is not None
    ahead.close()
    ahead.close()


def test_a_clip_is_its_digest_its_length_and_its_rate(gate: Gate) -> None:
    gate.open.set()
    ahead = Ahead(gate.make)
    ahead.order(CLIPS[0])
    assert ahead.take(dataclasses.replace(CLIPS[0], samples=CLIPS[0].samples[:-1])) is None
    assert ahead.take(dataclasses.replace(CLIPS[0], rate=8_000)) is None
    assert ahead.take(CLIPS[0]) is not None
    ahead.close()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, len(CLIPS) - 1)), max_size=40), st.integers(1, 5))
def test_any_order_of_calls_gives_a_clip_its_own_result_once(calls: list[tuple[bool, int]], clips: int) -> None:
    gate = Gate()
    gate.open.set()
    ahead = Ahead(gate.make, clips=clips, stale=1000)
    waiting: set[int] = set()
    for ordering, index in calls:
        if ordering:
            assert ahead.order(CLIPS[index]) == (index not in waiting and len(waiting) < clips)
            if len(waiting) < clips:
                waiting.add(index)
        else:
            expected = f"made of {CLIPS[index].digest}" if index in waiting else None
            assert ahead.take(CLIPS[index]) == expected
            waiting.discard(index)
    ahead.close()
