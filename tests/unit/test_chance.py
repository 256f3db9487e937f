"""What can be had without ears, told from golds and candidate sets."""

from __future__ import annotations

import random

import pytest

from pytest_mcr.core.chance import chance


@pytest.mark.parametrize(
    ("golds", "sizes", "expected"),
    [
        ("abab", (2, 2, 2, 2), 0.5),
        ("abcd", (4, 4, 2, 2), 0.375),
        ("aaab", (4, 4, 4, 4), 0.75),
        ("abcd", (0, 0, 0, 2), 0.25),
        ("ab", (0, 1), 0.5),
    ],
)
def test_the_better_of_a_guess_and_the_commonest_answer(golds: str, sizes: tuple[int, ...], expected: float) -> None:
    assert chance(list(golds), sizes) == expected


def test_the_order_of_samples_changes_no_bit() -> None:
    sizes = [3, 5, 7, 9, 11, 13] * 50
    values = set()
    for seed in range(20):
        random.Random(seed).shuffle(sizes)
        values.add(chance([str(place) for place in range(len(sizes))], sizes))
    assert len(values) == 1
