"""The arithmetic of repair arms: hand-computed values, plain references, identities, invariances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_mcr.core.repair import NORMALISERS, answer, combine, gacl, lead
from pytest_mcr.core.repair_arms import Arm, parse_arm

BRANCHES = ("joint", "audio", "text", "silence", "text_alone", "nothing")
NATS = st.floats(-30.0, 0.0)
Lists = Mapping[str, Sequence[float]]


@st.composite
def branches(draw: st.DrawFn) -> dict[str, list[float]]:
    k = draw(st.integers(2, 5))
    return {name: draw(st.lists(NATS, min_size=k, max_size=k)) for name in BRANCHES}


def combined(text: str, scores: Lists) -> list[float]:
    found: list[float] = combine(parse_arm(text), {name: np.array(x) for name, x in scores.items()}).tolist()
    return found


HAND = {
    "joint": [-2.0, -0.5],
    "audio": [-0.1, -2.5],
    "text": [-1.5, -0.25],
    "silence": [-0.75, -0.625],
    "text_alone": [-3.0, -0.125],
    "nothing": [-1.0, -0.5],
    "early exit high 0.1": [-7.0, -6.0],
    "P noise -6": [-1.5, -1.0],
    "P mask 0.25": [-1.0, -1.0],
}


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("joint", [-2.0, -0.5]),
        ("hard-switch", [-0.1, -2.5]),
        ("self-gated?kappa=2.4", [-0.1, -2.5]),
        ("self-gated?kappa=2.5", [-2.0, -0.5]),
        ("pmi", [-1.25, 0.125]),
        ("pmi?beta=2&of=audio", [1.4, -1.25]),
        ("contextual", [-1.25, -0.875]),
        ("contextual?beta=0.5&without=none", [-1.0, -0.6875]),
        ("aad", [-2.5, -0.75]),
        ("aad?alpha=2&without=none", [0.0, -1.25]),
        ("acd?alpha=0.5&snr=-6", [-2.25, -0.25]),
        ("dola?bucket=high", [-7.0, -6.0]),
        ("acd?perturber=mask&strength=0.25", [-3.0, 0.0]),
        ("gacl?norm=center", [0.225, -0.225]),  # J -.75 .75, A 1.2 -1.2, lead 2.4 > tau: w = .5
        ("gacl?norm=center&lambda=1&tau=4.8", [0.225, -0.225]),
        ("gacl?norm=center&lambda=1", [1.2, -1.2]),
        ("gacl?norm=center&lambda=2", [1.2, -1.2]),
        ("gacl?norm=center&lambda=2&bound=no", [3.15, -3.15]),
        ("gacl?norm=zscore&lambda=0.75", [0.5, -0.5]),  # J -1 1, A 1 -1, w = .75
    ],
)  # fmt: skip
def test_by_hand(arm: str, expected: list[float]) -> None:
    assert combined(arm, HAND) == pytest.approx(expected, abs=1e-12)


def log_softmax(scores: Sequence[float]) -> list[float]:
    total = math.log(sum(math.exp(x) for x in scores))
    return [x - total for x in scores]


def centred(scores: Sequence[float]) -> list[float]:
    return [x - sum(scores) / len(scores) for x in scores]


def standard(scores: Sequence[float]) -> list[float]:
    moved = centred(scores)
    spread = math.sqrt(sum(x * x for x in moved) / len(moved))
    return [x / spread if spread else 0.0 for x in moved]


PLAIN = {"softmax": log_softmax, "center": centred, "zscore": standard}


@given(
    branches(), st.floats(0, 3), st.floats(0.01, 5), st.sampled_from(tuple(PLAIN)),
    st.sampled_from(("both", "margin", "outcome", "none")), st.booleans(),
)  # fmt: skip
def test_gacl_agrees_with_a_plain_reference(
    scores: dict[str, list[float]], strength: float, tau: float, norm: str, gates: str, bound: bool
) -> None:
    a, j = PLAIN[norm](scores["audio"]), PLAIN[norm](scores["joint"])
    top, second = sorted(a, reverse=True)[:2]
    assume(abs(top - second) > 1e-6)
    assume(abs(np.diff(sorted(j)[-2:])[0]) > 1e-6)
    weight = strength
    if gates != "outcome" and gates != "none":
        weight *= max(0.0, min(1.0, (top - second) / tau))
    if gates != "margin" and gates != "none" and a.index(max(a)) == j.index(max(j)):
        weight = 0.0
    if bound and weight > 1:
        weight = 1.0
    found = gacl(
        np.array(scores["joint"]), np.array(scores["audio"]), strength=strength, tau=tau, norm=norm, gates=gates,
        bound=bound,
    )  # fmt: skip
    assert found.tolist() == pytest.approx([y + weight * (x - y) for x, y in zip(a, j, strict=True)], abs=1e-7)


@given(branches(), st.floats(0, 5))
def test_linear_rules_agree_with_plain_sums(scores: dict[str, list[float]], weight: float) -> None:
    def plain(**factors: float) -> list[float]:
        return [sum(f * scores[name][n] for name, f in factors.items()) for n in range(len(scores["joint"]))]

    w = f"{weight!r}"
    cases = {
        f"pmi?beta={w}": plain(joint=1, silence=-weight),
        f"pmi?beta={w}&of=audio": plain(audio=1, silence=-weight),
        f"contextual?beta={w}": plain(joint=1, text=-weight, silence=weight),
        f"contextual?beta={w}&without=none": plain(joint=1, text_alone=-weight, nothing=weight),
        f"aad?alpha={w}": plain(joint=1 + weight, text=-weight),
        f"aad?alpha={w}&without=none": plain(joint=1 + weight, text_alone=-weight),
    }
    for arm, expected in cases.items():
        assert combined(arm, scores) == pytest.approx(expected, abs=1e-9), arm


IDLE = ("pmi?beta=0", "contextual?beta=0", "aad?alpha=0", "gacl?lambda=0", "self-gated?kappa=1e9", "joint")
ALONE = ("hard-switch", "self-gated?kappa=0", "pmi?beta=0&of=audio", "gacl?lambda=1&gates=none")
SWITCHED = "gacl?lambda=1&gates=outcome"
ANY = (*IDLE, *ALONE, SWITCHED, "pmi", "contextual", "aad?alpha=2", "gacl", "gacl?norm=zscore&lambda=2", "self-gated")


def chosen(arm: str, scores: Lists) -> str:
    labels = [f"label {n}" for n in range(len(scores["joint"]))]
    named = {name: dict(zip(labels, x, strict=True)) for name, x in scores.items()}
    return answer(parse_arm(arm), named, labels)


def clear(scores: Lists) -> bool:
    """No near tie in any branch, so that rounding decides nothing."""
    return all(lead(np.array(x)) > 1e-6 for x in scores.values())


@given(branches())
def test_identities(scores: dict[str, list[float]]) -> None:
    assume(clear(scores))
    for arm in IDLE:
        assert chosen(arm, scores) == chosen("joint", scores), arm
    for arm in (*ALONE, SWITCHED):
        assert chosen(arm, scores) == chosen("hard-switch", scores), arm


@given(branches(), st.lists(st.floats(-20, 20), min_size=6, max_size=6), st.sampled_from(ANY))
def test_constants_change_no_answer(scores: dict[str, list[float]], constants: list[float], arm: str) -> None:
    moved = {name: [y + c for y in x] for (name, x), c in zip(scores.items(), constants, strict=True)}
    assume(clear(scores))
    assume(lead(np.array(combined(arm, scores))) > 1e-6)
    kappa = parse_arm(arm).options.get("kappa")
    assume(kappa is None or abs(lead(np.array(scores["audio"])) - float(kappa)) > 1e-6)
    assert chosen(arm, moved) == chosen(arm, scores)


@given(branches(), st.sampled_from(ANY), st.data())
def test_the_order_of_the_candidates_changes_no_answer(
    scores: dict[str, list[float]], arm: str, data: st.DataObject
) -> None:
    assume(clear(scores))
    assume(lead(np.array(combined(arm, scores))) > 1e-6)
    labels = [f"label {n}" for n in range(len(scores["joint"]))]
    named = {name: dict(zip(labels, x, strict=True)) for name, x in scores.items()}
    shown = data.draw(st.permutations(labels))
    assert answer(parse_arm(arm), named, shown) == answer(parse_arm(arm), named, labels)


@given(branches(), st.floats(0, 5), st.floats(0.01, 5), st.sampled_from(tuple(NORMALISERS)))
def test_bounded_gacl_never_goes_beyond_the_audio(
    scores: dict[str, list[float]], strength: float, tau: float, norm: str
) -> None:
    joint, audio = np.array(scores["joint"]), np.array(scores["audio"])
    found = gacl(joint, audio, strength=strength, tau=tau, norm=norm)
    ends = np.stack([NORMALISERS[norm](joint), NORMALISERS[norm](audio)])
    assert (found >= ends.min(0) - 1e-9).all()
    assert (found <= ends.max(0) + 1e-9).all()


@given(branches(), st.floats(0, 5), st.floats(0.01, 5), st.sampled_from(tuple(NORMALISERS)))
def test_gacl_leaves_an_answer_alone_that_the_audio_shares(
    scores: dict[str, list[float]], strength: float, tau: float, norm: str
) -> None:
    assume(clear(scores))
    if chosen("joint", scores) == chosen("hard-switch", scores):
        arm = f"gacl?lambda={strength!r}&tau={tau!r}&norm={norm}"
        assert chosen(arm, scores) == chosen("joint", scores)


def test_of_equals_the_first_shown_is_answered() -> None:
    flat = {"yes": -1.0, "no": -1.0}
    for arm in ("joint", "gacl", "gacl?norm=zscore", "aad"):
        branches = dict.fromkeys(BRANCHES, flat)
        assert answer(parse_arm(arm), branches, ("no", "yes")) == "no"
    assert answer(Arm("joint"), {"joint": {"only": -3.0}}, ("only",)) == "only"
    assert answer(Arm("gacl"), {"joint": {"only": -3.0}, "audio": {"only": 0.0}}, ("only",)) == "only"
