"""Two runs compared cell by cell: planted losses, power in words, clusters, and what must hold always."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, NEUTRAL, Outcome, Verdict
from pytest_mcr.core.comparison import PASS, REGRESSED, UNDECIDED, Cell, Comparison
from pytest_mcr.core.margins import Margins
from pytest_mcr.core.noninferiority import compare, detectable_loss, needed_clips
from pytest_mcr.core.paired_bounds import lower_bound
from tests.unit.outcomes import ERROR, OTHER, RIGHT, planted, runs

MARGINS = Margins()


def outcomes(
    rows: int, wrong: dict[str, int], tasks: tuple[str, ...] = ("AQA", "SER", "VSC"), per_clip: int = 1
) -> list[Outcome]:
    """All right but the first so many of each condition."""
    return [
        planted(
            row, condition, OTHER if row < wrong.get(condition, 0) else RIGHT, task=task,
            cluster=f"{task}-{row // per_clip}",
        )
        for task in tasks
        for row in range(rows)
        for condition in CONDITIONS
    ]  # fmt: skip


def cell(found: Comparison, condition: str, task: str = "*") -> Cell:
    [one] = [row for row in found.cells if (row.task, row.condition) == (task, condition)]
    return one


def test_the_stated_sizes() -> None:
    """0.05 at 8 % discordance: 198 clips; 0.02: 1,236 (validity's 1,238 is the same up to rounding of 6.18)."""
    assert needed_clips(0.08, 0.05) == 198
    assert needed_clips(0.08, 0.02) == 1236
    assert needed_clips(0.0, 0.05) == 60  # the rule of three, even where two runs never differ
    assert detectable_loss(0.0, 60) == pytest.approx(0.05, abs=1e-4)
    assert detectable_loss(0.08, 198) == pytest.approx(0.05, abs=1e-4)


def test_a_run_against_itself_passes_where_the_clips_suffice_and_is_underpowered_where_not() -> None:
    enough = outcomes(60, {ADVERSARIAL: 50})
    found = compare(enough, enough, MARGINS)
    assert found.verdict == PASS
    assert len(found.cells) == 16
    few = outcomes(12, {ADVERSARIAL: 10})
    found = compare(few, few, MARGINS)
    assert found.verdict == UNDECIDED
    assert all(row.underpowered and row.reason.startswith("underpowered: needs n = ") for row in found.cells)
    assert "needs n = 1236, has 36; a loss below 0.117" in cell(found, NEUTRAL).reason


def test_a_planted_loss_is_named_and_nothing_else_is() -> None:
    found = compare(outcomes(60, {}), outcomes(60, {FAITHFUL: 15}), MARGINS)
    assert found.verdict == REGRESSED
    assert {row.condition for row in found.cells if row.verdict == REGRESSED} == {FAITHFUL}
    assert {row.verdict for row in found.cells if row.condition != FAITHFUL} == {PASS}
    aqa = cell(found, FAITHFUL, "AQA")
    assert (aqa.before, aqa.after, aqa.discordance) == (1.0, 0.75, 0.25)
    assert aqa.p == pytest.approx(0.5**15)
    assert aqa.holm == pytest.approx(0.5**15 * 16, rel=0.3)
    assert aqa.lower95 == lower_bound(15, 0, 60, 0.95)
    assert "worse for sure" in aqa.reason


def test_more_than_the_margin_is_lost_but_it_may_be_luck() -> None:
    one = cell(compare(outcomes(400, {}, ("AQA",)), outcomes(400, {ADVERSARIAL: 5}, ("AQA",)), Margins(0.01, 0.01)),
               ADVERSARIAL, "AQA")  # fmt: skip
    assert one.verdict == UNDECIDED
    big = outcomes(2000, {}, ("AQA",))
    one = cell(compare(big, outcomes(2000, {ADVERSARIAL: 20}, ("AQA",)), Margins(0.012, 0.012)), ADVERSARIAL, "AQA")
    assert (one.verdict, one.underpowered) == (UNDECIDED, True)
    one = cell(compare(big, outcomes(2000, {ADVERSARIAL: 20}, ("AQA",)), Margins(0.02, 0.02)), ADVERSARIAL, "AQA")
    assert one.verdict == PASS
    assert one.p < 1e-5  # worse for sure, and within what may be lost


def test_planned_discordance_replaces_the_assumed_one() -> None:
    few = outcomes(100, {}, ("AQA",))
    worse = outcomes(100, {FAITHFUL: 4}, ("AQA",))
    assumed = cell(compare(few, worse, MARGINS), FAITHFUL, "AQA")
    planned = cell(compare(few, worse, MARGINS, {("AQA", FAITHFUL): 0.02}), FAITHFUL, "AQA")
    assert (assumed.needed, planned.needed) == (198, needed_clips(0.04, 0.05))  # never below what is seen
    assert (assumed.underpowered, planned.underpowered) == (True, False)
    assert "needs about n = " in planned.reason
    assert planned.detectable < assumed.detectable


def test_an_error_on_either_side_leaves_the_cell() -> None:
    before = outcomes(60, {}, ("AQA",))
    after = [
        planted(row, ADVERSARIAL, ERROR, task="AQA", cluster=o.cluster)
        if o.condition == ADVERSARIAL and row < 10
        else o
        for o in before
        for row in [int(o.sample[-4:])]
    ]
    for found in (compare(before, after, MARGINS), compare(after, before, MARGINS)):
        assert cell(found, ADVERSARIAL, "AQA").n == 50
        assert cell(found, NEUTRAL, "AQA").n == 60


def test_a_subset_is_compared_on_its_own_cases_and_a_hole_is_refused() -> None:
    whole, part = outcomes(60, {}), outcomes(40, {})
    assert {row.n for row in compare(whole, part, MARGINS).cells} == {40, 120}
    with pytest.raises(ValueError, match="lacks 240 cases"):
        compare(part, whole, MARGINS)


def test_six_questions_a_clip_count_as_one() -> None:
    """Sixty rows of ten clips: no more certain than ten clips."""
    same = outcomes(60, {}, ("AQA",), per_clip=6)
    one = cell(compare(same, same, MARGINS), NEUTRAL, "AQA")
    assert (one.n, one.clips, one.lower95) == (60, 10, lower_bound(0, 0, 10, 0.95))


def drawn(rng: np.random.Generator, task: str, clips: int, per_clip: int) -> tuple[list[Outcome], list[Outcome]]:
    """A pair of runs with a true loss of 0.10; the questions of a clip move together."""
    sides: tuple[list[Outcome], list[Outcome]] = ([], [])
    for clip, move in enumerate(rng.choice([-1, 0, 1], size=clips, p=[0.13, 0.84, 0.03])):
        for row in range(clip * per_clip, (clip + 1) * per_clip):
            for side, wrong in zip(sides, (move > 0, move < 0), strict=True):
                verdict = OTHER if wrong else RIGHT
                side.append(planted(row, NEUTRAL, verdict, task=task, cluster=f"{task}-{clip}"))
    return sides


def test_clustered_and_macro_cells_hold_their_size() -> None:
    """True loss at the margin, through the whole comparison: four questions a clip; three tasks of unequal size."""
    rng, repeats, margins = np.random.default_rng(5), 300, Margins(0.1, 0.1)
    passed = {"shared clips": 0, "macro": 0}
    for _ in range(repeats):
        one = compare(*drawn(rng, "AQA", 60, 4), margins)
        passed["shared clips"] += one.verdict == PASS
        parts = [drawn(rng, task, size, 1) for task, size in (("AQA", 30), ("SER", 60), ("VSC", 120))]
        both = [[outcome for part in parts for outcome in part[side]] for side in (0, 1)]
        passed["macro"] += cell(compare(both[0], both[1], margins), NEUTRAL).verdict == PASS
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)
    assert {name: count / repeats for name, count in passed.items() if count / repeats > most} == {}
    assert min(passed.values()) > 0  # and it is no test that never passes


def test_tir_is_compared_where_both_hear() -> None:
    before = outcomes(20, {NEUTRAL: 4, ADVERSARIAL: 10}, ("AQA",))
    after = outcomes(20, {NEUTRAL: 6, ADVERSARIAL: 16}, ("AQA",))
    [row] = compare(before, after, MARGINS).influence
    assert (row.both, row.only_before, row.only_after) == (14, 2, 0)
    assert (row.before, row.after) == (4 / 14, 10 / 14)


def names(found: Comparison) -> list[tuple[str, str]]:
    return [(row.task, row.condition) for row in found.cells]


@settings(max_examples=40, deadline=None)
@given(runs(), st.data())
def test_what_always_holds(run: list[Outcome], data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.booleans(), min_size=len(run), max_size=len(run)))
    other = [
        planted(int(o.sample[-4:]), o.condition, RIGHT if flip else OTHER, task=o.task, cluster=o.cluster, gold=o.gold)
        if o.verdict is not Verdict.ERROR else o
        for o, flip in zip(run, flips, strict=True)
    ]  # fmt: skip
    if not any(o.condition in CONDITIONS for o in run):
        return
    there, back = compare(run, other, MARGINS), compare(other, run, MARGINS)
    assert names(there) == names(back)
    for one, two in zip(there.cells, back.cells, strict=True):
        assert one.change == pytest.approx(-two.change, abs=1e-12)
        assert (one.low, one.high) == pytest.approx((-two.high, -two.low), abs=1e-9)
        assert one.low - 1e-9 <= one.change <= one.high + 1e-9
        assert one.low <= one.lower95 + 1e-9
        assert one.change == pytest.approx(one.after - one.before, abs=1e-12)
        assert 1 <= one.clips <= one.n
    order = data.draw(st.permutations(range(len(run))))
    assert compare([run[i] for i in order], [other[i] for i in order], MARGINS) == there
    itself = compare(run, run, MARGINS)
    assert REGRESSED not in {row.verdict for row in itself.cells}
    assert all(row.verdict == PASS or row.underpowered for row in itself.cells)
