"""The command that fits heads: asks, splits, judges, saves; and what it refuses, in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mcr.run.head_file import HeadFile, read_head
from pytest_mcr.train.calibration_head import main
from tests.support import folders
from tests.support.pulled import PULLED, audible

MODEL = "headmodel:Pulled"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the model beside it and a dataset in ``data``."""
    (tmp_path / "headmodel.py").write_text(PULLED, encoding="utf-8")
    audible(folders.dataset(tmp_path / "data", 12))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("headmodel", None)
    return tmp_path


def fit(*words: str) -> int:
    return main(["--model", MODEL, "--data", "data", "--out", "head.json", *words])


def test_from_a_model_to_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit() == 0
    head = read_head(place / "head.json")
    assert set(head.heads) == {"correctness", "conflict"}
    assert head.fingerprint == "pulled-1"
    assert len(head.dev_clips) == len(head.dev_groups) == 12
    said = capsys.readouterr().out
    assert "24 of 24 clips" in said
    for words in (
        "| held-out clips | adversarial | ece |",
        "| unseen edits |",
        "| unseen task AQA |",
        "| 10% |",
        "always A",
    ):
        assert words in said
    measured = head.facts["measured"]
    row = next(
        r
        for r in measured
        if (r["where"], r["condition"], r.get("measure")) == ("held-out clips", "adversarial", "ece")
    )
    assert row["head"] < row["raw"]
    assert str(place) not in (place / "head.json").read_text()


def test_every_question_is_asked_once_and_the_cache_resumes(place: Path) -> None:
    assert fit("--limit", "4") == 0
    asked = [line for line in (place / "asked.log").read_text().splitlines() if not line.startswith("canary")]
    assert len(asked) == len(set(asked))
    first = (place / "head.json").read_text()
    assert fit("--limit", "4") == 0
    again = [line for line in (place / "asked.log").read_text().splitlines() if not line.startswith("canary")]
    assert again == asked
    assert (place / "head.json").read_text() == first


def test_options_change_what_is_fitted(place: Path) -> None:
    assert fit("--target", "conflict", "--edits", "0", "--tasks", "SER", "--dev", "0.25", "--answer", "score") == 0
    head = read_head(place / "head.json")
    assert set(head.heads) == {"conflict"}
    assert (head.answer, head.facts["tasks"], len(head.dev_clips)) == ("score", ["SER"], 3)
    where = {row["where"] for row in head.facts["measured"]}
    assert where == {"held-out clips", "prevalence", "robustness"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--dev", "1"), 4, "--dev 1.0: expected a share between 0 and 1"),
        (("--edits", "-1"), 4, "--edits -1: expected at least 0"),
        (("--out", "."), 4, "--out .: is a folder"),
        (("--data", "nowhere"), 4, "nowhere"),
        (("--tasks", "AQB"), 4, "no task 'AQB'"),
        (("--model", "nonsense"), 4, "nonsense"),
        (("--model", "replay:x.jsonl"), 4, "recorded answers hold no branch without text"),
        (("--model", f"{MODEL}?mute=1"), 8, "the model gave no scores over a closed candidate set"),
        (("--model", f"{MODEL}?errors=1"), 8, "e.g. AQA-0000-adversarial: not today"),
        (("--model", "oracle:listener"), 4, "a fit needs both classes"),
        (("--limit", "1", "--tasks", "AQA"), 4, "a head needs two clips a task or more"),
    ],
)
def test_refusals(
    place: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert fit(*words) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (place / "head.json").exists()


def test_open_ended_questions_are_left_out_or_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = folders.records(30)
    for number, row in enumerate(made["SER"]):
        del row["candidates"], row["text_labels"]
        row["gt"] = f"mood {number}"
    folders.write(place / "open", made)
    assert fit("--data", "open", "--tasks", "SER") == 4
    assert "every question is open-ended" in capsys.readouterr().err
    assert fit("--data", "open", "--edits", "0") == 0
    assert "30 open-ended questions are left out" in capsys.readouterr().out
    assert loaded(place).facts["cases"]["asked"] == 120


def loaded(place: Path) -> HeadFile:
    return read_head(place / "head.json")


def test_ctrl_c_leaves_no_file_and_a_line(place: Path) -> None:
    slow = (place / "headmodel.py").read_text().replace("with Path", "import time; time.sleep(0.5)\n        with Path")
    (place / "headmodel.py").write_text(slow)
    words = [
        sys.executable,
        "-m",
        "pytest_mcr.train.calibration_head",
        "--model",
        MODEL,
        "--data",
        "data",
        "--out",
        "h",
    ]
    package = str(Path(__file__).parents[2])
    child = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": package}
    )
    assert child.stdout is not None
    try:
        deadline = time.monotonic() + 60
        while "8 of 24" not in child.stdout.readline():
            assert time.monotonic() < deadline
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 2
    assert error == "stopped; nothing was saved. What was answered is in the cache: type the same command again\n"
    assert not (place / "h").exists()


def test_the_file_holds_no_pickle_and_no_secret(place: Path) -> None:
    assert fit("--limit", "4") == 0
    content = json.loads((place / "head.json").read_text())
    assert list(content) == [
        "schema", "model", "protocol", "data", "temperature", "threshold", "heads", "dev_clips", "dev_groups", "facts",
    ]  # fmt: skip


@pytest.mark.slow
def test_on_the_lab_model_it_beats_temperature_scaling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The claim of docs/calibration-head.md, on half of the clips that it is measured on."""
    monkeypatch.chdir(tmp_path)
    words = ["--model", "lab", "--data", "mini", "--limit", "30", "--edits", "0", "--out", "head.json"]
    assert main(words) == 0, capsys.readouterr().err
    rows = loaded(tmp_path).facts["measured"]
    for measure in ("ece", "brier", "nll"):
        (row,) = (
            r for r in rows
            if (r.get("target"), r["where"], r.get("condition"), r.get("measure"))
            == ("correctness", "held-out clips", "adversarial", measure)
        )  # fmt: skip
        assert row["high"] < 0, row
        assert row["n"] >= 40
