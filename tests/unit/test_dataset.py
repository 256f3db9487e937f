"""Selections are nested, complete and in file order."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import Sample
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import DataError


def data_of(counts: dict[str, int]) -> Dataset:
    samples = [
        Sample(f"{task}-{number:04d}", task, "a.wav", "q", "yes", {}, ("yes", "no"))
        for task, count in sorted(counts.items())
        for number in range(count)
    ]
    return Dataset(Path("root"), "custom", "0" * 64, tuple(samples))


@given(
    counts=st.dictionaries(st.sampled_from(["AQA", "SER", "VSC"]), st.integers(1, 30), min_size=1),
    limits=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32),
)
def test_selections_are_nested_complete_and_in_file_order(
    counts: dict[str, int], limits: tuple[int, int], seed: int
) -> None:
    data = data_of(counts)
    small, large = (data.select(limit=limit, seed=seed) for limit in sorted(limits))
    ids = [sample.id for sample in data.samples]
    for chosen, limit in ((small, min(limits)), (large, max(limits))):
        assert chosen.counts == {task: min(count, limit) for task, count in sorted(counts.items())}
        assert [sample.id for sample in chosen.samples] == [i for i in ids if i in {s.id for s in chosen.samples}]
        assert (chosen.digest, chosen.kind) == (data.digest, data.kind)
    assert {sample.id for sample in small.samples} <= {sample.id for sample in large.samples}


def test_a_task_is_selected_alike_with_and_without_the_others() -> None:
    data = data_of({"AQA": 30, "SER": 30})
    alone = data.select(tasks=["SER"], limit=7, seed=3).samples
    assert alone == tuple(sample for sample in data.select(limit=7, seed=3).samples if sample.task == "SER")


def test_the_seed_changes_the_choice() -> None:
    data = data_of({"AQA": 30})
    assert len({tuple(s.id for s in data.select(limit=5, seed=seed).samples) for seed in range(5)}) == 5


def test_no_limit_keeps_all() -> None:
    data = data_of({"AQA": 3, "SER": 2})
    assert data.select() == data
    assert data.select(tasks=["SER", "AQA"]) == data


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        ("aqa", "did you mean --mcr-tasks AQA?"),
        ("SERR", "did you mean --mcr-tasks SER?"),
        ("zzz", "check --mcr-tasks and --mcr-data"),
    ],
)
def test_unknown_task(task: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        data_of({"AQA": 3, "SER": 2}).select(tasks=["SER", task])
    assert str(caught.value) == f"no task {task!r} in root (it has AQA, SER); {hint}"


def test_nothing_selected() -> None:
    with pytest.raises(DataError, match="--mcr-limit 1 or more"):
        data_of({"AQA": 3}).select(limit=0)
    with pytest.raises(DataError, match="no task is selected; use --mcr-tasks with some of AQA"):
        data_of({"AQA": 3}).select(tasks=[])
