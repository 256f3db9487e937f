"""Features of calibration heads: what they are, what they do not depend on, and that no label reaches them."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from pytest_mcr.core.branches import Scores
from pytest_mcr.core.features import FEATURES, BranchScores, divergence, features
from pytest_mcr.core.head_cases import design_matrix
from tests.unit.heads import pulled

LABELS = ("a", "b", "c", "d")
NATS = st.floats(-60, 0, allow_nan=False).map(lambda value: round(value, 3))


@st.composite
def branches(draw: st.DrawFn) -> BranchScores:
    labels = LABELS[: draw(st.integers(2, 4))]
    four: list[Scores] = [{label: draw(NATS) for label in labels} for _ in range(4)]
    return BranchScores(*four)


def test_by_hand() -> None:
    scores = BranchScores(
        joint={"no": -0.1, "yes": -4.1}, audio={"no": -2.25, "yes": -2.0}, text={"no": -1.0, "yes": -6.0},
        silence={"no": -1.0, "yes": -1.0},
    )  # fmt: skip
    found = features(scores)
    assert found["confidence"] == pytest.approx(1 / (1 + math.exp(-4)))
    assert found["lead_joint"] == pytest.approx(math.log(5))
    assert found["reliability"] == pytest.approx(0.5)
    assert found["disagreement"] == 1
    assert found["gate"] == pytest.approx(0.5)
    assert found["text_disagreement"] == 1
    assert found["support_audio"] == pytest.approx(1 / (1 + math.exp(0.25)))
    assert found["support_text"] == pytest.approx(1 / (1 + math.exp(-5)))
    assert found["support_prior"] == pytest.approx(0.5)
    assert found["entropy_joint"] < 0.2 < 0.9 < found["entropy_audio"]
    assert found["relative_uncertainty"] < -1


def test_divergence_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        p, q = rng.normal(0, 5, (2, 4))
        one, other = (dict(zip(LABELS, x.tolist(), strict=True)) for x in (p, q))
        expected = jensenshannon(softmax(p), softmax(q), base=2) ** 2
        assert divergence(one, other) == pytest.approx(expected, abs=1e-9)


@given(branches())
def test_every_feature_is_finite_and_bounded(scores: BranchScores) -> None:
    found = features(scores)
    assert tuple(found) == tuple(FEATURES)
    for name, value in found.items():
        low, high = (-2, 2) if name == "relative_uncertainty" else (0, 5 if name.startswith("lead") else 1 + 1e-12)
        assert low <= value <= high, name


@given(branches(), st.permutations(LABELS), st.lists(st.integers(-40, 40), min_size=4, max_size=4))
def test_names_order_and_constants_do_not_matter(scores: BranchScores, names: list[str], constants: list[int]) -> None:
    renamed = dict(zip(sorted(scores.joint), names, strict=False))
    changed = BranchScores(
        *(
            {renamed[label]: branch[label] + shift for label in sorted(branch, reverse=True)}
            for branch, shift in zip((scores.joint, scores.audio, scores.text, scores.silence), constants, strict=True)
        )
    )
    before, after = features(scores), features(changed)
    # A whole-number shift keeps ties; it moves the rest by rounding errors, to which saturated leads are steep.
    assert before == pytest.approx(after, abs=1e-8)


def test_no_label_reaches_a_feature() -> None:
    cases = pulled(20)
    rng = np.random.default_rng(1)
    hidden = [name for name in (field.name for field in fields(cases[0])) if name != "scores"]
    shuffled = cases
    for name in hidden:  # gold, answer, condition, operator, task, clip: each dealt to another case
        dealt = [getattr(cases[place], name) for place in rng.permutation(len(cases))]
        shuffled = [replace(case, **{name: value}) for case, value in zip(shuffled, dealt, strict=True)]
    assert [case.gold for case in shuffled] != [case.gold for case in cases]
    assert design_matrix(shuffled).tobytes() == design_matrix(cases).tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"joint": {"a": -1.0}}, "branch J has 1 candidates"),
        ({"audio": {"a": -1.0, "c": -2.0}}, "branch A scores"),
        ({"text": {"a": -1.0, "b": math.nan}}, "branch T: the score of 'b' is nan"),
        ({"silence": {"a": -math.inf, "b": -1.0}}, "branch 0: the score of 'a' is -inf"),
    ],
)
def test_unusable_scores_are_named(change: dict[str, Scores], words: str) -> None:
    good: dict[str, Scores] = {key: {"a": -1.0, "b": -2.0} for key in ("joint", "audio", "text", "silence")}
    with pytest.raises(ValueError, match=words):
        BranchScores(**(good | change))
