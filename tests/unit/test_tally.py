"""The running counts agree with the numbers of the end; the table and the line say them."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS, PLACEBO, Outcome
from pytest_mcr.core.metrics import measure
from pytest_mcr.report.terminal_live import Screen, live_table
from pytest_mcr.run.tally import ALL, Tally
from tests.unit.outcomes import ERROR, FLAGGED, OTHER, RIGHT, TEXT, UNPARSED, planted

VERDICTS = st.sampled_from([RIGHT, TEXT, OTHER, FLAGGED, UNPARSED, ERROR])
CASES = st.tuples(st.sampled_from(["AQA", "SER"]), st.integers(0, 9), st.sampled_from([*CONDITIONS, PLACEBO]))


def outcomes_of(found: dict[tuple[str, int, str], object]) -> list[Outcome]:
    return [planted(row, condition, v, task=task) for (task, row, condition), v in found.items()]  # type: ignore[arg-type]


@settings(max_examples=50)
@given(st.dictionaries(CASES, VERDICTS, min_size=1, max_size=40))
def test_running_counts_are_those_of_the_end(found: dict[tuple[str, int, str], object]) -> None:
    outcomes, tally = outcomes_of(found), Tally()
    for outcome in outcomes:
        tally.take(outcome)
    table = measure(outcomes)
    for task in tally.tasks:
        if task == ALL:
            continue
        for condition, count in tally.counts[task].items():
            row = table.get("accuracy", condition, task)
            assert row is not None
            assert count.seen - count.errors == row.n
            if row.value is not None:
                assert count.accuracy == pytest.approx(row.value)
            follow = table.value("text_follow", condition, task)
            if condition == "adversarial" and follow is not None:
                assert count.follow == pytest.approx(follow)
    cases = [outcome for outcome in outcomes if outcome.condition != PLACEBO]
    assert tally.total().seen == len(cases)
    assert tally.total().errors == sum(outcome.verdict == ERROR for outcome in cases)


def test_the_line() -> None:
    tally = Tally()
    assert tally.sentence() == ""
    for row, (condition, verdict) in enumerate([("neutral", RIGHT), ("adversarial", TEXT), ("adversarial", RIGHT)]):
        tally.take(planted(row, condition, verdict))
    assert tally.sentence() == "accuracy so far: neutral 1.00 (n 1), adversarial 0.50 (n 2), text-follow 0.50"
    assert tally.tasks == ("VSC",)


def test_others_write_above_the_table_and_a_window_title_does_not_disturb_it() -> None:
    tally = Tally()
    tally.take(planted(0, "neutral", RIGHT))
    file = StringIO()
    screen = Screen(file, width=80, color=False)
    screen.show(live_table(tally, 4, "canary passed"), 3)
    assert "1 of 4 cases, canary passed" in file.getvalue()
    before = len(file.getvalue())
    screen.write("\x1b]9;4;1;50\x1b\\")
    assert file.getvalue()[before:] == "\x1b]9;4;1;50\x1b\\"
    screen.write("F")
    assert file.getvalue().endswith("\x1b[1A\x1b[4GF")  # back to where the line was left
    screen.write("F")
    assert file.getvalue().endswith("GFF")
    assert screen.isatty() is False
