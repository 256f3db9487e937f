"""The parts of the benchmarks that measure nothing: rows, medians, subsamples, agreement, choice of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import agreement, questions, repair, run, whole_runs
from benchmarks.alternating import Timing, Way, alternate
from benchmarks.engine import refuse_errors, unheard
from benchmarks.flops import stack_flops
from benchmarks.rows import Row, UnmeasuredError, at_least, at_most, unmeasured
from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.repair_arms import CONTROLS, DEFAULT_ARMS, arms_of
from pytest_mcr.core.repair_cases import slot
from pytest_mcr.models.protocol import Response
from pytest_mcr.run.chunks import CHUNK_CASES

CONTRACT = {"work", "against", "ratio", "target", "ok"}
NAMED = ["lab-generate", "lab-score", "long-score", "long-generate", "texts-100", "cached", "workers"]
numbers = st.floats(0.01, 100)


@given(numbers, numbers)
def test_a_bound_has_a_direction(ratio: float, target: float) -> None:
    assert at_most("a", "b", ratio, target).ok == (ratio <= target)
    assert at_least("a", "b", ratio, target).ok == (ratio >= target)
    assert not at_most("a", "b", ratio, target, problem="wrong answers").ok
    assert not at_least("a", "b", ratio, target, problem="wrong answers").ok


def test_a_row_says_what_it_is_made_of() -> None:
    row = at_least("a", "b", 1.5, 2.0, "one second", problem="answers differ")
    head, *details = row.line().splitlines()
    assert head.split() == ["MISS", "1.50", "(at", "least", "2)", "a", "vs", "b"]
    assert [line.strip() for line in details] == ["one second", "not counted: answers differ"]
    assert at_most("a", "b", 1.5, 2.0).line().startswith("ok ")


def test_rows_are_written_as_the_contract_says() -> None:
    rows = [at_most("a", "b", 1.0, 2.0, "why"), unmeasured("c", UnmeasuredError("pytest ended with 4"))]
    written = json.loads(run.json_text(rows))
    assert list(written) == ["rows"]
    for row in written["rows"]:
        assert set(row) >= CONTRACT
    assert written["rows"][0]["ratio"] == 1.0
    assert written["rows"][1] | {"ratio": None, "ok": False, "work": "c"} == written["rows"][1]


def test_every_work_has_a_row(tmp_path: Path) -> None:
    assert list(run.all_rows(tmp_path, 12_000))[: len(NAMED)] == NAMED
    assert not list(tmp_path.iterdir())  # nothing was measured for it


@pytest.mark.parametrize(
    ("only", "expected"),
    [("", ["cached", "memory-cached", "x"]), ("cached", ["cached"]), ("cache", ["cached", "memory-cached"]), ("z", [])],
)
def test_rows_are_chosen_by_name_then_by_part(only: str, expected: list[str]) -> None:
    row = at_most("a", "b", 1, 1)
    assert run.chosen(dict.fromkeys(["cached", "memory-cached", "x"], lambda: row), only) == expected


def test_a_wrong_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run.main(["--only", "lab-genarate"])
    assert exit_.value.code == 2
    assert "lab-generate" in capsys.readouterr().err


def test_a_comparison_that_cannot_be_made_is_a_miss(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> Row:
        raise UnmeasuredError("0 of 8 cases came from the cache")

    assert not run.shown("cached", measure).ok
    assert "0 of 8" in capsys.readouterr().out


def test_a_row_of_whole_processes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    run.main(["--only", "CPU of pytest --collect-only", "--cases", "96", "--json", str(file)])
    [row] = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert row["ratio"] > 0
    assert row["work"] in capsys.readouterr().out


# --- medians ---------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes only when work is done; remembers the order of the work."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float) -> Way:
        steps = iter([*seconds, *[seconds[-1]] * 20])

        def run() -> None:
            self.now += next(steps)
            self.done.append(name)

        return Way(run)


def test_ways_are_timed_in_turn_and_the_median_counts() -> None:
    clock = Clock()
    found = alternate({"a": clock.work("a", 9, 1, 2, 3, 4, 5), "b": clock.work("b", 1)}, clock)
    assert found == {"a": Timing(3, 5), "b": Timing(1, 5)}
    assert clock.done == ["a", "b"] * 6  # the first turn warms up


def test_a_slow_way_is_timed_on_its_part_and_says_so() -> None:
    clock = Clock()
    whole, part = clock.work("whole", 40), clock.work("part", 4)
    found = alternate({"slow": Way(whole.run, part.run, 10), "quick": clock.work("quick", 1)}, clock)
    assert found == {"slow": Timing(40, 3, 10), "quick": Timing(1, 3)}
    assert "whole" not in clock.done
    assert "1/10 subsample" in found["slow"].words()
    assert "subsample" not in found["quick"].words()


def test_a_quick_way_is_timed_whole_although_it_has_a_part() -> None:
    clock = Clock()
    whole, part = clock.work("whole", 8), clock.work("part", 0.9)
    assert alternate({"a": Way(whole.run, part.run, 10)}, clock) == {"a": Timing(8, 5)}
    assert clock.done == ["part", *["whole"] * 5]


def test_a_slow_way_without_a_part_is_timed_three_times() -> None:
    clock = Clock()
    assert alternate({"a": clock.work("a", 11)}, clock) == {"a": Timing(11, 3)}


# --- the same answers ------------------------------------------------------------------------------------------------


def test_texts_may_hardly_differ() -> None:
    same = [Response("yes")] * 2000
    assert agreement.compare_texts(same, ["yes"] * 2000)[1] is None
    assert agreement.compare_texts(same, ["no"] * 2 + ["yes"] * 1998)[1] is None
    line, problem = agreement.compare_texts(same, ["no"] * 3 + ["yes"] * 1997)
    assert line == "1997 of 2000 answers equal"
    assert problem is not None
    assert agreement.compare_texts(same[:1], ["no"])[1] is not None


def test_scores_may_hardly_differ() -> None:
    ours = [Response(None, {"yes": -1.0, "no": -2.0})]
    assert agreement.compare_scores(ours, [{"yes": -1.00005, "no": -2.0}])[1] is None
    assert agreement.compare_scores(ours, [{"yes": -1.0, "no": -2.001}])[1] is not None


def test_errors_are_not_timed() -> None:
    assert refuse_errors([Response("yes")]) == [Response("yes")]
    with pytest.raises(UnmeasuredError, match=r"1 of 2 .* no memory"):
        refuse_errors([Response("yes"), Response(None, None, "no memory")])


@pytest.mark.parametrize(("found", "refused"), [(8, False), (7, True), (0, True)])
def test_a_second_run_that_asked_the_model_again_is_refused(tmp_path: Path, found: int, refused: bool) -> None:
    out = tmp_path / ".mcr" / "latest"
    out.mkdir(parents=True)
    (out / "results.json").write_text(json.dumps({"counts": {"cached": found}}), encoding="utf-8")
    check = whole_runs.all_cached(8)
    check("oracle", tmp_path)
    if refused:
        with pytest.raises(UnmeasuredError, match=f"{found} of 8"):
            check("second", tmp_path)
    else:
        check("second", tmp_path)


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_clips_have_four_conditions_and_tasks_take_turns() -> None:
    clips = questions.noise_clips(3, 1.0)
    assert [len({one.prompt for one in clip}) for clip in clips] == [4, 4, 4]
    assert [clip[0].id.partition("-")[0] for clip in clips] == ["AQA", "SER", "VSC"]
    audios = [one.audio for clip in clips for one in clip if one.audio]
    assert len({audio.digest for audio in audios}) == 3
    assert {len(audio.samples) for audio in audios} == {16_000}


def test_chunks_are_those_of_a_run() -> None:
    clips = questions.noise_clips(9, 0.1)
    assert [len(chunk) for chunk in questions.chunks(clips)] == [CHUNK_CASES, 4]


def test_a_hundred_texts_share_a_clip() -> None:
    asked = questions.texts_on_one_clip(100, 1.0, 4)
    assert len({one.prompt for one in asked}) == 100
    assert {len(one.candidates) for one in asked} == {4}
    assert len({id(one.audio) for one in asked}) == 1


def test_no_clip_is_known_from_an_earlier_call() -> None:
    asked = questions.flat(questions.noise_clips(2, 0.1))
    first, second = unheard(asked), unheard(asked)
    digests = [[one.audio.digest for one in call if one.audio] for call in (asked, first, second)]
    assert len({digest for call in digests for digest in call}) == 6
    assert [len(set(call)) for call in digests] == [2, 2, 2]  # and clips are still shared
    assert [one.prompt for one in first] == [one.prompt for one in asked]


def test_operations_of_layers_by_hand() -> None:
    assert stack_flops(10, 1, 2, 1, 3, causal=True) == 2 * 10 * 3 + 4 * 2 * (1 + 2 + 3)
    assert stack_flops(10, 2, 2, 5, 3, causal=False) == 5 * (2 * 10 * 3 + 4 * 2 * 2 * 9)


# --- repair arms -----------------------------------------------------------------------------------------------------


def test_arms_are_compared_on_the_same_numbers() -> None:
    gains = dict.fromkeys((*CONTROLS, *DEFAULT_ARMS), 0.25)
    assert repair.differences({repair.ONE: 0.25}, gains) is None
    assert "gain of contextual is 0.25, alone 0.5" in str(repair.differences({repair.ONE: 0.5}, gains))
    assert repair.differences({repair.ONE: 0.25}, gains | {"gacl": None}) == "no gain of gacl"


def test_one_arm_asks_in_all_branches_that_the_five_take() -> None:
    def places(names: Sequence[str]) -> set[str]:
        branches = {branch for arm in arms_of(tuple(names)) for branch in arm.branches}
        return {slot(branch, condition) for branch in branches for condition in CONDITIONS}

    assert len(DEFAULT_ARMS) == 5
    assert places([repair.ONE]) == places(DEFAULT_ARMS)
