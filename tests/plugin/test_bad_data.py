"""Bad data: one clear line and the documented exit code, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.plugin.conftest import Runner
from tests.support import folders

GATE = ("--mcr-gate", "accuracy[adversarial] >= 0.5")
Edit = Callable[[dict[str, Any]], object]


def edited(root: Path, edit: Edit, at: int = 3) -> Path:
    """A dataset of which one record is changed."""
    made = folders.records(12)
    edit(made["AQA"][at])
    return folders.write(root, made)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda record: record.pop("gt"), ("AQA.json", "3", "gt")),
        (lambda record: record.pop("audio"), ("AQA.json", "3", "audio")),
        (lambda record: record.pop("neutral"), ("AQA.json", "3", "neutral")),
        (lambda record: record.update(adversarial="  "), ("AQA.json", "3", "adversarial", "empty")),
        (lambda record: record.update(neutral=""), ("AQA.json", "3", "neutral")),
        (lambda record: record.update(gt=7), ("AQA.json", "3", "gt")),
    ],
    ids=["no gold", "no audio", "no question", "empty text", "empty question", "gold is a number"],
)
def test_a_bad_record(mcr: Runner, tmp_path: Path, edit: Edit, words: tuple[str, ...]) -> None:
    made = folders.records(12)
    edit(made["AQA"][3])
    spare = {**made["AQA"][3], "audio": "aqa-3.wav"}
    root = folders.write(tmp_path / "data", {**made, "AQA": [*made["AQA"][:3], spare, *made["AQA"][4:]]})
    (root / "AQA" / "AQA.json").write_text(json.dumps(made["AQA"]), encoding="utf-8")
    mcr("oracle:listener", root).refused(*words)


def test_no_such_folder(mcr: Runner, tmp_path: Path, mode: Sequence[str]) -> None:
    mcr("oracle:listener", tmp_path / "nowhere", *mode).refused("nowhere", "give a folder that holds <TASK>")


def test_a_file_is_no_folder(mcr: Runner, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("[]", encoding="utf-8")
    mcr("oracle:listener", tmp_path / "data.json").refused("data.json")


def test_no_task_json(mcr: Runner, tmp_path: Path) -> None:
    (tmp_path / "AQA" / "audio").mkdir(parents=True)
    mcr("oracle:listener", tmp_path).refused("AQA.json")


def test_truncated_json(mcr: Runner, tmp_path: Path) -> None:
    root = folders.dataset(tmp_path / "data", 12)
    manifest = root / "AQA" / "AQA.json"
    manifest.write_text(manifest.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    mcr("oracle:listener", root).refused("AQA.json")


def test_duplicate_ids(mcr: Runner, tmp_path: Path) -> None:
    made = folders.records(12)
    made["SER"][2]["id"] = made["SER"][5]["id"] = "clip-7"
    mcr("oracle:listener", folders.write(tmp_path / "data", made)).refused("SER.json", "clip-7")


@pytest.mark.parametrize("how", ["dots", "absolute", "symlink"])
def test_path_outside_of_the_root(mcr: Runner, tmp_path: Path, how: str) -> None:
    root = folders.dataset(tmp_path / "data", 12)
    outside = tmp_path / "secret.wav"
    soundfile.write(outside, np.zeros(800), 8000)
    manifest = root / "AQA" / "AQA.json"
    records = json.loads(manifest.read_text(encoding="utf-8"))
    if how == "symlink":
        clip = root / "AQA" / "audio" / records[3]["audio"]
        clip.unlink()
        clip.symlink_to(outside)
    else:
        records[3]["audio"] = str(outside) if how == "absolute" else "../../secret.wav"
        manifest.write_text(json.dumps(records), encoding="utf-8")
    mcr("oracle:listener", root).refused("AQA.json", "outside")


def test_missing_clip(mcr: Runner, tmp_path: Path, mode: Sequence[str]) -> None:
    root = folders.dataset(tmp_path / "data", 12)
    (root / "AQA" / "audio" / "aqa-3.wav").unlink()
    mcr("oracle:listener", root, *mode).refused("AQA.json", "aqa-3.wav")


def empty(clip: Path) -> None:
    clip.write_bytes(b"")


def truncated(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[:400])


def garbage(clip: Path) -> None:
    clip.write_bytes(b"this is no sound" * 100)


def no_samples(clip: Path) -> None:
    soundfile.write(clip, np.zeros(0, dtype=np.float32), 8000, subtype="PCM_16")


def not_a_number(clip: Path) -> None:
    samples = np.full(1600, 0.1, dtype=np.float32)
    samples[7] = np.nan
    soundfile.write(clip, samples, 8000, subtype="FLOAT")


SPOILERS = (empty, truncated, garbage, no_samples, not_a_number)


@pytest.mark.parametrize("spoil", SPOILERS)
def test_one_bad_clip_costs_its_own_cases(mcr: Runner, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    root = folders.dataset(tmp_path / "data", 12)
    spoil(root / "AQA" / "audio" / "aqa-3.wav")
    ran = mcr("oracle:listener", root, *GATE)
    if ran.code == 4:  # already plain from its size
        return ran.refused("aqa-3.wav")
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (1, "fail")
    errors = {case["id"]: case["error"] for case in ran.cases if case["verdict"] == "error"}
    assert sorted(errors) == [f"AQA-0003-{name}" for name in ("adversarial", "faithful", "irrelevant", "neutral")]
    assert all("aqa-3.wav" in error and "\n" not in error for error in errors.values()), errors
    assert ran.metric("accuracy", "neutral") == 1.0
    assert sum("aqa-3.wav" in line for line in ran.result.outlines) == 4
    return None


def test_many_bad_clips_are_invalid(mcr: Runner, tmp_path: Path, mode: Sequence[str]) -> None:
    root = folders.dataset(tmp_path / "data", 12)
    for number in range(2):
        not_a_number(root / "AQA" / "audio" / f"aqa-{number}.wav")
    ran = mcr("oracle:listener", root, *GATE, *mode)
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["reasons"][0] == "AQA[neutral]: 2 errors in 12 cases, 1 allowed"
    assert ran.results["counts"]["errors"] == 8


def test_all_clips_bad(mcr: Runner, tmp_path: Path) -> None:
    root = folders.dataset(tmp_path / "data", 12)
    for clip in root.rglob("*.wav"):
        garbage(clip)
    ran = mcr("oracle:listener", root, *GATE)
    ran.clean()
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.results["counts"] == {"cases": 96, "errors": 96, "unparsed": 0, "flagged": 0, "cached": 0}


def test_complete_prompts_and_descriptions_mixed(mcr: Runner, tmp_path: Path) -> None:
    root = edited(tmp_path / "data", lambda record: record.update(adversarial=f"A dog. {record['neutral']}"))
    mcr("oracle:listener", root).refused("AQA.json: 1 of 12 adversarial texts contain their question")
