"""The result files: exactly the documented keys, the same numbers in every mode, foreign files untouched."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.conftest import EXTRA_KEYS, Ran, Runner
from tests.support import folders

TOP = (
    "schema verdict reasons run model dataset protocol settings metrics gates gates_not_judged counts canary audit "
    "timing cases_digest digest"
)
NESTED = {
    "run": "id started seconds workers argv seed versions git notes",
    "model": "spec name kind fingerprint device dtype traits",
    "dataset": "path kind digest samples",
    "counts": "cases errors unparsed flagged cached",
    "canary": "verdict detail",
}
CASE = (
    "id task sample source_id condition audio prompt gold text_label answer raw verdict confidence scores seconds "
    "cached error"
)
REPORT = ("--mcr-profile", "report")


def numbers(value: object) -> Iterator[float]:
    """Every number inside a JSON value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, (int, float)):
        yield value


def timeless(ran: Ran) -> list[str]:
    """The lines of ``cases.jsonl`` without their wall time."""
    return [json.dumps({**case, "seconds": None}) for case in ran.cases]


def settled(ran: Ran) -> dict[str, Any]:
    """What must not depend on how a run was distributed."""
    keys = ("verdict", "reasons", "dataset", "protocol", "metrics", "gates", "gates_not_judged", "counts", "canary")
    return {key: ran.results[key] for key in keys}


def test_keys(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:noisy?p=0.8", data)
    results = ran.results
    assert list(results) == TOP.split()
    assert results["schema"] == "pytest-mcr.results/1"
    for name, keys in NESTED.items():
        assert list(results[name]) == keys.split(), name
    assert set(results["protocol"]) >= {"template", "answer", "candidates_shown"}
    assert set(results["run"]["git"]) == {"sha", "dirty"}
    assert {"python", "pytest", "numpy", "scipy", "pytest-mcr"} <= set(results["run"]["versions"])
    assert results["dataset"]["samples"] == {"AQA": 12, "SER": 12}
    assert results["model"]["kind"] == "oracle"
    assert all(list(gate) == ["expr", "value", "low", "high", "verdict", "reason"] for gate in results["gates"])
    for row in results["metrics"]:
        assert list(row)[:7] == ["task", "condition", "metric", "value", "low", "high", "n"], row
        assert set(row) - {"task", "condition", "metric", "value", "low", "high", "n", "note"} <= EXTRA_KEYS, row
    assert [list(case) for case in ran.cases] == [CASE.split()] * 96


def test_one_row_a_number(mcr: Runner, data: Path) -> None:
    rows = mcr("oracle:noisy?p=0.8", data).results["metrics"]
    plain = Counter((row["task"], row["condition"], row["metric"]) for row in rows if not EXTRA_KEYS & set(row))
    assert [key for key, count in plain.items() if count > 1] == []
    assert {row["task"] for row in rows} == {"AQA", "SER", "*"}
    wanted = {"accuracy", "accuracy_worst", "accuracy_best", "normalized_accuracy", "macro_accuracy",
              "balanced_accuracy", "skill", "tir", "tir_all", "tir_excess", "flip", "harm", "mrs", "mrs_uncapped",
              "text_follow", "tdr", "flagged", "unparsed", "mean_confidence", "overconfidence"}  # fmt: skip
    assert wanted <= {row["metric"] for row in rows}
    assert all(row["condition"] is None for row in rows if row["metric"] in ("mrs", "mrs_uncapped", "macro_accuracy"))
    assert all(row["condition"] for row in rows if row["metric"] not in ("mrs", "mrs_uncapped", "macro_accuracy"))


@pytest.mark.parametrize("model", ["oracle:crasher", "oracle:noisy?p=0.5&scores=no", "oracle:flagger", "oracle:deaf"])
def test_never_nan(mcr: Runner, data: Path, model: str) -> None:
    ran = mcr(model, data)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    for name in ("results.json", "cases.jsonl"):
        for line in (ran.out / name).read_text(encoding="utf-8").splitlines() if name == "cases.jsonl" else [""]:
            text = line or (ran.out / name).read_text(encoding="utf-8")
            assert all(math.isfinite(number) for number in numbers(json.loads(text, parse_constant=refuse)))
    for row in ran.results["metrics"]:
        if row["value"] is not None and row["low"] is not None:
            assert row["low"] - 1e-9 <= row["value"] <= row["high"] + 1e-9, row


def test_the_same_in_every_mode(mcr: Runner, data: Path) -> None:
    model = "oracle:noisy?p=0.7&seed=3"
    runs = {mode: mcr(model, data, "--mcr-profile", "release", *mode) for mode in [()]}
    bare, lines = settled(runs[()]), timeless(runs[()])
    assert [case["id"] for case in runs[()].cases] == [
        f"{task}-{number:04d}-{condition}"
        for task in ("AQA", "SER")
        for number in range(12)
        for condition in ("neutral", "faithful", "adversarial", "irrelevant")
    ]
    for mode in (("-n0",), ("-n2",), ("-p", "no:xdist")):
        other = mcr(model, data, *mode)
        assert settled(other) == bare, mode
        assert timeless(other) == lines, mode
        assert other.results["run"]["workers"] == (2 if mode == ("-n2",) else 0)


def test_foreign_files_stay_and_ours_are_replaced(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    out = pytester.path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    (out / "results.json").write_text("old", encoding="utf-8")
    ran = mcr("oracle:listener", data, *REPORT)
    assert ran.results["verdict"] == "pass"
    assert sorted(path.name for path in out.iterdir()) == ["cases.jsonl", "notes.txt", "results.json"]
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert not (pytester.path / ".mcr").exists()


def test_latest_points_to_the_last_run(pytester: pytest.Pytester, data: Path) -> None:
    for model in ("oracle:listener", "oracle:text-follower"):
        pytester.runpytest_inprocess("--mcr-model", model, "--mcr-data", str(data), *REPORT)
        latest = pytester.path / ".mcr" / "latest"
        assert json.loads((latest / "results.json").read_text(encoding="utf-8"))["model"]["spec"] == model
    runs = sorted((pytester.path / ".mcr" / "runs").iterdir())
    assert len(runs) == 2
    shutil.move(pytester.path / ".mcr", pytester.path / "moved")
    assert (pytester.path / "moved" / "latest" / "results.json").is_file()


def test_a_folder_that_cannot_be_written(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    (pytester.path / "out").write_text("a file", encoding="utf-8")
    ran = mcr("oracle:listener", data, *REPORT)
    ran.clean()
    assert ran.code == 4, ran.text
    assert sum("--mcr-out" in line and str(ran.out) in line for line in ran.text.splitlines() if "ERROR" in line) == 1


def test_replay_of_our_own_cases(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    first = mcr("oracle:noisy?p=0.7", data, *REPORT)
    before = first.results
    (pytester.path / "answers.jsonl").write_bytes((first.out / "cases.jsonl").read_bytes())
    again = mcr("replay:answers.jsonl", data, *REPORT).results
    assert again["canary"]["verdict"] == "not_applicable"
    assert again["model"]["kind"] == "replay"
    controls = {"tir_excess"}

    def rows(results: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in results["metrics"] if row["condition"] != "placebo" and row["metric"] not in controls]

    assert rows(again) == rows(before)
    assert again["verdict"] == "pass"


def test_replay_with_an_answer_missing_is_invalid(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    lines = (mcr("oracle:listener", data, *REPORT).out / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    (pytester.path / "answers.jsonl").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    ran = mcr("replay:answers.jsonl", data, *REPORT)
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert "SER-0011-irrelevant" in ran.text


def test_a_text_with_a_line_separator_stays_in_its_line(mcr: Runner, tmp_path: Path) -> None:
    made = folders.records(3, ("SER",))
    for row in made["SER"]:
        row["adversarial"] = f"One line.\u2028{row['adversarial']}"
    ran = mcr("oracle:listener", folders.write(tmp_path / "data", made), *REPORT)
    assert "\u2028" in (ran.out / "cases.jsonl").read_text(encoding="utf-8")  # written as it is, not escaped
    assert len(ran.cases) == 12
    assert {case["condition"] for case in ran.cases if "\u2028" in case["prompt"]} == {"adversarial"}


def test_source_ids_and_nested_audio(mcr: Runner, tmp_path: Path) -> None:
    made = folders.records(12)
    made["AQA"][0]["id"] = "clip-a"
    ran = mcr("oracle:listener", folders.write(tmp_path / "data", made), *REPORT)
    assert (ran.cases[0]["source_id"], ran.cases[0]["audio"]) == ("clip-a", "AQA/audio/aqa-0.wav")
    assert ran.cases[4]["source_id"] is None


def test_a_task_whose_name_has_hyphens(mcr: Runner, tmp_path: Path) -> None:
    made = folders.records(12)
    made["MM-A_1"] = made.pop("AQA")
    made["A_1"] = made.pop("SER")
    root = folders.write(tmp_path / "data", made)
    for mode in ((), ("-n2",)):
        ran = mcr("oracle:listener", root, *REPORT, *mode)
        assert (ran.code, ran.results["verdict"], len(ran.cases)) == (0, "pass", 96), ran.text
