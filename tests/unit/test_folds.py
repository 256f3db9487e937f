"""Folds share neither a clip nor a text, however rows are linked."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.folds import components, fold_numbers, rounds

ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=60)


@given(ROWS, st.integers(2, 5))
def test_no_fold_shares_a_clip_or_a_text_with_another(rows: list[tuple[int, int]], count: int) -> None:
    clips, texts = [clip for clip, _ in rows], [text for _, text in rows]
    groups = components(clips, texts)
    numbers = fold_numbers(groups, count)
    if numbers is None:
        assert len(set(groups.tolist())) < count
        return
    for fold in rounds(numbers):
        for keys in (clips, texts):
            inside = {keys[row] for row in fold.test}
            assert inside.isdisjoint(keys[row] for row in fold.train)
            assert {keys[row] for row in fold.fit}.isdisjoint(keys[row] for row in fold.choose)
        assert sorted([*fold.train, *fold.test]) == list(range(len(rows)))
        assert sorted([*fold.fit, *fold.choose]) == sorted(fold.train)


def test_links_reach_over_other_rows_and_kinds_are_apart() -> None:
    assert components(["a", "b", "b"], ["s", "s", "t"]).tolist() == [0, 0, 0]
    assert components(["a", "b"], ["b", "a"]).tolist() == [0, 1]


def test_only_rows_that_take_part_are_in_a_round() -> None:
    numbers = np.array([0, 0, 1, 1, 2])
    among = np.array([True, False, True, True, False])
    found = list(rounds(numbers, among))
    assert [fold.test.tolist() for fold in found] == [[0], [2, 3]]
    assert [fold.train.tolist() for fold in found] == [[2, 3], [0]]
