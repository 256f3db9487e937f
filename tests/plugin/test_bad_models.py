"""Models that break their contract or do not listen: what they spoil is an error or INVALID, never a score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

GATE = ("--mcr-gate", "accuracy[adversarial] >= 0.5")
pytestmark = pytest.mark.usefixtures("factories")


def test_raises_on_one_case(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("models:RaisesOnOne", data, *GATE, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (1, "fail")
    assert [case["error"] for case in ran.cases if case["error"]] == ["the model raised ValueError: bad clip"]
    assert {case["verdict"] for case in ran.cases if case["id"] != "AQA-0003-faithful"} == {"audio"}
    assert ran.metric("accuracy", "adversarial") == 1.0
    ran.result.assert_outcomes(passed=96, failed=1)


def test_raises_on_all(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:crasher?how=all", data, *GATE, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["canary"]["verdict"] == "fail"
    assert "RuntimeError" in ran.results["canary"]["detail"]


def test_raises_on_every_case(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:crasher", data, *GATE)
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["counts"]["errors"] == 96
    assert not any(case["answer"] or case["scores"] or case["raw"] for case in ran.cases)


def test_out_of_memory_on_batches_gives_the_answers_of_batch_1(mcr: Runner, data: Path) -> None:
    ran = mcr("models:RaisesOnBatches", data, *GATE)
    assert (ran.code, ran.results["counts"]["errors"]) == (0, 0)
    assert ran.metric("accuracy", "adversarial") == 1.0


def test_too_few_answers(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:short", data, *GATE, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["counts"]["errors"] == 96
    assert all("respond() must return one each, in order" in case["error"] for case in ran.cases)


def test_no_sequence(mcr: Runner, data: Path) -> None:
    ran = mcr("models:NotASequence", data, *GATE)
    assert ran.code == 8
    assert "gave a list_iterator answers" in ran.cases[0]["error"]


def test_wrong_types_cost_their_own_cases(mcr: Runner, data: Path) -> None:
    ran = mcr("models:WrongTypes", data, *GATE)
    assert (ran.code, ran.results["verdict"]) == (1, "fail")
    assert {case["id"]: case["error"] for case in ran.cases if case["error"]} == {
        "AQA-0001-neutral": "respond() returned a str; expected pytest_mcr.Response",
        "AQA-0002-faithful": "Response.text is a int; expected str",
        "AQA-0003-adversarial": "the response has neither text nor scores nor error",
        "AQA-0004-irrelevant": "scores are for ['yes']; expected exactly the candidates ['no', 'yes']",
    }


def test_errors_over_budget(mcr: Runner, data: Path) -> None:
    ran = mcr("models:ErrorsOnFour", data, *GATE)
    assert (ran.code, ran.results["reasons"][0]) == (8, "AQA[neutral]: 4 errors in 12 cases, 1 allowed")
    ran = mcr("models:ErrorsOnFour", data, *GATE, "--mcr-max-errors", "0.34")
    assert (ran.code, ran.results["verdict"]) == (1, "fail")


def test_unparsed_over_budget(mcr: Runner, data: Path) -> None:
    ran = mcr("models:MumblesOnFour", data, *GATE)
    assert (ran.code, ran.results["reasons"][0]) == (8, "AQA[neutral]: 4 unparsed answers in 12 cases, 1 allowed")
    assert ran.results["counts"]["unparsed"] == 4
    ran = mcr("models:MumblesOnFour", data, *GATE, "--mcr-max-unparsed", "0.34")
    assert (ran.code, ran.metric("accuracy", "neutral", "AQA")) == (0, 8 / 12)


def test_nan_scores(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:nan", data, *GATE, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["counts"]["errors"] == 96
    assert "score of 'yes' is nan; expected a finite number" in ran.cases[0]["error"]


@pytest.mark.parametrize("name", ["deaf", "constant", "mute"])
def test_ignores_the_audio(mcr: Runner, data: Path, name: str) -> None:
    ran = mcr(f"oracle:{name}", data, "--mcr-profile", "report")
    assert (ran.code, ran.results["verdict"], ran.results["canary"]["verdict"]) == (8, "invalid", "fail")
    assert ran.results["counts"]["cases"] == 0
    assert any(line.startswith("INVALID: ") for line in ran.result.outlines)


def test_says_the_same_after_the_canary(mcr: Runner, data: Path) -> None:
    """A hearing gate is INVALID then; an accuracy gate is still judged and fails."""
    ran = mcr("models:SaysTheSame", data, "--mcr-tasks", "AQA", *GATE, "--mcr-gate", "tir[adversarial] <= 0.3")
    assert ran.code == 8
    assert ran.gates == {GATE[1]: "pass", "tir[adversarial] <= 0.3": "invalid"}


def test_foreign_text_survives(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("models:Surrogates", data, "--mcr-tasks", "SER", *GATE, *mode)
    ran.clean()
    assert (ran.code, ran.results["counts"]["unparsed"]) == (0, 0)
    assert ran.cases[0]["raw"] == "[bold red]? \x1b[31m angry[/]\xa0"
    assert "\x1b[31m angry" not in ran.text


def test_foreign_text_is_shown_as_it_is(mcr: Runner, data: Path) -> None:
    """The summary's three clips quote answers and texts: markup is text there, an escape is spelled out."""
    ran = mcr("models:Follows", data, "--mcr-tasks", "SER", *GATE)
    assert ran.code == 1
    assert "-> happy" in ran.text
    assert "\x1b[31m" not in ran.text


def test_numpy_scores(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("models:NumpyNumbers", data, *GATE, *mode)
    assert (ran.code, ran.results["counts"]["errors"]) == (0, 0)
    assert ran.cases[0]["confidence"] == pytest.approx(0.95, abs=1e-6)


def test_scribbles_over_everything(mcr: Runner, data: Path) -> None:
    ran = mcr("models:Mutates", data, *GATE)
    assert (ran.code, ran.results["counts"]["errors"]) == (0, 0)
    assert ran.metric("accuracy", "adversarial") == 1.0
    assert all(case["scores"] for case in ran.cases)


def test_text_only_model(mcr: Runner, data: Path) -> None:
    ran = mcr("models:TextOnly", data, *GATE)
    assert ran.code == 0
    assert ran.cases[0]["scores"] is None
    assert ran.cases[0]["confidence"] is None
    assert "different answers to an open question" in ran.results["canary"]["detail"]


def test_answer_by_score_needs_scores(mcr: Runner, data: Path) -> None:
    ran = mcr("models:TextOnly", data, *GATE, "--mcr-answer", "score")
    assert (ran.code, ran.results["counts"]["errors"]) == (8, 96)
    assert "--mcr-answer score needs scores" in ran.cases[0]["error"]


def test_the_model_is_loaded_once_with_its_options_and_closed(
    mcr: Runner, data: Path, pytester: pytest.Pytester
) -> None:
    ran = mcr("models:CountsLoads?a=1&b=x%20y", data, *GATE)
    assert ran.code == 0
    assert (pytester.path / "loads.txt").read_text() == "load {'a': '1', 'b': 'x y'}\nclose\n"
