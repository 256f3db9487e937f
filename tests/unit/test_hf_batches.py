from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.hf_batches import FULL, START, Batch, BatchLimit, Group, Part, out_of_memory, plan_batches

LENGTHS = st.integers(1, 900)
GROUPS = st.lists(
    st.builds(Group, LENGTHS, st.lists(st.integers(1, 60), max_size=9).map(tuple), st.booleans()), max_size=12
)
TOKENS = st.none() | st.integers(1, 4000)


def flat(batches: list[Batch]) -> list[tuple[int, int]]:
    return [(part.group, prompt) for batch in batches for part in batch for prompt in part.prompts]


def padded(batch: Batch, groups: list[Group]) -> int:
    return len(batch) * max(groups[part.group].prefix for part in batch)


@given(GROUPS, st.integers(1, 12), st.booleans(), TOKENS)
def test_every_prompt_is_planned_exactly_once(
    groups: list[Group], limit: int, shares: bool, tokens: int | None
) -> None:
    batches = plan_batches(groups, limit=limit, shares_batches=shares, tokens=tokens)
    wanted = [(index, prompt) for index, group in enumerate(groups) for prompt in range(len(group.prompts))]
    assert sorted(flat(batches)) == wanted
    assert all(batch and all(part.prompts for part in batch) for batch in batches)


@given(GROUPS, st.integers(1, 12), st.booleans(), TOKENS)
def test_no_batch_breaks_a_rule(groups: list[Group], limit: int, shares: bool, tokens: int | None) -> None:
    for batch in plan_batches(groups, limit=limit, shares_batches=shares, tokens=tokens):
        members = [groups[part.group] for part in batch]
        assert sum(len(part.prompts) for part in batch) <= limit
        assert len({part.group for part in batch}) == len(batch)
        assert len({member.audio for member in members}) == 1  # text never beside audio
        if len(batch) > 1:
            assert shares or not members[0].audio
            assert tokens is None or padded(batch, groups) <= tokens
            assert padded(batch, groups) <= FULL or all(4 * one.prefix >= 3 * members[0].prefix for one in members)
            assert all(len(part.prompts) == len(groups[part.group].prompts) for part in batch)


@given(GROUPS, st.integers(1, 12), st.booleans(), TOKENS)
def test_longest_first_and_a_cut_group_in_batches_that_follow(
    groups: list[Group], limit: int, shares: bool, tokens: int | None
) -> None:
    batches = plan_batches(groups, limit=limit, shares_batches=shares, tokens=tokens)
    order = [part.group for batch in batches for part in batch]
    keys = [(not groups[index].audio, -groups[index].prefix) for index in order]
    assert keys == sorted(keys)
    once = list(dict.fromkeys(order))
    assert [index for at, index in enumerate(order) if at == 0 or order[at - 1] != index] == once
    for index in once:
        lengths = [groups[index].prompts[prompt] for group, prompt in flat(batches) if group == index]
        assert lengths == sorted(lengths, reverse=True)


@given(GROUPS, st.integers(1, 12), st.booleans(), TOKENS)
def test_the_plan_does_not_depend_on_more_than_its_input(
    groups: list[Group], limit: int, shares: bool, tokens: int | None
) -> None:
    plans = [plan_batches(groups, limit=limit, shares_batches=shares, tokens=tokens) for _ in range(2)]
    assert plans[0] == plans[1]


def test_clips_of_like_length_go_together() -> None:
    groups = [Group(100, (5,)), Group(750, (5, 9)), Group(120, (5,)), Group(740, (5,)), Group(20, (4,), audio=False)]
    expected = [
        [Part(1, (1, 0)), Part(3, (0,))],
        [Part(2, (0,)), Part(0, (0,))],
        [Part(4, (0,))],
    ]
    assert plan_batches(groups, limit=8, shares_batches=True, tokens=1500) == expected
    alone = plan_batches(groups, limit=8, shares_batches=False)
    assert [[part.group for part in batch] for batch in alone] == [[1], [3], [2], [0], [4]]


def test_a_few_padded_tokens_are_cheaper_than_another_pass_and_many_are_not() -> None:
    short, long = Group(100, (5,)), Group(750, (5,))
    assert len(plan_batches([short, long], limit=8, shares_batches=True)) == 1
    assert len(plan_batches([short, long, long, long], limit=8, shares_batches=True)) == 2
    assert len(plan_batches([long] * 8, limit=8, shares_batches=True)) == 1


def test_a_clip_over_the_limit_has_batches_of_its_own() -> None:
    groups = [Group(50, (1,)), Group(60, (1, 2, 3, 4, 5)), Group(70, (1,))]
    assert plan_batches(groups, limit=2, shares_batches=True) == [
        [Part(2, (0,))],
        [Part(1, (4, 3))],
        [Part(1, (2, 1))],
        [Part(1, (0,))],
        [Part(0, (0,))],
    ]


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit 0; expected at least 1 prompt in a batch"):
        plan_batches([], limit=0, shares_batches=True)
    with pytest.raises(ValueError, match="batch size 0"):
        BatchLimit(0)


def holds(most: int, tried: list[int], error: Exception | None = None) -> Callable[[int], None]:
    """A device that holds so many prompts."""

    def attempt(size: int) -> None:
        tried.append(size)
        if size > most:
            raise torch.OutOfMemoryError("no more") if error is None else error

    return attempt


@pytest.mark.parametrize(
    ("holding", "most", "found", "sizes"),
    [
        (1000, 1000, 1000, [32, 64, 128, 256, 512, 1000]),
        (100, 1000, 64, [32, 64, 128]),
        (32, 1000, 32, [32, 64]),
        (5, 1000, 4, [32, 16, 8, 4, 8]),
        (1, 1000, 1, [32, 16, 8, 4, 2, 1, 2]),
        (1000, 10, 10, [10]),
        (1000, 1, 1, [1]),
    ],
)
def test_the_largest_batch_that_fits_is_found_by_doubling(
    holding: int, most: int, found: int, sizes: list[int]
) -> None:
    limit, tried = BatchLimit(None), list[int]()
    assert limit.fit(holds(holding, tried), most) == limit.prompts == found
    assert tried == sizes


def test_a_given_size_is_not_probed() -> None:
    limit, tried = BatchLimit(7), list[int]()
    assert limit.fit(holds(1, tried), 100) == 7
    assert tried == []
    assert (limit.automatic, BatchLimit(None).automatic, BatchLimit(None).prompts) == (False, True, START)


def test_one_prompt_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        BatchLimit(None).fit(holds(0, []), 8)


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        BatchLimit(None).fit(holds(1, [], RuntimeError("shapes do not match")), 8)
    assert BatchLimit(None).fit(holds(1, [], RuntimeError("can't allocate memory")), 8) == 1


@given(st.integers(1, 200) | st.none(), st.integers(1, 300))
def test_halving_ends(size: int | None, failed: int) -> None:
    limit = BatchLimit(size)
    before = limit.prompts
    again = limit.halve(failed)
    assert again == (failed > 1)
    assert 1 <= limit.prompts <= max(1, min(before, failed // 2))


def test_out_of_memory_is_known_on_both_kinds_of_device() -> None:
    assert out_of_memory(torch.OutOfMemoryError("CUDA"))
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert not out_of_memory(RuntimeError("shape mismatch"))
