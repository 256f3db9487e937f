"""Blessings and margins as files and words: what is read, which one counts, what two runs may differ in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.margins import Margins, parse_margins
from pytest_mcr.errors import OptionError
from pytest_mcr.run.against import unanswered
from pytest_mcr.run.blessings import Blessing, anchor_of, blessed_path, blessings_text, last_of, read_blessings
from pytest_mcr.run.references import Asked, differences
from tests.unit.outcomes import listener

TODAY = date(2026, 11, 27)
ONE = Blessing(
    results="r1/results.json", digest="a" * 64, cases_digest="b" * 64, run="r1", model="lab", verdict="fail",
    accepted=("gate mrs: low",), who="Ada", when="2026-11-01T10:00:00+00:00", why="first", expires=None, anchor=True,
)  # fmt: skip

BLESSINGS = st.lists(
    st.builds(
        lambda who, why, days, anchor, run: replace(
            ONE, who=who, why=why, run=run, anchor=anchor,
            expires=None if days is None else (TODAY + timedelta(days)).isoformat(),
        ),
        st.text(), st.text(), st.none() | st.integers(-9, 9), st.booleans(), st.text(),
    ),
    max_size=6,
)  # fmt: skip


@given(BLESSINGS.map(tuple))
def test_blessings_outlive_their_file_and_the_right_ones_count(
    tmp_path_factory: pytest.TempPathFactory, blessings: tuple[Blessing, ...]
) -> None:
    file = tmp_path_factory.mktemp("blessed") / "blessings.json"
    file.write_text(blessings_text(blessings), encoding="utf-8")
    assert read_blessings(file) == blessings
    counting = [one for one in blessings if one.expires is None or one.expires >= TODAY.isoformat()]
    assert last_of(blessings, TODAY) == (counting[-1] if counting else None)
    anchors = [one for one in counting if one.anchor]
    assert anchor_of(blessings, TODAY) == (anchors[0] if anchors else None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"who": None}, "blessing 1: who = None is not understood"),
        ({"anchor": "yes"}, "anchor = 'yes' is not understood"),
        ({"expires": "soon"}, "expires = 'soon'; expected YYYY-MM-DD"),
        ({"accepted": "x"}, "accepted = 'x' is not understood"),
    ],
)
def test_a_broken_entry_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    content = json.loads(blessings_text([ONE]))
    content["blessings"][0].update(changes)
    (tmp_path / "blessings.json").write_text(json.dumps(content))
    with pytest.raises(OptionError) as caught:
        read_blessings(tmp_path / "blessings.json")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "pytest-mcr.blessings/2"}',
                                     '{"schema": "pytest-mcr.blessings/1", "blessings": {}}',
                                     '{"schema": "pytest-mcr.blessings/1", "blessings": [7]}'])  # fmt: skip
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "blessings.json").write_text(content)
    with pytest.raises(OptionError, match=r"blessings\.json"):
        read_blessings(tmp_path / "blessings.json")


@pytest.mark.parametrize("path", ["../x/results.json", "/etc/results.json", "a/../../results.json"])
def test_a_path_stays_in_its_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(OptionError, match="lies outside of"):
        blessed_path(tmp_path / "blessings.json", replace(ONE, results=path))
    assert blessed_path(tmp_path / "blessings.json", ONE) == tmp_path / "r1" / "results.json"


# --- what was asked --------------------------------------------------------------------------------------------------


def asked(count: int = 4, conditions: tuple[str, ...] = CONDITIONS, tasks: tuple[str, ...] = ("AQA", "SER")) -> Asked:
    cases = frozenset((f"{task}-{n:04d}", c) for task in tasks for n in range(count) for c in conditions)
    return Asked("d" * 64, "discretion v1", "generate", True, cases, frozenset(tasks))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (replace(asked(), digest="e" * 64), "data digest dddddddddddd, now eeeeeeeeeeee"),
        (replace(asked(), template="paper v1"), "template discretion v1, now paper v1"),
        (replace(asked(), answer="score"), "answers by generate, now score"),
        (replace(asked(), shown=False), "candidates shown, now not shown"),
        (asked(conditions=("neutral",)), "conditions adversarial, faithful, irrelevant, neutral, now neutral"),
        (asked(tasks=("AQA",)), "tasks AQA, SER, now AQA"),
        (asked(count=6), "16 cases are not in it, e.g. AQA-0004-adversarial"),
    ],
)
def test_a_difference_is_said_in_words(now: Asked, words: str) -> None:
    assert differences(asked(), now) == [words]


@given(st.integers(1, 6), st.integers(1, 6))
def test_fewer_cases_of_the_same_kind_can_be_compared(before: int, now: int) -> None:
    assert (differences(asked(before), asked(now)) == []) == (now <= before)


def test_a_run_that_stopped_early_is_compared_with_nothing() -> None:
    """Which answers it has depends on what they said."""
    answers = listener(4)
    assert unanswered(asked(), answers) == []
    assert unanswered(asked(), answers[:-5]) == ["4 of 32 cases were not answered, e.g. SER-0003-adversarial"]
    assert unanswered(asked(), []) == ["no case was answered; add the suite bench to --mcr-suite"]


# --- margins ---------------------------------------------------------------------------------------------------------

SHARES = st.floats(0.001, 0.999).map(lambda x: float(f"{x:.6g}"))


@given(SHARES, SHARES)
def test_margins_are_read_as_written(macro: float, task: float) -> None:
    assert parse_margins(f"{macro}") == Margins(macro, macro)
    assert parse_margins(f"macro={macro}") == Margins(macro, Margins().task)
    assert parse_margins(f"task={task}") == Margins(Margins().macro, task)
    assert parse_margins(f" task = {task}, macro={macro}") == Margins(macro, task)


@given(st.text())
def test_any_other_text_is_refused_or_a_margin(text: str) -> None:
    try:
        found = parse_margins(text)
    except ValueError:  # any other error fails the test
        return
    assert 0 < found.macro < 1
    assert 0 < found.task < 1
