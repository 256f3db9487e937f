"""The model that ships with the project, end to end through real processes: it hears, and it follows the text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.data.shipped import fixture


def run(pytester: pytest.Pytester, *words: str) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    out = pytester.path / "out"
    ran = pytester.runpytest_subprocess("--mcr-model", "lab", "--mcr-cache", "off", "--mcr-out", str(out), *words)
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    cases = [json.loads(line) for line in (out / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    return int(ran.ret), results, cases


def without_time(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in case.items() if key != "seconds"} for case in cases]


def test_the_lab_model_is_blocked_and_workers_agree(pytester: pytest.Pytester) -> None:
    code, results, cases = run(pytester, "--mcr-limit", "24")
    assert code == 1, results["reasons"]
    assert results["verdict"] == "fail"
    assert results["model"]["kind"] == "lab"
    assert results["model"]["traits"]["family"] == "qwen2_audio"
    assert results["dataset"]["kind"] == "mini"
    assert results["canary"]["verdict"] == "pass"
    value = {
        row["condition"]: row["value"]
        for row in results["metrics"]
        if row["metric"] == "accuracy" and row["task"] == "*"
    }
    assert value["neutral"] >= 0.8
    assert value["faithful"] >= 0.9
    assert value["adversarial"] <= 0.3
    assert sum(not case["raw"] for case in cases) <= len(cases) / 50
    for case in cases:
        assert set(case["scores"]) >= {case["answer"]} - {None}
    workers = run(pytester, "--mcr-limit", "24", "-n2")
    assert workers[0] == code
    assert workers[1]["metrics"] == results["metrics"]
    assert without_time(workers[2]) == without_time(cases)


def strangers(root: Path, per_task: int) -> Path:
    """Clips that the model tells apart, with gold answers that have nothing to do with them.

    The first lasts 9 s, which is longer than the lab model hears.
    """
    mini = fixture("mini-mcr")
    for task in ("AQA", "SER"):
        rows = json.loads((mini / task / f"{task}.json").read_text(encoding="utf-8"))[:per_task]
        labels = sorted({row["gt"] for row in rows})
        (root / task / "audio").mkdir(parents=True)
        for n, row in enumerate(rows):
            shutil.copy(mini / task / row["audio"], root / task / row["audio"])
            row["gt"] = labels[n % len(labels)]
            row.pop("text_labels", None)
        (root / task / f"{task}.json").write_text(json.dumps(rows), encoding="utf-8")
    long = root / "AQA" / "audio" / "aqa-0000.ogg"
    soundfile.write(long, np.random.default_rng(0).normal(0, 0.1, 9 * 16_000), 16_000)
    return root


def test_clips_that_tell_nothing_read_hearing_not_shown_and_a_long_one_is_an_error(pytester: pytest.Pytester) -> None:
    data = strangers(pytester.path / "data", 12)
    words = ("--mcr-data", str(data), "--mcr-suite", "bench", "--mcr-profile", "report", "--mcr-max-unparsed", "1")
    code, results, cases = run(pytester, *words)
    assert code == 1, results["reasons"]
    assert results["reasons"] == ["4 cases had an error"]
    errors = {case["id"]: case["error"] for case in cases if case["error"]}
    assert set(errors) == {f"AQA-0000-{name}" for name in CONDITIONS}
    assert all("9.0 s" in error and "8 s" in error for error in errors.values()), errors
    assert results["canary"]["verdict"] == "pass"
    notes = {row["task"]: row.get("note", "") for row in results["metrics"] if row["metric"] == "mrs"}
    assert "hearing not shown" in notes["AQA"]
    assert "hearing not shown" in notes["*"]
