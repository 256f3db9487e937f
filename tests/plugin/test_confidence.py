"""The confidence suite on planted models: exact numbers, in every mode, and clear words where it has nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.plugin.conftest import Ran, Runner

SUITE = ("--mcr-suite", "bench,confidence")
REPORT = (*SUITE, "--mcr-profile", "report")
STRICT = (*SUITE, "--mcr-profile", "strict")


def rows(ran: Ran) -> list[dict[str, Any]]:
    return [row for row in ran.results["metrics"] if row["metric"].startswith(("ece", "brier", "nll", "aurc", "risk"))]


def test_a_text_follower_has_the_numbers_that_were_planted(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:text-follower?confidence=0.95", data, *REPORT, *mode)
    assert ran.code == 0, ran.text
    found = {
        name: [ran.metric(name, c) for c in ("neutral", "adversarial")] for name in ("ece", "brier", "nll", "aurc")
    }
    assert found["ece"] == pytest.approx([0.05, 0.95])
    assert found["brier"] == pytest.approx([0.05**2, 0.95**2])
    yes_no, three = -math.log(0.05), -math.log(0.025)  # AQA has two candidates, SER three
    assert found["nll"] == pytest.approx([-math.log(0.95), (yes_no + three) / 2])
    assert found["aurc"] == pytest.approx([0, 1])
    assert ran.metric("ece_shift", "adversarial") == pytest.approx(0.9)
    assert ran.metric("brier_shift", "adversarial") == pytest.approx(0.9)
    assert ran.metric("overconfidence_shift", "adversarial") is None
    assert ran.metric("brier_multi", "neutral", "SER") == pytest.approx(0.05**2 + 2 * 0.025**2)
    bins = [row for row in ran.results["metrics"] if row["metric"] == "reliability" and row["task"] == "*"]
    assert {(row["condition"], row["bin"], row["value"], row["n"]) for row in bins} >= {
        ("neutral", "0.933-1.000", 1.0, 24),
        ("adversarial", "0.933-1.000", 0.0, 24),
    }
    assert "Confidence" in ran.result.outlines
    assert "neutral: right" in ran.text
    ElementTree.parse(ran.out / "reliability.svg")


def test_the_suite_alone_asks_the_cases_itself(mcr: Runner, data: Path) -> None:
    whole = mcr("oracle:noisy?p=0.6", data, *REPORT, "-n2")
    assert whole.result.parseoutcomes()["passed"] == 96 + 2
    svg = (whole.out / "reliability.svg").read_bytes()
    alone = mcr("oracle:noisy?p=0.6", data, "--mcr-suite", "confidence", "--mcr-profile", "report")
    assert rows(alone) == rows(whole)
    assert (alone.out / "reliability.svg").read_bytes() == svg
    assert alone.results["counts"]["cases"] == 96


def test_gates_in_strict_and_none_in_release(mcr: Runner, data: Path, data40: Path) -> None:
    ran = mcr("oracle:text-follower", data40, *STRICT, "--mcr-tasks", "AQA")
    failed = {gate for gate, verdict in ran.gates.items() if verdict == "fail"}
    assert failed >= {"ece[adversarial] <= 0.15", "brier[adversarial] <= 0.25@95", "ece_shift[adversarial] <= 0.10",
                      "brier_shift[adversarial] <= 0.15", "overconfidence[adversarial] <= 0.40"}  # fmt: skip
    assert ran.gates["overconfidence_shift[adversarial] <= 0.20"] == "not_judged"
    release = mcr("oracle:text-follower", data, *SUITE)
    assert not [gate for gate in release.gates if gate.startswith(("ece", "brier", "over", "auroc"))]


def test_alone_under_strict_it_judges_its_own_gates_only(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-suite", "confidence", "--mcr-profile", "strict")
    assert ran.code == 0, ran.text
    assert len(ran.gates) == 7
    assert set(ran.gates.values()) == {"pass"}
    assert "mrs >= 0.90@95" in ran.results["gates_not_judged"]


@pytest.mark.parametrize("spread", [(), ("-n2",)], ids=["bare", "n2"])
def test_without_scores_each_task_says_so(mcr: Runner, data: Path, spread: Sequence[str]) -> None:
    ran = mcr("oracle:listener?scores=no", data, *REPORT, "-rs", *spread)
    assert ran.code == 0
    assert ran.result.parseoutcomes()["skipped"] == 2
    assert "the model gives no scores of the candidates" in ran.text
    assert ran.metric("ece", "neutral") is None
    assert "not measured: the model gives no scores" in ran.text
    assert not (ran.out / "reliability.svg").exists()


def test_gates_without_scores(mcr: Runner, data: Path) -> None:
    gate = ("--mcr-gate", "brier[adversarial] <= 0.2")
    assert mcr("oracle:listener?scores=no", data, *SUITE, *gate).gates == {gate[1]: "invalid"}
    strict = mcr("oracle:listener?scores=no", data, *STRICT)
    assert strict.gates["ece[adversarial] <= 0.15"] == "not_judged"


def test_a_diagram_of_an_earlier_run_does_not_stay(mcr: Runner, data: Path) -> None:
    first = mcr("oracle:listener", data, *REPORT)
    assert (first.out / "reliability.svg").exists()
    second = mcr("oracle:listener", data, "--mcr-suite", "bench", "--mcr-profile", "report")
    assert not (second.out / "reliability.svg").exists()
    assert second.metric("overconfidence", "adversarial") is None
    assert "ece" not in {row["metric"] for row in second.results["metrics"]}


def test_recorded_scores_are_measured_like_any(mcr: Runner, data: Path, tmp_path: Path) -> None:
    live = mcr("oracle:noisy?p=0.6", data, *REPORT)
    kept, record = rows(live), tmp_path / "cases.jsonl"
    record.write_text((live.out / "cases.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "results.json").write_text((live.out / "results.json").read_text(encoding="utf-8"), encoding="utf-8")
    again = mcr(f"replay:{record}", data, *REPORT)
    assert again.code == 0, again.text
    assert rows(again) == kept


def test_an_error_leaves_the_numbers_and_is_counted(mcr: Runner, data: Path, factories: Path) -> None:
    ran = mcr("models:RaisesOnOne", data, *REPORT)
    assert ran.code == 1
    found = [row for row in ran.results["metrics"] if (row["metric"], row["task"]) == ("ece", "AQA")]
    assert {row["condition"]: row["n"] for row in found} == {
        "neutral": 12, "faithful": 11, "adversarial": 12, "irrelevant": 12
    }  # fmt: skip


def test_a_gate_needs_its_suite_its_condition_and_its_companion(mcr: Runner, data: Path) -> None:
    mcr("oracle:listener", data, "--mcr-gate", "brier[neutral] <= 1").refused("confidence suite", "bench,confidence")
    mcr("oracle:listener", data, *SUITE, "--mcr-gate", "ece[neutral] <= 1").refused("auroc[neutral]")
    few = ("--mcr-conditions", "neutral,faithful")
    mcr("oracle:listener", data, *SUITE, *few, "--mcr-gate", "brier_shift[adversarial] <= 1").refused("adversarial")


def test_its_path_names_the_suite_and_without_a_model_it_is_skipped(
    mcr: Runner, data: Path, pytester: pytest.Pytester
) -> None:
    ran = mcr("oracle:listener", data, *REPORT, "mcr/test_confidence.py", "mcr/test_mcr_bench.py")
    assert ran.metric("ece", "neutral") == pytest.approx(0.05)
    assert json.loads((ran.out / "results.json").read_text(encoding="utf-8"))["verdict"] == "pass"
    from pytest_mcr.data.shipped import suite

    copy = pytester.makepyfile(test_mine=suite("test_confidence.py").read_text(encoding="utf-8"))
    pytester.runpytest_inprocess(copy).assert_outcomes(skipped=1)


def test_the_benchmark_alone_can_be_gated_on_what_it_measures_anyhow(mcr: Runner, data40: Path) -> None:
    gates = ("--mcr-gate", "overconfidence[adversarial] <= 0.4", "--mcr-gate", "auroc[adversarial] >= 0.7")
    ran = mcr("oracle:text-follower", data40, "--mcr-suite", "bench", *gates)
    assert ran.gates["overconfidence[adversarial] <= 0.4"] == "fail"
    refused = mcr("oracle:text-follower", data40, "--mcr-suite", "bench", "--mcr-gate", "ece[adversarial] <= 0.1")
    assert "needs the confidence suite" in refused.text
