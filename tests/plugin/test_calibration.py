"""A saved calibration head on a run: before and after on the same answers, what it refuses, what it never does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import pytest_mcr.core.calibrated_arm
import pytest_mcr.run.calibrated  # noqa: F401  # imported once, as in conftest.py
from pytest_mcr.run.head_file import SCHEMA
from pytest_mcr.train.calibration_head import main
from tests.plugin.conftest import Runner
from tests.support import folders
from tests.support.pulled import PULLED, audible

MODEL = "headmodel:Pulled"
HERE = "--mcr-calibration=head.json"


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two datasets of 24 clips each that share none."""
    root = tmp_path_factory.mktemp("halves")
    made = folders.records(24)
    for name, part in (("fit", slice(0, 12)), ("new", slice(12, 24))):
        audible(folders.write(root / name, made))
        for task, rows in made.items():
            (root / name / task / f"{task}.json").write_text(json.dumps(rows[part]), encoding="utf-8")
    return root / "fit", root / "new"


@pytest.fixture(scope="session")
def head(halves: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a head that was fitted on the first dataset."""
    folder = tmp_path_factory.mktemp("head")
    (folder / "headmodel.py").write_text(PULLED, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["--model", MODEL, "--data", str(halves[0]), "--out", "head.json", "--edits", "0", "--cache", "off"]
        assert main(words) == 0
    return (folder / "head.json").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _here(pytester: pytest.Pytester, head: str) -> None:
    pytester.makepyfile(headmodel=PULLED)
    (pytester.path / "head.json").write_text(head, encoding="utf-8")


def arms(results: dict[str, Any], metric: str, condition: str, task: str = "*") -> dict[str, Any]:
    return {
        row["arm"]: row
        for row in results["metrics"]
        if "arm" in row and (row["metric"], row["condition"], row["task"]) == (metric, condition, task)
    }


def test_before_and_after_in_every_mode(mcr: Runner, halves: tuple[Path, Path], mode: Sequence[str]) -> None:
    ran = mcr(MODEL, halves[1], "--mcr-profile=report", HERE, *mode)
    assert ran.code == 0, ran.text
    ece = arms(ran.results, "ece", "adversarial")
    assert ece["raw"]["value"] > 0.8
    assert ece["calibrated"]["value"] < 0.3
    assert ece["raw"]["n"] == ece["calibrated"]["n"] == 24
    for metric in ("brier", "aurc", "auroc", "mean_confidence", "overconfidence"):
        assert set(arms(ran.results, metric, "adversarial")) == {"raw", "calibrated"}, metric
    curves: dict[str, list[float]] = {"raw": [], "calibrated": []}
    for row in ran.results["metrics"]:
        if "arm" in row and (row["metric"], row["condition"], row["task"]) == ("risk", "adversarial", "*"):
            curves[row["arm"]].append(row["value"])
    assert curves["raw"][-1] == curves["calibrated"][-1], "all answers are as wrong as before"
    assert curves["calibrated"][0] <= curves["raw"][0]
    assert "Calibration head" in ran.text
    assert "before the head and after it" in " ".join(ran.text.split())
    assert all(0 <= case["calibrated"] <= 1 for case in ran.cases)
    adversarial = [case for case in ran.cases if case["condition"] == "adversarial"]
    assert all(case["calibrated"] < case["confidence"] for case in adversarial)
    assert ran.results["settings"]["calibration"].endswith("head.json")
    triples = [
        (row["task"], row["condition"], row["metric"]) for row in ran.results["metrics"]
        if not {"arm", "gold", "text_label", "bound", "answers", "bin", "coverage"} & set(row)
    ]  # fmt: skip
    assert len(triples) == len(set(triples))


def test_the_rest_of_the_run_is_what_it_is_without(mcr: Runner, halves: tuple[Path, Path]) -> None:
    keys = ("answer", "raw", "verdict", "confidence", "scores", "prompt")
    plain = mcr(MODEL, halves[1], "--mcr-profile=report", "--mcr-cache=off")
    cases = [{key: case[key] for key in keys} for case in plain.cases]
    rows = [row for row in plain.results["metrics"] if "arm" not in row]
    assert len(rows) == len(plain.results["metrics"])
    assert all("calibrated" not in case for case in plain.cases)
    headed = mcr(MODEL, halves[1], "--mcr-profile=report", "--mcr-cache=off", HERE)
    assert [{key: case[key] for key in keys} for case in headed.cases] == cases
    assert [row for row in headed.results["metrics"] if "arm" not in row] == rows


def test_clips_that_it_learned_from_make_the_run_invalid(mcr: Runner, halves: tuple[Path, Path]) -> None:
    ran = mcr(MODEL, halves[0], "--mcr-profile=report", HERE)
    assert ran.code == 8, ran.text
    (reason,) = ran.results["reasons"]
    assert "learned from 12 of the 24 clips of this run (AQA-" in reason
    assert "--mcr-data that it has not seen" in reason
    assert arms(ran.results, "ece", "adversarial")["calibrated"]["n"] == 12
    learned = [case["sample"] for case in ran.cases if case["calibrated"] is None]
    assert len(set(learned)) == 12
    ran.clean()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mcr-template=paper",), ("template discretion", "this run has paper", "--mcr-template discretion")),
        (("--mcr-answer=score",), ("answer generate", "this run has score", "--mcr-answer generate")),
        (("--mcr-confidence=verbal",), ("made of candidate scores", "drop one of the two")),
        (("--mcr-calibration=nowhere.json",), ("nowhere.json: cannot be read",)),
        (("--mcr-calibration=conflict.json",), ("heads.correctness is missing", "--target both")),
        (("--mcr-calibration=other.json",), ('schema is "x"', SCHEMA)),
    ],
)
def test_refusals(
    mcr: Runner,
    halves: tuple[Path, Path],
    pytester: pytest.Pytester,
    head: str,
    words: Sequence[str],
    said: Sequence[str],
) -> None:
    loaded = json.loads(head)
    (pytester.path / "other.json").write_text(json.dumps(loaded | {"schema": "x"}))
    del loaded["heads"]["correctness"]
    (pytester.path / "conflict.json").write_text(json.dumps(loaded))
    mcr(MODEL, halves[1], HERE, *words).refused(*said)


def test_recorded_answers_hold_no_branches(mcr: Runner, halves: tuple[Path, Path]) -> None:
    first = mcr(MODEL, halves[1], "--mcr-profile=report", HERE)
    recorded = first.out.rename(first.out.with_name("first")) / "cases.jsonl"
    mcr(f"replay:{recorded}", halves[1], HERE).refused("recorded answers hold no branch T and 0")
    again = mcr(f"replay:{recorded}", halves[1], "--mcr-profile=report")
    assert again.code == 0, again.text


def test_a_head_of_another_model_is_marked(mcr: Runner, halves: tuple[Path, Path], pytester: pytest.Pytester) -> None:
    path = pytester.path / "head.json"
    path.write_text(path.read_text().replace('"pulled-1"', '"pulled-0"'))
    ran = mcr(MODEL, halves[1], "--mcr-profile=report", HERE)
    assert ran.code == 0, ran.text
    assert any("was fitted on pulled (pulled-0), another model" in note for note in ran.results["run"]["notes"])
    found = arms(ran.results, "ece", "adversarial")
    assert "head of another model" in found["calibrated"]["note"]
    assert "head of another model" not in found["raw"].get("note", "")
    assert "the head was fitted on another model" in " ".join(ran.text.split())


def test_a_failed_branch_is_an_error_and_no_confidence(mcr: Runner, halves: tuple[Path, Path]) -> None:
    ran = mcr(f"{MODEL}?silence=1", halves[1], "--mcr-profile=report", HERE, "--mcr-suite=bench")
    assert ran.code == 1, ran.text
    (reason,) = ran.results["reasons"]
    assert reason.startswith(
        "calibration: 96 of 96 cases have no calibrated confidence, e.g. AQA-0000-adversarial: no silence"
    )
    assert all(case["calibrated"] is None and case["error"] is None for case in ran.cases)
    assert not any("arm" in row for row in ran.results["metrics"])


def test_the_ini_key(mcr: Runner, halves: tuple[Path, Path], pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmcr_calibration = nowhere.json\n")
    mcr(MODEL, halves[1]).refused("nowhere.json")
    assert pytester.runpytest_inprocess("--co", "-q").ret == 5  # inert without a model


def test_groups_count_within_one_dataset_only(
    mcr: Runner, halves: tuple[Path, Path], pytester: pytest.Pytester, head: str
) -> None:
    """Every corpus has a speaker 1: the name alone says nothing about another dataset, and all about the same one."""
    shutil.copytree(halves[1], pytester.path / "data")
    for task in ("AQA", "SER"):
        path = pytester.path / "data" / task / f"{task}.json"
        rows = [row | {"split_group": f"speaker {n % 3}"} for n, row in enumerate(json.loads(path.read_text()))]
        path.write_text(json.dumps(rows))
    loaded = json.loads(head) | {"dev_groups": ["speaker 1"]}
    (pytester.path / "head.json").write_text(json.dumps(loaded))
    ran = mcr(MODEL, pytester.path / "data", "--mcr-profile=report", HERE)
    assert ran.code == 0, ran.text
    loaded["data"]["digest"] = ran.results["dataset"]["digest"]
    (pytester.path / "head.json").write_text(json.dumps(loaded))
    again = mcr(MODEL, pytester.path / "data", "--mcr-profile=report", HERE)
    assert again.code == 8, again.text
    assert "learned from 8 of the 24 clips" in again.results["reasons"][0]
