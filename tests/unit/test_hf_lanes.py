# mypy: allow-untyped-calls
"""Lanes: every job runs once, what goes wrong is raised, and a model answers the same with any number of them."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.hf_lanes import SMALL, Lanes, lanes_for, replica
from pytest_mcr.models.protocol import Request, Response
from tests.unit.tiny_requests import ask, clip, loaded, plain

CPU = torch.device("cpu")


def alive() -> set[int | None]:
    """Threads of lanes; those of models that other tests left open are among them."""
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith("mcr-lane")}


@given(st.integers(0, 20), st.integers(1, 4))
def test_every_job_runs_once_in_a_lane_that_exists(jobs: int, count: int) -> None:
    ran: list[tuple[int, int]] = []
    lanes = Lanes(count)
    lanes.run([lambda lane, number=number: ran.append((number, lane)) for number in range(jobs)])  # type: ignore[misc]
    lanes.close()
    assert sorted(number for number, _ in ran) == list(range(jobs))
    assert all(lane < count for _, lane in ran)


def test_lanes_run_side_by_side_and_the_callers_thread_is_one() -> None:
    meeting = threading.Barrier(2, timeout=20)
    threads: dict[int, str] = {}

    def job(lane: int) -> None:
        threads[lane] = threading.current_thread().name
        meeting.wait()  # nobody passes alone

    lanes = Lanes(2)
    lanes.run([job, job])
    lanes.close()
    assert threads[0] == threading.current_thread().name
    assert threads[1] != threads[0]


@pytest.mark.parametrize("where", [0, 1])
def test_what_a_job_raises_is_raised_when_the_others_are_over_and_no_further_job_runs(where: int) -> None:
    before, meeting = alive(), threading.Barrier(2, timeout=20)
    over: list[int] = []

    def first(lane: int) -> None:
        meeting.wait()
        if lane == where:
            raise KeyboardInterrupt
        time.sleep(0.05)
        over.append(lane)

    lanes = Lanes(2)
    with pytest.raises(KeyboardInterrupt):
        lanes.run([first, first, *[over.append] * 5])
    assert over == [1 - where]
    lanes.run([over.append])  # and they can be used again
    assert over == [1 - where, 0]
    lanes.close()
    assert not alive() - before


def test_only_a_small_model_on_a_cpu_has_lanes() -> None:
    small, large = torch.nn.Linear(10, 10), torch.nn.Linear(10, SMALL // 10, device="meta")
    assert lanes_for(small, CPU, 3) == 3
    assert lanes_for(large, CPU, 3) == 1
    assert lanes_for(small, torch.device("cuda"), 3) == 1


def test_a_replica_has_the_weights_and_a_configuration_of_its_own(tiny_model_dir: Path) -> None:
    model = plain(loaded(tiny_model_dir)).model
    other = replica(model)
    for (name, one), (same, two) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert name == same
        assert one is two
    assert not {id(module) for module in model.modules()} & {id(module) for module in other.modules()}
    other.model.audio_tower.config.max_source_positions = 7
    assert model.model.audio_tower.config.max_source_positions != 7


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def questions() -> list[Request]:
    texts = ("Is there a dog?", "Text: A dog is barking in the yard. Question: Is there a dog?", "A cat?", "")
    lengths = (0.4, 3.8, 1.1, 2.6, 0.9, 3.1, 1.7, 2.2, 0.7, 3.9)  # narrowed windows of every kind, side by side
    return [ask(clip(seed, seconds), text) for seed, seconds in enumerate(lengths) for text in texts]


def test_answers_are_the_same_bits_with_any_number_of_lanes(tiny_model_dir: Path) -> None:
    one, three = loaded(tiny_model_dir, threads=1), loaded(tiny_model_dir, threads=3)
    assert [engine["lanes"] for engine in (one.traits["engine"], three.traits["engine"])] == [1, 3]  # type: ignore[index]
    expected = one.respond(questions())
    for _ in range(5):
        assert three.respond(questions()) == expected
    assert len({response.text for response in expected}) > 3
    assert one.fingerprint() == three.fingerprint()


def test_many_texts_on_one_clip_are_the_same_bits_too(tiny_model_dir: Path) -> None:
    asked = [ask(clip(1, 2.0), f"Text: {number} dogs bark. Question: Is there a dog?") for number in range(40)]
    one, two = loaded(tiny_model_dir, threads=1), loaded(tiny_model_dir, threads=2)
    expected = one.respond(asked)
    assert [two.respond(asked) for _ in range(3)] == [expected] * 3


def test_a_lane_that_shared_the_modules_would_be_noticed(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = loaded(tiny_model_dir, threads=1).respond(questions())
    monkeypatch.setattr("pytest_mcr.models.prefix_answers.replica", lambda model: model)
    shared = loaded(tiny_model_dir, threads=3)

    def differs() -> bool:
        try:
            found: list[Response] = shared.respond(questions())
        except (RuntimeError, ValueError, AttributeError, IndexError):  # a window that another lane moved meanwhile
            return True
        return found != expected

    assert any(differs() for _ in range(40))


def test_a_closed_model_leaves_no_thread(tiny_model_dir: Path) -> None:
    before, model = alive(), loaded(tiny_model_dir, threads=2)
    model.respond(questions())
    assert alive() - before
    model.close()
    assert not alive() - before


def test_time_of_several_lanes_is_their_mean(tiny_model_dir: Path) -> None:
    model = loaded(tiny_model_dir, threads=2)
    began = time.perf_counter()
    model.respond(questions())
    took = time.perf_counter() - began
    assert 0 < sum(model.spent().values()) <= took


def test_a_model_that_samples_has_one_lane(tiny_model_dir: Path) -> None:
    assert loaded(tiny_model_dir, "?generation=model", threads=2).traits["engine"]["lanes"] == 1  # type: ignore[index]
