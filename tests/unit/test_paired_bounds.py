"""Bounds of a paired difference and tests of "worse": size, power, independent references, what must hold always."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from pytest_mcr.core.paired_bounds import lower_bound, p_value, score
from pytest_mcr.core.paired_tests import holm, mcnemar_worse, sign_flip_worse

TABLES = st.integers(1, 300).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n)).filter(lambda t: t[0] + t[1] <= n)
)


@pytest.mark.parametrize("n", [20, 60, 180, 1000])
def test_no_clip_that_differs_is_the_rule_of_three(n: int) -> None:
    """The exact bound is 1 - 0.05^(1/n); the searched interval costs a little."""
    assert lower_bound(0, 0, n, 0.95) == pytest.approx(-(1 - 0.05 ** (1 / n)), rel=0.02)
    assert -lower_bound(0, 0, n, 0.95) >= 1 - 0.05 ** (1 / n)


@pytest.mark.parametrize(("n", "margin"), [(30, 0.1), (60, 0.05), (198, 0.05)])
@pytest.mark.parametrize("extra", [0.0, 0.01, 0.03, 0.1])
def test_the_exact_size_never_exceeds_five_per_cent(n: int, margin: float, extra: float) -> None:
    """All tables enumerated under a true loss that equals the margin, gains from none to a tenth."""
    most = int(n * (margin + extra) + 8 * np.sqrt(n * (margin + extra)) + 6)
    tables = [(a, b) for a in range(min(most, n) + 1) for b in range(min(most, n - a) + 1)]
    weights = multinomial.pmf(
        [(a, b, n - a - b) for a, b in tables], n, [margin + extra, extra, 1 - margin - 2 * extra]
    )
    passed = sum(w for w, (a, b) in zip(weights, tables, strict=True) if w > 1e-8 and p_value(a, b, n, -margin) <= 0.05)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert passed <= 0.05


@pytest.mark.parametrize(("n", "margin", "discordance"), [(198, 0.05, 0.08), (1237, 0.02, 0.08), (330, 0.1, 0.5)])
def test_the_stated_number_of_clips_gives_eighty_per_cent_power(n: int, margin: float, discordance: float) -> None:
    """n = discordance * 6.18 / margin^2 is the normal formula; the exact test pays up to five points for its size."""
    drawn = np.random.default_rng(1).multinomial(n, [discordance / 2, discordance / 2, 1 - discordance], size=4000)
    tables, counts = np.unique(drawn, axis=0, return_counts=True)
    passes = [p_value(int(a), int(b), n, -margin) <= 0.05 for a, b, _ in tables]
    assert 0.74 <= counts[passes].sum() / 4000 <= 0.83


def test_the_true_difference_is_seldom_rejected_in_simulation() -> None:
    """4,000 runs a setting, on the grid where this benchmark lives."""
    rng = np.random.default_rng(2)
    for n in (20, 60, 200):
        for loss, gain in ((0.0, 0.0), (0.02, 0.0), (0.05, 0.02), (0.2, 0.2), (0.02, 0.5), (0.9, 0.01)):
            drawn = rng.multinomial(n, [loss, gain, 1 - loss - gain], size=4000)
            tables, counts = np.unique(drawn, axis=0, return_counts=True)
            covered = [p_value(int(a), int(b), n, gain - loss) > 0.05 for a, b, _ in tables]
            assert counts[covered].sum() / 4000 >= 0.94, (n, loss, gain)


@given(TABLES, st.floats(-0.95, 0.95))
def test_the_score_is_that_of_the_likelihood_found_by_search(table: tuple[int, int, int], difference: float) -> None:
    losses, gains, n = table

    def misfit(q: float) -> float:
        parts = ((losses, q), (gains, q + difference), (n - losses - gains, 1 - 2 * q - difference))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in parts if count)

    least, most = max(0.0, -difference), (1 - difference) / 2
    q = minimize_scalar(misfit, bounds=(least, most), method="bounded", options={"xatol": 1e-10}).x
    spread = np.sqrt(max(n * (2 * q + difference * (1 - difference)), 1e-12))
    expected = (gains - losses - n * difference) / spread
    found = score(np.array(float(losses)), np.array(float(gains)), n, difference)
    assert float(found) == pytest.approx(expected, rel=1e-3, abs=1e-3) or abs(expected) > 100


def test_a_bound_is_where_the_test_stops_rejecting() -> None:
    for losses, gains, n in ((0, 0, 60), (8, 8, 198), (3, 0, 40), (50, 60, 1237), (30, 0, 30)):
        bound = lower_bound(losses, gains, n, 0.95)
        assert p_value(losses, gains, n, bound) <= 0.05 or bound == -1
        assert p_value(losses, gains, n, bound + 2e-4) > 0.05


@settings(max_examples=60)
@given(TABLES)
@example((0, 0, 1))
@example((1, 0, 1))
@example((300, 0, 300))
def test_bounds_are_ordered_and_a_swap_is_a_sign(table: tuple[int, int, int]) -> None:
    losses, gains, n = table
    value = (gains - losses) / n
    bounds = [lower_bound(losses, gains, n, level) for level in (0.975, 0.95, 0.9)]
    assert all(-1 <= one <= two + 1e-3 for one, two in pairwise([*bounds, value]))
    assert -lower_bound(gains, losses, n, 0.95) >= value
    if losses + gains < n:
        assert lower_bound(losses, gains + 1, n, 0.95) >= bounds[1] - 1e-3
        assert lower_bound(losses + 1, gains, n, 0.95) <= bounds[1] + 1e-3


def test_without_clips_nothing_is_known() -> None:
    assert lower_bound(0, 0, 0, 0.95) == -1


# --- tests of "worse" ------------------------------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_statsmodels(losses: int, gains: int) -> None:
    two_sided = min(1.0, 2 * min(mcnemar_worse(losses, gains), mcnemar_worse(gains, losses)))
    assert two_sided == pytest.approx(float(mcnemar([[5, losses], [gains, 5]], exact=True).pvalue))


@given(st.integers(0, 7), st.integers(0, 7))
def test_the_sign_flip_of_single_rows_is_mcnemar(losses: int, gains: int) -> None:
    moves = np.array([-1 / 60] * losses + [1 / 60] * gains + [0.0] * 5)
    assert sign_flip_worse(moves) == pytest.approx(mcnemar_worse(losses, gains))


def test_drawn_signs_agree_with_the_exact_test() -> None:
    for losses, gains in ((12, 6), (40, 22), (20, 20), (8, 30)):
        moves = np.array([-1 / 60] * losses + [1 / 60] * gains)
        assert sign_flip_worse(moves) == pytest.approx(mcnemar_worse(losses, gains), abs=0.012)


def test_the_sign_flip_holds_its_level_with_clips_of_several_questions() -> None:
    """Six answers a clip that move together; no difference between the models."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(600):
        together = rng.choice([-1, 0, 1], size=(25, 1), p=[0.2, 0.6, 0.2]) * (rng.random((25, 6)) < 0.7)
        hits += sign_flip_worse(together.sum(-1) / 150) <= 0.05
    assert hits / 600 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


@given(st.lists(st.floats(-1, 1), max_size=25), st.randoms(use_true_random=False))
def test_the_order_of_the_clips_does_not_matter(moves: list[float], random: object) -> None:
    shuffled = list(moves)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sign_flip_worse(np.array(shuffled)) == sign_flip_worse(np.array(moves))


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_holm_of_nothing() -> None:
    assert holm([]) == []
