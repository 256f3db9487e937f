"""The white box's pure parts: layers, spans, contrasts, curves, controls, rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_mcr.errors import OptionError
from pytest_mcr.probes import controls, lens, patching
from pytest_mcr.probes.contrast import contrast
from pytest_mcr.probes.knockout import Cut, window
from pytest_mcr.probes.layers import parse_layers
from pytest_mcr.probes.spans import spans
from pytest_mcr.probes.tally import Name, Tally

AUDIO, OPEN, CLOSE = 1, 2, 3
WORDS = st.lists(st.integers(10, 14), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("text", "depth", "expected"),
    [
        ("all", 4, [0, 1, 2, 3, 4]),
        ("every:4", 32, [4, 8, 12, 16, 20, 24, 28, 32]),
        ("every:4", 6, [4, 6]),
        ("every:4", 2, [2]),
        ("every:1", 2, [0, 1, 2]),
        ("16,32", 32, [16, 32]),
        (" 3, 1,3 ", 4, [1, 3]),
        ("0", 1, [0]),
    ],
)
def test_layers_are_chosen(text: str, depth: int, expected: list[int]) -> None:
    assert parse_layers(text).of(depth) == expected


@pytest.mark.parametrize(
    "text", ["", "none", "every:0", "every:", "every:x", "1,,2", "-1", "1.5", "16;32", "\u0663", "9999999"]
)
def test_bad_layers_are_one_line_that_says_what_to_type(text: str) -> None:
    with pytest.raises(OptionError, match="expected all, every:N") as caught:
        parse_layers(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_layer_that_does_not_exist_names_the_range() -> None:
    with pytest.raises(OptionError, match=r"no layer 32; expected numbers from 0 \(the embeddings\) to 4"):
        parse_layers("2,32").of(4)


@given(st.text(max_size=12))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        layers = parse_layers(text).of(12)
    except OptionError:
        return
    assert layers == sorted(set(layers))
    assert set(layers) <= set(range(13))


@given(WORDS, WORDS, WORDS, st.integers(1, 5))
def test_each_token_has_its_place(instruction: list[int], text: list[int], question: list[int], heard: int) -> None:
    """Whatever the words, repetitions included: without the text the prompt is the one without the text line."""
    frame = [OPEN, *[AUDIO] * heard, *instruction]
    ends = [20, CLOSE, 21]
    joint, alone, bare = (
        [*frame, *text, *question, *ends],
        [*frame, *question, *ends],
        [OPEN, *[AUDIO] * heard, 30, *ends],
    )
    found = spans(joint, alone, bare, audio=AUDIO, control={OPEN, CLOSE})
    groups = [*found.sink, *found.template, *found.audio, *found.text, *found.question, found.last]
    assert sorted(groups) == list(range(len(joint)))
    assert found.exact
    assert [token for place, token in enumerate(joint) if place not in found.text] == alone
    assert [joint[place] for place in found.audio] == [AUDIO] * heard
    assert len(found.text) == len(text)
    assert found.sink == (0, joint.index(CLOSE))
    assert found.last == len(joint) - 1
    assert all(joint[place] >= 10 for place in (*found.template, *found.question))


def test_instruction_and_template_are_no_question() -> None:
    joint = [OPEN, AUDIO, 10, 11, 50, 51, 60, 61, 20, CLOSE, 21]
    found = spans(joint, [*joint[:4], *joint[6:]], [OPEN, AUDIO, 90, 20, CLOSE, 21], audio=AUDIO, control={OPEN, CLOSE})
    assert (found.template, found.text, found.question) == ((2, 3, 8), (4, 5), (6, 7))


def test_tokens_that_merge_across_the_text_are_said() -> None:
    found = spans([0, 5, 6, 9], [0, 7, 9], [0, 9], audio=AUDIO, control=())
    assert (found.text, found.exact) == ((1, 2), False)


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_the_contrast_is_where_labels_part(gold: list[int], text: list[int]) -> None:
    assume(gold != text)
    found = contrast(gold, text, [], end=9)
    assert [*gold, 9][: len(found.forced) + 1] == [*found.forced, found.gold]
    assert [*text, 9][: len(found.forced) + 1] == [*found.forced, found.text]
    assert found.gold != found.text
    assert found.choices == tuple(sorted((found.gold, found.text)))


def test_candidates_with_another_beginning_are_no_rivals() -> None:
    found = contrast([5, 1], [5, 2], [[5, 1], [5, 2], [5, 3, 4], [6], [5]], end=9)
    assert (found.forced, found.choices) == ((5,), (1, 2, 3, 9))


def test_equal_labels_are_no_contrast() -> None:
    with pytest.raises(ValueError, match="same tokens"):
        contrast([1, 2], [1, 2], [], end=9)


def test_a_curve_in_numbers() -> None:
    curve = np.array([9.0, -9.0, 1.0, -1.0, -2.0, 3.0])
    assert lens.late(curve).tolist() == [1.0, -1.0, -2.0, 3.0]
    assert lens.area(curve) == pytest.approx((0.0 - 1.5 + 0.5) / 3)
    assert lens.oscillations(curve) == 2
    assert lens.crossover(curve) == 5
    assert lens.crossover(np.array([-1.0, -2.0])) == 0
    assert lens.area(np.full(13, 2.5)) == pytest.approx(2.5)


def test_a_patch_is_quoted_below_the_top_and_where_runs_differ() -> None:
    assert patching.patchable(range(33), 32) == list(range(1, 29))
    assert patching.patchable([0, 1, 2, 3, 4], 4) == [1, 2, 3]
    assert patching.effect(1.0, -1.0, 3.0) == pytest.approx(0.5)
    assert patching.effect(1.0, 1.0, 1.4) is None
    assert patching.passes([4, 8], [0.2, 0.7], 0.5) == 8
    assert patching.passes([4, 8], [0.2, 0.5], 0.5) is None


def test_the_sink_and_a_position_of_its_own_are_never_cut() -> None:
    edges = Cut((0, 2, 3), to_all=True).edges(5)
    assert not edges[:, 0].any()
    assert edges[[1, 4]][:, [2, 3]].all()
    assert not edges[[2, 3]].any()
    last = Cut((0, 2, 4), to_all=False).edges(5)
    assert last.nonzero().tolist() == [[4, 2]]
    assert window(1, 2, 6) == [1, 2, 3]
    assert window(6, 1, 6) == [5, 6]


@given(st.integers(0, 20), st.integers(0, 99))
def test_controls_are_as_many_and_as_much_and_the_same_again(count: int, seed: int) -> None:
    pool = list(range(5, 17))
    mass = np.linspace(0.0, 1.0, 20)
    one, two = (controls.as_many(pool, count, controls.generator(seed, "a clip", 0)) for _ in range(2))
    assert one == two
    assert len(set(one)) == min(count, len(pool))
    assert set(one) <= set(pool)
    much = controls.as_much(pool, mass, 2.0, controls.generator(seed, "a clip", 0))
    assert set(much) <= set(pool)
    assert abs(mass[list(much)].sum() - 2.0) <= mass[pool].max() / 2 + 1e-9
    assert set(controls.as_much(pool, mass, 1e9, controls.generator(seed, "a clip", 0))) == set(pool)


def test_draws_differ_by_clip_draw_and_seed() -> None:
    made = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    assert len({controls.as_many(range(1000), 5, controls.generator(*one)) for one in made}) == len(made)


def test_rows_hold_builtins_and_count_clips_not_cases() -> None:
    tally = Tally()
    for cluster, value in (("a", 1.0), ("a", 1.0), ("b", 3.0), ("c", 5.0)):
        tally.add(Name("lens_joint", 2), cluster, value)
        tally.count(Name("agreement_control_audio", draw=1), cluster, value > 2)
    tally.add(Name("patch", 1), "a", None)
    tally.add(Name("patch", 2), "a", 0.5)
    share, curve, nothing, single = tally.rows()
    assert curve["metric"] == "dominance.lens_joint"
    assert (curve["value"], curve["layer"], curve["n"]) == (2.5, 2, 4)
    assert curve["low"] < 2.5 < curve["high"]
    assert (share["value"], share["draw"]) == (0.5, 1)
    assert (nothing["value"], nothing["n"], nothing["note"]) == (None, 0, "undefined for every clip")
    assert (single["value"], single["low"]) == (0.5, None)
    assert {type(value) for row in tally.rows() for value in row.values()} <= {str, int, float, type(None)}
