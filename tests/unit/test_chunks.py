"""Chunks: the same list cut into contiguous runs of whole samples."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.run.chunks import CHUNK_CASES, LARGEST, ROUNDS, case_in, cases_of, chunk_size, plan_chunks

TASKS = ("AQA", "SER", "B_2", "A-B_2")
FUNCTIONS = ("mcr/test_mcr_bench.py::test_mcr_bench", "own/test_own.py::TestIt::test_b")


def node(function: str, sample: int, condition: str) -> str:
    return f"{function}[AQA-{sample:04d}-{condition}]"


@st.composite
def selections(draw: st.DrawFn) -> list[str]:
    """A list as pytest may leave it: some conditions of some samples, own tests between, any order of samples."""
    ids: list[str] = []
    for sample in draw(st.permutations(range(draw(st.integers(0, 30))))):
        function = draw(st.sampled_from(FUNCTIONS))
        chosen = draw(st.lists(st.sampled_from(CONDITIONS), unique=True))
        ids += [node(function, sample, condition) for condition in chosen]
        ids += draw(st.lists(st.just(f"own/test_mine.py::test_{sample}"), max_size=1))
    return ids


@given(selections(), st.integers(1, 40))
def test_same_ids_in_the_same_order(ids: list[str], size: int) -> None:
    chunks = plan_chunks(ids, TASKS, size)
    assert [name for chunk in chunks for name in chunk] == ids
    assert all(chunks)


@given(selections(), st.integers(1, 40))
def test_a_sample_is_never_cut(ids: list[str], size: int) -> None:
    for first, second in zip(plan_chunks(ids, TASKS, size), plan_chunks(ids, TASKS, size)[1:], strict=False):
        here, there = case_in(first[-1], TASKS), case_in(second[0], TASKS)
        same_function = first[-1].partition("[")[0] == second[0].partition("[")[0]
        assert here is None or there is None or not same_function or here[0] != there[0]


@given(selections(), st.integers(1, 40))
def test_sizes(ids: list[str], size: int) -> None:
    for chunk in plan_chunks(ids, TASKS, size):
        assert len(chunk) < size + len(CONDITIONS)
        if case_in(chunk[0], TASKS) is None:
            assert len(chunk) == 1


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("lab", CHUNK_CASES),
        ("oracle:listener", CHUNK_CASES),
        ("openai:http://h/v1#m?concurrency=1", CHUNK_CASES),
        ("openai:http://h/v1#m?concurrency=64", 64 * ROUNDS),
        ("openai:http://h/v1#m?concurrency=4096", LARGEST),
    ],
)
def test_a_chunk_keeps_an_endpoint_busy(model: str, size: int) -> None:
    assert chunk_size(parse_spec(model, invocation_dir=Path())) == size


def test_a_full_list_is_cut_into_equal_chunks() -> None:
    ids = [node(FUNCTIONS[0], sample, condition) for sample in range(40) for condition in CONDITIONS]
    assert [len(chunk) for chunk in plan_chunks(ids, TASKS)] == [CHUNK_CASES] * 5


@pytest.mark.parametrize(
    ("node_id", "case"),
    [
        ("a.py::t[SER-0042-adversarial]", ("SER-0042", "adversarial")),
        ("a.py::t[low-SER-0042-neutral]", ("SER-0042", "neutral")),
        ("a.py::t[SER-0042-neutral-low]", ("SER-0042", "neutral")),
        ("a.py::t[A-B_2-10000-irrelevant]", ("A-B_2-10000", "irrelevant")),
        ("a.py::t[low-A-B_2-10000-irrelevant-high]", ("A-B_2-10000", "irrelevant")),
        ("a.py::t[B_2-0001-neutral]", ("B_2-0001", "neutral")),
        ("a.py::t[XSER-0042-neutral]", None),
        ("a.py::t[SER-042-neutral]", None),
        ("a.py::t[SER-0042-placebo]", None),
        ("a.py::SER-0042-neutral", None),
        ("a.py::t[no-model]", None),
    ],
)
def test_the_case_of_a_node_id(node_id: str, case: tuple[str, str] | None) -> None:
    assert case_in(node_id, TASKS) == case


def test_cases_of_a_chunk_are_listed_once() -> None:
    chunk = ["a.py::t[low-SER-0001-neutral]", "a.py::t[high-SER-0001-neutral]", "a.py::t[low-SER-0001-faithful]"]
    assert cases_of(chunk, TASKS) == [("SER-0001", "neutral"), ("SER-0001", "faithful")]
