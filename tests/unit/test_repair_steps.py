"""Rules in free generation, one step at a time: by hand, what the mask lets through, identities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_mcr.core.repair_arms import parse_arm
from pytest_mcr.core.repair_steps import next_token, plausible, step_scores

NATS = st.floats(-30.0, 0.0)
MASKS = st.floats(1e-4, 1.0)


@st.composite
def branches(draw: st.DrawFn) -> dict[str, np.ndarray]:
    words = draw(st.integers(1, 6))
    column = st.lists(NATS, min_size=words, max_size=words)
    return {name: np.array(draw(column)) for name in ("joint", "audio", "text", "text_alone")}


@st.composite
def arms(draw: st.DrawFn) -> str:
    weight, mask = draw(st.floats(0.0, 3.0)), draw(MASKS)
    if draw(st.booleans()):
        return f"aad?alpha={weight}&decode=generate&mask={mask}"
    norm, gates = draw(st.sampled_from(("softmax", "center", "zscore"))), draw(st.sampled_from(("both", "none")))
    return f"gacl?lambda={weight}&norm={norm}&gates={gates}&decode=generate&mask={mask}"


def logs(*chances: float) -> np.ndarray:
    found: np.ndarray = np.log(np.array(chances))
    return found


FIRST = {"joint": logs(0.5, 0.4, 0.09, 0.01), "audio": logs(0.1, 0.3, 0.5, 0.1), "text": logs(0.8, 0.1, 0.05, 0.05)}
SECOND = {"joint": logs(0.02, 0.6, 0.3, 0.08), "audio": logs(0.1, 0.5, 0.3, 0.1), "text": logs(0.1, 0.2, 0.6, 0.1)}


@pytest.mark.parametrize(
    ("arm", "first", "second"),
    [
        # p_J^2 / p_T of the plausible: .3125, 1.6, .162 and then 1.8, .15, .064
        ("aad?alpha=1&decode=generate", [0.3125, 1.6, 0.162, None], [None, 1.8, 0.15, 0.064]),
        # p_J^1.5 / p_T^0.5
        (
            "aad?alpha=0.5&decode=generate&mask=0.6",
            [0.5**1.5 / 0.8**0.5, 0.4**1.5 / 0.1**0.5, None, None],
            [None, 0.6**1.5 / 0.2**0.5, None, None],
        ),
        # A over the plausible three of step one leads by log(5/3) > tau and would write the third, J the first: w = 1.
        # Step two: both would write the second token, so that J stays as it is.
        (
            "gacl?lambda=1&tau=0.5&decode=generate",
            [0.1 / 0.9, 0.3 / 0.9, 0.5 / 0.9, None],
            [None, 0.6 / 0.98, 0.3 / 0.98, 0.08 / 0.98],
        ),
        # The mask leaves two tokens: A leads by log 3, which is half of tau, for the second; w = 0.5 * 0.5.
        # Then it leaves one, which is certain.
        (
            f"gacl?lambda=0.5&tau={2 * math.log(3)!r}&decode=generate&mask=0.6",
            [(5 / 9) ** 0.75 * 0.25**0.25, (4 / 9) ** 0.75 * 0.75**0.25, None, None],
            [None, 1.0, None, None],
        ),
    ],
)
def test_two_steps_by_hand(arm: str, first: list[float | None], second: list[float | None]) -> None:
    for given_branches, expected in ((FIRST, first), (SECOND, second)):
        found = step_scores(parse_arm(arm), given_branches)
        assert found.tolist() == pytest.approx([-math.inf if p is None else math.log(p) for p in expected])
        best = max(range(4), key=lambda token: expected[token] or 0.0)
        assert next_token(parse_arm(arm), given_branches) == best


def test_the_gate_is_asked_at_each_step() -> None:
    arm = parse_arm("gacl?lambda=1&tau=0.5&decode=generate")
    assert [next_token(arm, step) for step in (FIRST, SECOND)] == [2, 1]


@given(arms(), branches())
def test_no_token_below_the_mask_is_let_through(arm: str, given_branches: dict[str, np.ndarray]) -> None:
    parsed = parse_arm(arm)
    token = next_token(parsed, given_branches)
    joint = given_branches["joint"]
    assert math.exp(joint[token] - joint.max()) >= parsed.number("mask") * (1 - 1e-9)
    found = step_scores(parsed, given_branches)
    assert np.isfinite(found[token])
    assert np.array_equal(np.isfinite(found), plausible(joint, parsed.number("mask")))


@given(branches(), st.sampled_from(("aad?alpha=2", "gacl?lambda=1&tau=0.1", "aad?alpha=2&without=none")))
def test_a_mask_of_one_leaves_the_joint_answer(given_branches: dict[str, np.ndarray], arm: str) -> None:
    joint = given_branches["joint"]
    assume(np.sum(joint == joint.max()) == 1)
    separator = "&decode=generate&mask=1"
    assert next_token(parse_arm(arm + separator), given_branches) == joint.argmax()


@given(branches(), MASKS, st.sampled_from(("aad?alpha=0", "gacl?lambda=0", "aad?alpha=0&without=none")))
def test_no_strength_leaves_the_joint_answer(given_branches: dict[str, np.ndarray], mask: float, arm: str) -> None:
    found = next_token(parse_arm(f"{arm}&decode=generate&mask={mask}"), given_branches)
    joint = given_branches["joint"]
    assert joint[found] == pytest.approx(joint.max(), abs=1e-9)  # the normaliser may round two nearly equal ones to one
