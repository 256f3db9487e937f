"""The nine points: what each says in every verdict, as plain single lines, whatever the data holds."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.core.case import Verdict
from pytest_mcr.report.first_minute import Point, first_minute
from pytest_mcr.report.terminal import summary
from pytest_mcr.run.record import RunRecord
from tests.unit.planted_branches import clips
from tests.unit.records import Rule, constant, follower, hostile, lab_like, listener, looked_into, run

BOMB = "<b>x</b> `q` | @team \x1b[31m \u202eright\r\nnew ]]> --> \x00"


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return looked_into(tmp_path_factory.mktemp("red"))


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return looked_into(tmp_path_factory.mktemp("green"), listener)


def point(record: RunRecord, number: int) -> Point:
    return first_minute(record)[number - 1]


@pytest.mark.parametrize("rule", [lab_like, follower, listener, constant])
@pytest.mark.parametrize("looked", [True, False])
def test_nine_points_in_every_run(rule: Rule, looked: bool, tmp_path: Path) -> None:
    options: dict[str, Any] = {"runs": tmp_path / "runs"} if looked else {}
    record = run(tmp_path, rule, sizes={"AQA": 30, "SER": 12}, **options)
    points = first_minute(record)
    assert [point.number for point in points] == list(range(1, 10))
    assert all(point.title and (point.lines or point.code) for point in points)
    assert first_minute(record) == points


def test_the_verdict_and_the_distance_come_first(red: RunRecord) -> None:
    line = point(red, 1).lines[0]
    assert line.startswith(
        "FAIL: lab (template discretion v1, answers by text) is blocked by 6 of 21 gates; farthest: "
    )
    assert line.endswith("140 of 180 clips would have to change.")
    assert "data: mini, digest 3f9c3f9c3f9c, 180 different clips" in point(red, 2).lines


def test_luck_is_told_from_distance(red: RunRecord, green: RunRecord, tmp_path: Path) -> None:
    lines = point(red, 3).lines
    assert lines[0].startswith("FAIL accuracy[adversarial] is 0.00, allowed at least 0.50")
    assert all(line.endswith("; beyond luck") for line in lines)
    gates = ("accuracy[neutral] >= 0.97", "accuracy[neutral] >= 0.9@95")
    near = looked_into(tmp_path, lab_like, gates=gates, sizes={"AQA": 60})
    lines = point(near, 3).lines
    assert lines[0].startswith("FAIL accuracy[neutral] is 0.93")
    assert lines[0].endswith("its 95 % interval reaches the threshold, so luck may decide")
    assert lines[1].startswith("UNDECIDED accuracy[neutral] >= 0.9@95: 95 % bound")
    assert point(green, 3).lines == ("no gate failed and none is undecided",)


def test_many_gates_are_counted(tmp_path: Path) -> None:
    gates = [f"accuracy[adversarial] >= 0.{number}" for number in range(51, 80)]
    lines = point(looked_into(tmp_path, gates=gates, sizes={"AQA": 20}), 3).lines
    assert len(lines) == 9
    assert lines[-1] == "and 21 more gates in results.json"


def test_the_worst_slice_is_of_the_condition_that_blocks(red: RunRecord, green: RunRecord, tmp_path: Path) -> None:
    def contrary(case: Any, position: int) -> str:
        wrong = case.condition == "faithful" and case.sample.gold == "sad"
        return str(case.sample.candidates[0] if wrong else case.sample.gold)

    lines = point(looked_into(tmp_path, contrary, gates=["accuracy[faithful] >= 0.99"]), 5).lines
    assert lines[0].startswith("lost (right in neutral, wrong in faithful) more often than in the rest of the task")
    assert lines[1].startswith("  SER, gold sad: 15 of 15 lost, 0 of 45 in the rest (p ")
    even = point(red, 5).lines
    assert even[0].startswith("no slice stands out (right in neutral, wrong in adversarial; Holm over ")
    assert point(green, 5).lines[0].startswith("nothing is lost (right in neutral, wrong in adv")


def test_the_command_runs_the_shown_clips_again(red: RunRecord, green: RunRecord) -> None:
    code = point(red, 7).code
    words = shlex.split("\n".join(code))
    assert words[:3] == ["pytest", "--mcr-model", "lab"]
    assert words[-2:] == ["-k", "AQA-0000 or SER-0000 or VSC-0000"]
    assert point(green, 7).lines == ("no clip to run again",)


def test_without_branches_the_command_that_asks_them_is_named(green: RunRecord, tmp_path: Path) -> None:
    told = point(looked_into(tmp_path, gates=["mrs >= 0.9"], limit=60, sizes={"AQA": 20}), 8)
    assert told.lines == ("no repair was measured; what this run asked is in the cache, the command asks the rest",)
    assert shlex.split("\n".join(told.code)) == [
        "pytest", "--mcr-model", "lab", "--mcr-limit", "60", "--mcr-gate", "mrs >= 0.9", "--mcr-suite",
        "bench,mitigation",
    ]  # fmt: skip
    assert point(green, 8).lines == ("no gate needs a repair",)


def test_the_repair_that_would_pass_and_its_faithful_cost(tmp_path: Path) -> None:
    options: dict[str, Any] = {"sizes": {"AQA": 60, "SER": 60}, "suites": ("bench", "mitigation")}
    told = point(looked_into(tmp_path, repairs=clips(60), mitigation=("aad", "gacl?lambda=1"), **options), 8)
    assert told.lines[0].startswith("hard-switch meets all 16 gates; faithful accuracy falls by 0.00 [-")
    assert told.lines[1].startswith("gacl?lambda=1 meets all 16 gates")
    assert told.code == ()
    deaf = point(looked_into(tmp_path, repairs=clips(60, unheard=3), mitigation=("aad",), **options), 8)
    assert deaf.lines[0].startswith("none of 2 arms meets every gate; nearest: hard-switch, ")
    assert "still blocked by " in deaf.lines[0]
    assert "; faithful accuracy falls by 0.3" in deaf.lines[0]


def test_a_plain_run_judges_the_repairs_that_need_no_other_branch(tmp_path: Path) -> None:
    told = point(looked_into(tmp_path, follower, scores=True, sizes={"AQA": 60}), 8)
    assert told.lines[0].startswith("hard-switch meets all 11 gates; faithful accuracy falls by 0.00 [-")
    assert told.lines[1].startswith("self-gated meets all 11 gates")
    assert told.lines[-1] == "judged on this run's own scores, without another question; answers by score"
    assert told.code == ()

    def deaf(case: Any, position: int) -> str:
        return str(case.sample.candidates[0] if position % 3 == 0 else follower(case, position))

    told = point(looked_into(tmp_path, deaf, scores=True, gates=["accuracy[adversarial] >= 0.9"]), 8)
    assert told.lines[0].startswith("none of 3 arms meets every gate; nearest: hard-switch, 0 of 1, still blocked by ")
    assert told.lines[1].endswith("the command asks about others")
    assert told.code[-1].endswith("--mcr-suite bench,mitigation")


def test_a_waiver_can_be_pasted_once_somebody_answers_for_it(red: RunRecord) -> None:
    waivers = tomllib.loads("\n".join(point(red, 9).code))["waiver"]
    blocked = [gate.expr for gate in red.judgement.gates if gate.verdict == "fail"]
    assert [waiver["gate"] for waiver in waivers] == blocked
    assert {waiver["model"] for waiver in waivers} == {"lab 1"}
    assert {waiver["dataset"] for waiver in waivers} == {"3f9c" * 16}
    assert {waiver["expires"] for waiver in waivers} == {date(2026, 5, 1)}  # 90 days after the run
    assert {waiver["owner"] + waiver["reason"] for waiver in waivers} == {""}


def test_what_cannot_be_trusted_is_never_waived(red: RunRecord, green: RunRecord, tmp_path: Path) -> None:
    def mumbles(case: Any, position: int) -> Verdict:
        return Verdict.UNPARSED

    for rule in (constant, mumbles):
        told = point(looked_into(tmp_path, rule, sizes={"AQA": 20}), 9)
        assert told.lines == ("INVALID is never waived: what cannot be trusted has to be measured again",)
        assert told.code == ()
    nameless = replace(red, model={**red.model, "fingerprint": None})
    assert point(nameless, 9).code == ()
    assert point(green, 9).lines == ("nothing to waive",)


def test_a_fingerprint_cannot_leave_its_string(red: RunRecord) -> None:
    record = replace(red, model={**red.model, "fingerprint": f'" \\ {BOMB} \U0001f600\U000e0041\x7f'})
    code = point(record, 9).code
    assert not set("\x1b\u202e\r\n\x00\x7f") & set("".join(code))
    assert tomllib.loads("\n".join(code))["waiver"][0]["model"] == record.model["fingerprint"]


def test_lines_are_lines_whatever_the_data_holds(tmp_path: Path) -> None:
    record = hostile(tmp_path, BOMB, BOMB * 1000)
    told = [line for one in first_minute(record) for line in (*one.lines, *one.code)]
    assert not set("\x1b\u202e\r\n\x00") & set("".join(told))
    assert max(map(len, told)) < 2000
    assert any("@team" in line for line in told)


def test_only_a_red_summary_has_the_points(red: RunRecord, green: RunRecord) -> None:
    head = "What changed, where, and what would help"
    lines = summary(red, width=80, color=False)
    assert lines.index("Model or tool?") < lines.index(head) < lines.index("Gates")
    assert '  gate = "tir[adversarial] <= 0.30@95"' in lines
    assert "  ask which repair would pass:" in lines
    short = summary(green, width=80, color=False)
    assert short == summary(replace(green, diagnosis=None), width=80, color=False)
    assert lines == summary(red, width=80, color=False)
