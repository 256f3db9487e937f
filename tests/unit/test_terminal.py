"""The summary on the screen: every section, every verdict, narrow and wide, with and without colour, foreign text."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.core.case import Case, Verdict
from pytest_mcr.report.terminal import summary
from pytest_mcr.report.wording import with_interval
from pytest_mcr.run.record import RunRecord
from tests.unit.records import Rule, constant, follower, lab_like, listener, renamed, run, samples_of

SGR = re.compile(r"\x1b\[[0-9;]*m")
SECTIONS = [
    "Model or tool?",
    "Gates",
    "Numbers by task and condition",
    "Modal Robustness Score (MRS, 1 is best)",
    "Failure signatures",
    "Listen to these first",
    "Next",
]


def lines_of(record: RunRecord, width: int = 80, color: bool = False) -> list[str]:
    return summary(record, width=width, color=color)


def text_of(record: RunRecord, width: int = 200) -> str:
    return "\n".join(lines_of(record, width))


def section(lines: list[str], name: str) -> list[str]:
    """The lines below a heading, up to the next."""
    start = lines.index(name) + 1
    ends = [place for place, line in enumerate(lines) if line in SECTIONS and place >= start]
    return lines[start : min(ends, default=len(lines))]


def block(lines: list[str], task: str) -> dict[str, list[str]]:
    """A task's block: cells by row label, the head under the task's name."""
    start = next(place for place, line in enumerate(lines) if line.startswith(f"{task} ") and "neutral" in line)
    rows = {}
    for line in lines[start:]:
        if not line or line.startswith("  "):
            break
        cells = re.split(r" {2,}", line)
        rows[cells[0]] = cells[1:]
    return rows


# --- the whole -------------------------------------------------------------------------------------------------------


def test_the_first_screen_is_the_verdict(tmp_path: Path) -> None:
    assert lines_of(run(tmp_path, follower))[:19] == [
        "pytest-mcr: lab on the embedded mini benchmark (synthetic, not MCR-BENCH)",
        "not comparable with published rows: different data",
        "",
        "FAIL: lab (template discretion v1, answers by text) is blocked by 6 of 21 gates;",
        "farthest: tir[adversarial] is 1.00, allowed at most 0.30 with its 95 % bound:",
        "140 of 180 clips would have to change.",
        "",
        "Model or tool?",
        "  canary      pass: 4 of 4 pairs of clips moved the candidates'",
        "              log-probabilities",
        "  hearing     AQA shown: accuracy 1.00, shuffled clips 0.50 (n 60, p 0.0005)",
        "              SER shown: accuracy 1.00, shuffled clips 0.25 (n 60, p 0.0005)",
        "              VSC shown: accuracy 1.00, shuffled clips 0.20 (n 60, p 0.0005)",
        "  unparsed    none",
        "  batches     not applicable: the model has no plain path to compare with",
        "  from cache  0 of 720 answers",
        "  data        mini, digest 3f9c3f9c3f9c, 180 different clips",
        "  not judged  none",
        "",
    ]


def test_the_sections_come_in_the_order_in_which_they_are_read(tmp_path: Path) -> None:
    assert [line for line in lines_of(run(tmp_path, lab_like)) if line in SECTIONS] == SECTIONS


@pytest.mark.parametrize("rule", [lab_like, follower, listener, constant])
@pytest.mark.parametrize("width", [20, 60, 80, 120, 200])
def test_nothing_but_what_is_copied_is_wider_than_the_terminal(rule: Rule, width: int, tmp_path: Path) -> None:
    for line in lines_of(run(tmp_path, rule), width):
        copied = line.lstrip().startswith(("pytest --mcr-model", "results: "))
        assert copied or len(line) <= max(width, 60), line


def test_at_80_columns_every_number_stands_on_one_line(tmp_path: Path) -> None:
    for rule in (lab_like, follower, listener, constant):
        lines = section(lines_of(run(tmp_path, rule, profile="report"), 80), "Numbers by task and condition")
        assert not [line for line in lines if re.match(r"\s+\[", line)]


def test_at_60_columns_gates_wrap_in_their_own_column_and_nothing_is_lost(tmp_path: Path) -> None:
    record = run(tmp_path, lab_like)
    lines = section(lines_of(record, 60), "Gates")
    names, values = lines[2].index("accuracy[adversarial]"), lines[0].index("value")
    column = "".join(line[names:values] for line in lines).replace(" ", "")
    for gate in record.judgement.gates:
        assert gate.expr.replace(" ", "") in column
        if gate.low is not None:
            assert any(with_interval(gate.value, gate.low, gate.high) == line[values:].split("  ")[0] for line in lines)


def test_the_report_itself_is_plain_ascii(tmp_path: Path) -> None:
    for rule in (lab_like, constant):
        assert all(line.isascii() for line in lines_of(run(tmp_path, rule)))


def test_without_colour_there_is_no_escape_and_with_it_not_one_word_more(tmp_path: Path) -> None:
    record = run(tmp_path, lab_like)
    plain, coloured = lines_of(record), lines_of(record, color=True)
    assert not any("\x1b" in line for line in plain)
    assert any(SGR.search(line) for line in coloured)
    assert [SGR.sub("", line).rstrip() for line in coloured] == plain


def test_the_environment_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run(tmp_path, lab_like)
    before = [lines_of(record, color=color) for color in (False, True)]
    for name, value in {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "33", "FORCE_COLOR": "1", "LINES": "4"}.items():
        monkeypatch.setenv(name, value)
    assert [lines_of(record, color=color) for color in (False, True)] == before


# --- gates -----------------------------------------------------------------------------------------------------------


def test_a_gate_has_its_word_number_interval_n_and_distance(tmp_path: Path) -> None:
    lines = section(lines_of(run(tmp_path, follower)), "Gates")
    assert lines[2].split() == ["FAIL", "accuracy[adversarial]", ">=", "0.50@95", "0.00", "[.00,.04]", "180"]
    assert lines[3].strip() == "105 of 180 clips would have to change"
    passed = [line for line in lines if line.startswith("  pass")]
    assert len(passed) == 15
    assert passed[-1].split() == ["pass", "each.eligible", "clusters", ">=", "30", "60", "-"]


def test_invalid_and_undecided_gates_say_why(tmp_path: Path) -> None:
    invalid = section(lines_of(run(tmp_path, constant), 120), "Gates")
    assert invalid[2].split()[:2] == ["INVALID", "AQA.normalized_accuracy[faithful]"]
    assert invalid[3].strip() == "hearing not shown in AQA"
    undecided = section(lines_of(run(tmp_path, listener, sizes={"AQA": 20}, profile="strict"), 120), "Gates")
    assert undecided[2].split()[:2] == ["UNDECIDED", "accuracy[faithful]"]
    assert undecided[3].strip() == "95 % bound 0.87 is outside; needs about n = 41, has 20"


def test_a_gate_that_passes_because_nothing_was_wrong_says_so(tmp_path: Path) -> None:
    text = text_of(run(tmp_path, listener, profile="strict", suites=("bench", "confidence")))
    assert "nothing to hold against it: no wrong answers" in text


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_a_block_holds_the_numbers_of_its_task(tmp_path: Path) -> None:
    record = run(tmp_path, lab_like)
    rows = block(lines_of(record, 120), "AQA")
    assert rows["AQA"] == ["neutral", "faithful", "adversarial", "irrelevant"]
    assert rows["n (for TIR)"] == ["60", "60 (4)", "60 (56)", "60 (60)"]
    assert rows["unp/fla/err"] == ["0/0/0", "0/0/0", "0/3/0", "1/0/0"]
    labels = {"accuracy": "accuracy", "skill": "skill", "TIR": "tir", "TDR": "tdr", "text-follow": "text_follow"}
    for label, metric in labels.items():
        row = record.judgement.table.get(metric, "adversarial", "AQA")
        assert row is not None
        assert row.value is not None
        assert rows[label][2].startswith(f"{row.value + 0.0:.2f} [")
    assert rows["TIR"][0] == rows["normalized"][0] == "-"


def test_the_mean_comes_last_and_counts_every_task(tmp_path: Path) -> None:
    lines = lines_of(run(tmp_path, lab_like), 120)
    heads = [line.split()[0] for line in lines if line.endswith("irrelevant")]
    assert heads == ["AQA", "SER", "VSC", "*"]
    rows = block(lines, "* (mean)")
    assert rows["n (for TIR)"] == ["180", "180 (12)", "180 (168)", "180 (180)"]
    assert rows["unp/fla/err"] == ["0/0/0", "0/0/0", "0/9/0", "3/0/0"]


def test_one_task_is_its_own_mean_and_is_shown_once(tmp_path: Path) -> None:
    lines = lines_of(run(tmp_path, lab_like, sizes={"SER": 40}))
    assert [line.split()[0] for line in lines if line.endswith("irrelevant")] == ["SER"]
    assert not [line for line in lines if "* (mean)" in line]


def test_errors_leave_n_and_are_counted(tmp_path: Path) -> None:
    def crashes(case: Case, position: int) -> str | Verdict:
        bad = case.condition == "adversarial" and position < 2
        return Verdict.ERROR if bad else case.sample.gold

    record = run(tmp_path, crashes, sizes={"AQA": 60}, profile="report", max_errors=0.1)
    rows = block(lines_of(record, 120), "AQA")
    assert rows["n (for TIR)"][2] == "58 (58)"
    assert rows["unp/fla/err"][2] == "0/0/2"
    assert "  -  2 cases had an error" in lines_of(record)


def test_the_placebo_floor_stands_beside_tir(tmp_path: Path) -> None:
    record = run(tmp_path, follower, sizes={"AQA": 60})
    excess = record.judgement.table.get("tir_excess", "adversarial", "AQA")
    assert excess is not None
    above = with_interval(excess.value, excess.low, excess.high)
    assert f"  TIR floor (placebo, n 60) 0.00 [.00,.06]; TIR above it {above}" in lines_of(record)


def test_numbers_without_hearing_are_marked_and_the_mark_is_explained(tmp_path: Path) -> None:
    lines = lines_of(run(tmp_path, constant, profile="report"), 120)
    rows = block(lines, "AQA")
    assert rows["TIR"][2] == "0.00 [.00,.12]?"
    assert rows["normalized"][1].endswith("?")
    assert not rows["accuracy"][0].endswith("?")
    assert any(line.startswith("? hearing not shown in AQA, SER, VSC: ") for line in lines)
    assert any(line.startswith("  SHOWN?") for line in section(lines, "Failure signatures"))
    heard = text_of(run(tmp_path, follower))
    assert "]?" not in heard
    assert "\n? " not in heard


def test_conditions_that_were_not_run_have_no_column(tmp_path: Path) -> None:
    record = run(tmp_path, follower, conditions=["neutral", "adversarial"], gates=["tir[adversarial] <= 0.3"])
    lines = lines_of(record)
    assert block(lines, "AQA")["AQA"] == ["neutral", "adversarial"]
    assert "Modal Robustness Score (MRS, 1 is best)" in lines  # the price of conflict needs no irrelevant text
    assert not [line for line in section(lines, "Modal Robustness Score (MRS, 1 is best)") if "uncapped" in line]


def test_an_open_ended_task_without_known_labels_shows_dashes_and_why(tmp_path: Path) -> None:
    chosen = renamed(samples_of({"AQA": 30}), candidates=(), text_labels={})
    record = run(tmp_path, listener, samples=chosen, profile="report")
    lines = lines_of(record, 120)
    rows = block(lines, "AQA")
    assert rows["text-follow"] == rows["TDR"] == ["-", "-", "-", "-"]
    assert "  text-follow: text label known for 0 %" in lines


def test_mrs_has_its_interval_its_uncapped_form_and_the_price_of_conflict(tmp_path: Path) -> None:
    record = run(tmp_path, follower)
    lines = section(lines_of(record), "Modal Robustness Score (MRS, 1 is best)")
    assert lines[0].split() == ["MRS", "[95", "%]", "uncapped", "n"]
    rows = [record.judgement.table.get(metric, None, "AQA") for metric in ("mrs", "mrs_uncapped")]
    shown = [with_interval(row.value, row.low, row.high) for row in rows if row is not None]
    assert re.split(r" {2,}", lines[2].strip()) == ["AQA", *shown, "60"]
    assert shown[0].startswith("0.20 [.1")
    assert lines[5].split()[:3] == ["*", "(mean)", "0.20"]
    assert lines[6].startswith("  about 50 errors per 1,000 requests if text contradicts the audio in 5 %")


def test_signatures_say_whether_they_are_shown(tmp_path: Path) -> None:
    lines = section(lines_of(run(tmp_path, follower), 120), "Failure signatures")
    assert [line.split()[0] for line in lines[:3]] == ["SHOWN", "SHOWN", "SHOWN"]
    assert lines[0].split()[1] == "collapse:"
    quiet = section(lines_of(run(tmp_path, listener), 120), "Failure signatures")
    assert [line.split("  ")[1] for line in quiet[:3]] == ["not shown", "not shown", "undefined"]


# --- clips and next steps --------------------------------------------------------------------------------------------


def test_three_clips_with_both_texts_and_both_answers(tmp_path: Path) -> None:
    lines = section(lines_of(run(tmp_path, follower)), "Listen to these first")
    assert lines[1:9] == [
        "  AQA-0000       AQA/audio/0000.ogg, confidence without text 0.99",
        "    question     What is heard in recording 0?",
        "    gold         no",
        "    faithful     The recording holds no, as the speaker's notes say.",
        "                 -> no",
        "    adversarial  The recording holds yes, as the speaker's notes say.",
        "                 -> yes",
        "  SER-0000       SER/audio/0000.ogg, confidence without text 0.99",
    ]
    assert sum("question" in line for line in lines) == 3


def test_a_clip_without_an_answer_or_confidence_says_so(tmp_path: Path) -> None:
    def shrugs(case: Case, position: int) -> str | Verdict:
        return Verdict.FLAGGED if case.condition == "adversarial" else case.sample.gold

    record = run(tmp_path, shrugs, sizes={"AQA": 30})
    record = replace(record, examples=[replace(record.examples[0], confidence=None)])
    lines = section(lines_of(record), "Listen to these first")
    assert lines[1].strip().endswith("AQA/audio/0000.ogg")
    assert lines[7].strip() == "-> no label (flagged, unparsed or error)"


def test_the_next_steps_can_be_copied(tmp_path: Path) -> None:
    folder = Path("/a/very/long/path") / ("x" * 80)
    record = run(tmp_path, follower, model="hf:someone/a-model-with-a-long-name@main", data=folder, out=folder)
    assert section(lines_of(record), "Next") == [
        "  rerun these clips:",
        "  pytest --mcr-model hf:someone/a-model-with-a-long-name@main \\",
        f"    --mcr-data {folder} \\",
        '    --mcr-profile report -k "AQA-0000 or SER-0000 or VSC-0000"',
        f"  results: {folder / 'results.json'}, with cases.jsonl beside it",
    ]


def test_nothing_written_and_nothing_to_rerun_has_no_next_step(tmp_path: Path) -> None:
    assert "Next" not in lines_of(run(tmp_path, listener, out=None))


# --- verdicts without numbers, parts, other data ---------------------------------------------------------------------


def test_a_failed_canary_leaves_verdict_reason_and_what_was_not_judged(tmp_path: Path) -> None:
    lines = lines_of(run(tmp_path, stop=("canary: the same answer to 32 different clips", 8)))
    assert lines[3].startswith("INVALID: nothing measured on lab ")
    assert lines[5] == "  -  canary: the same answer to 32 different clips"
    assert [line for line in lines if line in SECTIONS] == ["Model or tool?", "Next"]
    assert any(line.startswith("  canary      FAIL: ") for line in lines)
    assert any(line.startswith("  not judged  10 gates: each.skill[neutral]") for line in lines)


def test_a_part_of_a_run_shows_its_numbers_and_judges_no_gate(tmp_path: Path) -> None:
    lines = lines_of(run(tmp_path, follower, selected=lambda case: case.sample.task == "SER"))
    assert lines[3].startswith("PARTIAL: lab ")
    assert lines[5] == "  -  240 of 720 cases were selected (-k, -m, --lf, ids or paths)"
    assert "Gates" not in lines
    assert block(lines, "SER")["n (for TIR)"][0] == "60"


def test_many_reasons_are_cut_with_their_number(tmp_path: Path) -> None:
    def mumbles(case: Case, position: int) -> str | Verdict:
        return Verdict.UNPARSED

    lines = lines_of(run(tmp_path, mumbles))
    assert sum(line.startswith("  -  ") for line in lines) == 6
    assert "  - and 6 more reasons in results.json" in lines


@pytest.mark.parametrize(("kind", "told"), [("release", False), ("mini", True), ("custom", True)])
def test_only_the_release_is_comparable(kind: str, told: bool, tmp_path: Path) -> None:
    lines = lines_of(run(tmp_path, listener, kind=kind))
    assert ("not comparable with published rows: different data" in lines) is told
    assert ("synthetic, not MCR-BENCH" in lines[0]) is (kind == "mini")


@pytest.mark.parametrize(
    ("rule", "options", "word"),
    [
        (listener, {}, "PASS"),
        (listener, {"profile": "report"}, "MEASURED"),
        (follower, {}, "FAIL"),
        (listener, {"profile": "strict", "sizes": {"AQA": 20}}, "UNDECIDED"),
        (constant, {}, "INVALID"),
        (listener, {"interrupted": "interrupted (Ctrl-C)"}, "PARTIAL"),
    ],
)
def test_every_verdict_has_a_word_that_needs_no_colour(
    rule: Rule, options: dict[str, Any], word: str, tmp_path: Path
) -> None:
    record = run(tmp_path, rule, **options)
    assert lines_of(record)[3].startswith(f"{word}: ")
    assert SGR.sub("", lines_of(record, color=True)[3]).startswith(f"{word}: ")


# --- foreign text ----------------------------------------------------------------------------------------------------


def test_foreign_text_is_printed_as_it_is_and_obeyed_by_nobody(tmp_path: Path) -> None:
    bomb = "[red]alarm[/red] [link=http://x]here[/link] :smile: \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eright\r\nnew"
    chosen = [
        replace(
            sample,
            question=bomb,
            gold=f"gold {bomb}",
            texts={name: f"{name} {bomb}" for name in sample.texts},
            text_labels={"faithful": f"gold {bomb}", "adversarial": f"wrong {bomb}"},
            candidates=(f"gold {bomb}", f"wrong {bomb}"),
        )
        for sample in samples_of({"AQA": 6})
    ]
    for color in (False, True):
        lines = lines_of(run(tmp_path, follower, samples=chosen, model=f"m:{bomb}"), 200, color)
        text = SGR.sub("", "\n".join(lines))
        assert not set("\x1b\x07\r\u202e") & set(text)
        shown = (
            r"[red]alarm[/red] [link=http://x]here[/link] :smile: \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eright new"
        )
        assert text.count(shown) >= 3 * 4
        assert "-> wrong [red]alarm[/red]" in text


def test_a_long_text_is_cut_and_wide_letters_are_wrapped(tmp_path: Path) -> None:
    chosen = [
        replace(s, question="犬が吠える" * 40, texts={**s.texts, "adversarial": "x " * 4000})
        for s in samples_of({"AQA": 6})
    ]
    record = run(tmp_path, follower, samples=chosen)
    lines = lines_of(record)
    assert sum("[...]" in line for line in lines) == 3
    assert len(lines) < 150
