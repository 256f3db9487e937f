"""The run in words: the verdict's sentence for every verdict, reasons, commands, foreign text made safe."""

import shlex
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import Case, Verdict
from pytest_mcr.core.gates import GateResult
from pytest_mcr.report.gate_words import distance_sentence, gate_remark, ordered
from pytest_mcr.report.rerun import folded, quoted, rerun_command
from pytest_mcr.report.sentences import (
    cached_line,
    data_line,
    headline,
    hearing_lines,
    prevalence_sentence,
    title,
    unparsed_line,
)
from pytest_mcr.report.wording import apart, count, end, figure, listed, safe, with_interval
from tests.unit.records import constant, follower, lab_like, listener, run, samples_of

WHO = "lab (template discretion v1, answers by text)"

# --- the verdict -----------------------------------------------------------------------------------------------------


def test_fail_names_the_farthest_gate_and_the_clips_that_must_change(tmp_path: Path) -> None:
    found = headline(run(tmp_path, follower))
    assert found.word == "FAIL"
    assert found.sentence == (
        f"{WHO} is blocked by 6 of 21 gates; farthest: tir[adversarial] is 1.00, allowed at most 0.30 with its 95 % "
        "bound: 140 of 180 clips would have to change."
    )
    assert found.reasons == ()


def test_how_a_model_was_asked_is_part_of_the_verdict(tmp_path: Path) -> None:
    record = run(tmp_path, listener)
    traits = {"system": "Be\nbrief.", "order": "text-first", "generation": "model"}
    asked = headline(replace(record, model={**record.model, "traits": traits})).sentence
    assert asked.startswith(
        "lab (template discretion v1, answers by text, system prompt 'Be brief.', text before audio, "
        "decoding by its own generation config) meets all"
    )
    usual = {"system": None, "order": "audio-first", "generation": "greedy"}
    assert headline(replace(record, model={**record.model, "traits": usual})).sentence.startswith(f"{WHO} meets")


def test_one_gate_that_fails_is_not_called_the_farthest(tmp_path: Path) -> None:
    found = headline(run(tmp_path, follower, sizes={"AQA": 60}, gates=["tir[adversarial] <= 0.30"]))
    assert found.sentence == (
        f"{WHO} is blocked by its one gate; tir[adversarial] is 1.00, allowed at most 0.30: 42 of 60 clips would have "
        "to change."
    )


def test_pass_counts_the_gates_and_says_where_they_come_from(tmp_path: Path) -> None:
    assert headline(run(tmp_path, listener)).sentence == f"{WHO} meets all 21 gates of profile release."
    explicit = run(tmp_path, listener, gates=["mrs >= 0.7", "accuracy[neutral] > 0.5"])
    assert headline(explicit).word == "PASS"
    assert headline(explicit).sentence == f"{WHO} meets both gates given with --mcr-gate."


def test_undecided_is_its_own_word(tmp_path: Path) -> None:
    found = headline(run(tmp_path, listener, sizes={"AQA": 20}, profile="strict"))
    assert found.word == "UNDECIDED"
    assert found.sentence == f"{WHO} meets 6 of 14 gates; 8 cannot be told from luck on so few clips."


def test_undecided_gates_are_told_apart_from_failed_ones(tmp_path: Path) -> None:
    gates = ["accuracy[faithful] >= 0.99@95", "tir[adversarial] <= 0.3"]
    found = headline(run(tmp_path, follower, sizes={"AQA": 20}, gates=gates))
    assert found.word == "FAIL"
    assert "is blocked by 1 of 2 gates, 1 more undecided; tir[adversarial]" in found.sentence


def test_a_run_without_gates_passes_nothing(tmp_path: Path) -> None:
    found = headline(run(tmp_path, follower, profile="report"))
    assert (found.word, found.sentence) == ("MEASURED", f"{WHO} was measured; profile report sets no gates.")


def test_a_run_that_did_not_hear_says_so_under_report(tmp_path: Path) -> None:
    found = headline(run(tmp_path, constant, profile="report"))
    assert found.word == "MEASURED"
    assert found.reasons == ("hearing not shown in AQA, SER, VSC: what a text takes away there means nothing",)


def test_invalid_gates_with_one_cause_are_one_reason(tmp_path: Path) -> None:
    found = headline(run(tmp_path, constant))
    assert found.word == "INVALID"
    assert found.sentence == f"12 of 21 gates cannot be judged on {WHO}; of the others 8 failed."
    assert found.reasons == ("12 gates: hearing not shown in AQA, SER, VSC",)


def test_invalid_without_any_gate_says_that_nothing_counts(tmp_path: Path) -> None:
    found = headline(run(tmp_path, stop=("canary: the same answer to everything", 8)))
    assert found.word == "INVALID"
    assert found.sentence == f"nothing measured on {WHO} may count, so no gate was judged."
    assert found.reasons == ("canary: the same answer to everything",)


def test_invalid_by_budget_names_task_and_condition(tmp_path: Path) -> None:
    def mumbles(case: Case, position: int) -> str | Verdict:
        return Verdict.UNPARSED if case.sample.task == "SER" and position < 9 else case.sample.gold

    found = headline(run(tmp_path, mumbles))
    assert found.word == "INVALID"
    assert found.reasons[0] == "SER[neutral]: 9 unparsed answers in 60 cases, 3 allowed"


def test_partial_says_what_was_left_out(tmp_path: Path) -> None:
    found = headline(run(tmp_path, selected=lambda case: case.sample.id == "AQA-0003"))
    assert (found.word, found.sentence) == (
        "PARTIAL",
        f"{WHO} was measured on a part of the cases, so no gate was judged.",
    )
    assert found.reasons == ("4 of 720 cases were selected (-k, -m, --lf, ids or paths)",)


def test_an_interrupted_run_says_why(tmp_path: Path) -> None:
    found = headline(run(tmp_path, interrupted="interrupted (Ctrl-C)"))
    assert (found.word, found.reasons) == ("PARTIAL", ("the run ended early: interrupted (Ctrl-C)",))


def test_errors_alone_fail(tmp_path: Path) -> None:
    def crashes_once(case: Case, position: int) -> str | Verdict:
        return Verdict.ERROR if case.id == "AQA-0005-irrelevant" else case.sample.gold

    found = headline(run(tmp_path, crashes_once))
    assert found.word == "FAIL"
    assert found.sentence == f"{WHO} gave errors in place of answers, though it meets all 21 gates."
    assert found.reasons == ("1 case had an error",)


def test_the_title_never_hides_what_the_data_is(tmp_path: Path) -> None:
    assert title(run(tmp_path, kind="mini")) == "lab on the embedded mini benchmark (synthetic, not MCR-BENCH)"
    assert title(run(tmp_path, kind="release")) == "lab on the MCR-BENCH release"
    assert title(run(tmp_path, kind="custom")) == "lab on custom data in mini-mcr"


def test_the_answer_mode_is_part_of_the_verdict(tmp_path: Path) -> None:
    assert "(template discretion v1, answers by score)" in headline(run(tmp_path, answer="score")).sentence


# --- gates -----------------------------------------------------------------------------------------------------------


def test_gates_are_ordered_by_what_they_do_to_the_run(tmp_path: Path) -> None:
    words = [gate.verdict for gate in ordered(run(tmp_path, constant).judgement.gates)]
    assert words == ["invalid"] * 12 + ["fail"] * 8 + ["undecided"]


def test_a_gate_outside_of_the_grammar_keeps_its_own_words(tmp_path: Path) -> None:
    record = run(tmp_path, listener, sizes={"AQA": 10}, profile="release")
    clusters = record.judgement.gates[-1]
    assert clusters.expr == "each.eligible clusters >= 30"
    assert gate_remark(clusters, record.judgement.table) == clusters.reason == "needs more clips: AQA about 20"
    assert distance_sentence(clusters, record.judgement.table) == f"{clusters.expr}: {clusters.reason}"


def test_the_remark_of_an_undecided_gate_says_how_many_clips_decide(tmp_path: Path) -> None:
    record = run(tmp_path, listener, sizes={"AQA": 20}, gates=["tir[adversarial] <= 0.10@95"])
    (gate,) = record.judgement.gates
    assert gate_remark(gate, record.judgement.table) == "95 % bound 0.13 is outside; needs about n = 28, has 20"


def test_clips_that_gave_several_answers_are_not_counted_as_several_clips(tmp_path: Path) -> None:
    chosen = [replace(sample, audio=sample.id[-4:]) for sample in samples_of({"AQA": 20, "SER": 20})]
    record = run(tmp_path, follower, samples=chosen, gates=["tir[adversarial] <= 0.5"])
    (gate,) = record.judgement.gates
    assert record.clusters == 20
    assert gate_remark(gate, record.judgement.table) == "20 of 40 answers would have to change"


def test_a_failed_gate_without_a_distance_keeps_its_reason(tmp_path: Path) -> None:
    record = run(tmp_path, follower)
    gate = GateResult("mrs >= 0.5", 0.2, 0.1, 0.3, "fail", "0.200, wanted >= 0.5", None, "*", "mrs >= 0.5")
    assert gate_remark(gate, record.judgement.table) == "0.200, wanted >= 0.5"
    assert distance_sentence(gate, record.judgement.table) == "mrs is 0.20, allowed at least 0.50"


# --- model or tool ---------------------------------------------------------------------------------------------------


def test_unparsed_is_counted_where_it_happened(tmp_path: Path) -> None:
    assert unparsed_line(run(tmp_path, lab_like, sizes={"AQA": 60, "SER": 20}).judgement.table) == (
        "AQA[irrelevant] 1 of 60, SER[irrelevant] 1 of 20"
    )
    assert unparsed_line(run(tmp_path, listener).judgement.table) == "none"
    assert unparsed_line(run(tmp_path, stop=("canary", 8)).judgement.table) == "nothing was answered"


def test_hearing_data_and_cache_have_a_line(tmp_path: Path) -> None:
    record = run(tmp_path, listener, sizes={"AQA": 60})
    assert hearing_lines(record) == ["AQA shown: accuracy 1.00, shuffled clips 0.50 (n 60, p 0.0005)"]
    assert data_line(record) == "mini, digest 3f9c3f9c3f9c, 60 different clips"
    assert cached_line(record) == "0 of 240 answers"
    without = run(tmp_path, listener, sizes={"AQA": 60}, conditions=["faithful", "adversarial"], profile="report")
    assert hearing_lines(without) == ["AQA hearing not shown: no neutral answers"]


def test_the_price_of_conflict(tmp_path: Path) -> None:
    record = run(tmp_path, follower, prevalence=0.1)
    assert prevalence_sentence(record, 93.21) == (
        "about 93.2 errors per 1,000 requests if text contradicts the audio in 10 % of your requests (--mcr-prevalence)"
    )
    assert "- (tir[adversarial] or accuracy[neutral]" in prevalence_sentence(record, None)
    assert "about 0? errors" in prevalence_sentence(run(tmp_path, constant, profile="report"), 0.0)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_reruns_the_shown_clips_with_all_that_changes_an_answer(tmp_path: Path) -> None:
    plain = run(tmp_path, follower)
    assert rerun_command(plain) == [
        "pytest", "--mcr-model", "lab", "--mcr-profile", "report", "-k", '"AQA-0000 or SER-0000 or VSC-0000"',
    ]  # fmt: skip
    special = run(
        tmp_path, follower, model="oracle:noisy?p=0.2&seed=1", data=Path("/data/my clips"), template="paper",
        answer="score", max_new_tokens=64, device="cuda:1", dtype="float16", trust_remote_code=True,
    )  # fmt: skip
    words = shlex.split(" ".join(rerun_command(special) or []))
    assert words == [
        "pytest", "--mcr-model", "oracle:noisy?p=0.2&seed=1", "--mcr-data", str(Path("/data/my clips")),
        "--mcr-template", "paper", "--mcr-answer", "score", "--mcr-max-new-tokens", "64", "--mcr-device", "cuda:1",
        "--mcr-dtype", "float16", "--mcr-trust-remote-code",
        "--mcr-profile", "report", "-k", "AQA-0000 or SER-0000 or VSC-0000",
    ]  # fmt: skip


def test_without_a_clip_to_show_there_is_no_command(tmp_path: Path) -> None:
    assert rerun_command(run(tmp_path, listener)) is None


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_a_quoted_word_is_one_word_for_a_shell(word: str) -> None:
    assert shlex.split(quoted(word)) == [word]


@given(st.lists(st.sampled_from(["--mcr-data", "-k", "a", '"b or c"', "x" * 30])), st.integers(10, 100))
def test_a_folded_command_is_the_same_command(words: list[str], width: int) -> None:
    words = ["pytest", *words]
    text = folded(words, width)
    assert shlex.split(text.replace("\\\n", "")) == shlex.split(" ".join(words))
    assert all(line.endswith(" \\") for line in text.split("\n")[:-1])


# --- wording ---------------------------------------------------------------------------------------------------------


@given(st.text(st.characters()), st.none() | st.integers(10, 50))
def test_safe_text_is_one_line_that_a_terminal_only_shows(text: str, limit: int | None) -> None:
    line = safe(text, limit)
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in line)
    assert all(unicodedata.category(c) != "Cf" or c in "\u200c\u200d" for c in line)
    assert limit is None or len(line) <= limit
    assert safe(line, limit) == line


def test_safe_text_spells_out_what_a_terminal_would_obey() -> None:
    assert safe("a\x1b[31mb\n\tc\u202ed\x00") == r"a\x1b[31mb c\u202ed\x00"
    assert safe("می‌خواهم") == "می‌خواهم"  # the joiner is spelling
    assert safe("word " * 30, 20) == "word word word [...]"


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.934, 0.861, 0.972, "0.93 [.86,.97]"),
        (1.0, 0.94, 1.0, "1.00 [.94,1.0]"),
        (0.0, 0.0, 0.06, "0.00 [.00,.06]"),
        (-0.004, -0.25, 0.25, "0.00 [-.25,.25]"),
        (-1.0, -1.0, -0.87, "-1.00 [-1.0,-.87]"),
        (1.07, 0.98, 10.281, "1.07 [.98,10.28]"),
        (None, None, None, "-"),
        (0.5, None, None, "0.50 [-,-]"),
    ],
)
def test_numbers_are_short_and_carry_their_interval(
    value: float | None, low: float | None, high: float | None, shown: str
) -> None:
    assert with_interval(value, low, high) == shown


def test_figures_have_no_negative_zero() -> None:
    assert (figure(-0.0), figure(-0.001), end(-0.001)) == ("0.00", "0.00", ".00")


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_numbers_that_differ_look_different(value: float, threshold: float) -> None:
    left, right = apart(value, threshold)
    if abs(value - threshold) > 2e-6:
        assert left != right
    assert abs(float(left) - value) <= 0.0051


def test_a_value_just_beside_its_threshold_is_shown_so() -> None:
    assert apart(0.3004, 0.30) == ("0.3004", "0.3000")
    assert apart(0.25, 0.25) == ("0.25", "0.25")


def test_counts_and_lists() -> None:
    assert (count(1, "clip"), count(0, "clip"), count(2, "box", "boxes")) == ("1 clip", "0 clips", "2 boxes")
    assert listed(["a", "b"], 2) == "a; b"
    assert listed(["a", "b", "c"], 1) == "a; and 2 more in results.json"


def test_foreign_text_in_names_is_safe(tmp_path: Path) -> None:
    record = run(tmp_path, follower, model="evil\x1b[2Jmodel", kind="custom")
    record = replace(record, dataset={**record.dataset, "path": "data\x1b]0;title\x07"})
    shown = title(record) + headline(record).sentence + " ".join(rerun_command(record) or [])
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"evil\x1b[2Jmodel" in shown
