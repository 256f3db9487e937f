"""Facts and flaws of sound files and of words: on planted data, through the command, with its exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from pytest_mcr.__main__ import main
from pytest_mcr.data import release
from pytest_mcr.data.audit_clips import audit_clips, clips_line, describe, read_clips
from pytest_mcr.probes.text_only import text_only
from pytest_mcr.run.data_audit import audit_data
from tests.support import folders

TASK = ("SER",)


def planted(root: Path, per_task: int = 12) -> tuple[Path, folders.Records]:
    made = folders.records(per_task, TASK)
    for number, row in enumerate(made["SER"]):  # a clean set has different texts
        row["irrelevant"] = f"Shop {number} opens at nine."
    return folders.write(root, made), made


def rewrite(root: Path, made: folders.Records) -> None:
    (root / "SER" / "SER.json").write_text(json.dumps(made["SER"]), encoding="utf-8")


def codes(root: Path) -> dict[str, Any]:
    dataset = release.load(root)
    clips, problems = read_clips(dataset)
    return {found.code: found for found in audit_clips(dataset, clips, problems)}


def test_clean_clips(tmp_path: Path) -> None:
    root, _ = planted(tmp_path / "data")
    assert codes(root) == {}
    dataset = release.load(root)
    facts = describe(dataset.samples, read_clips(dataset)[0])
    assert facts == {"samples": 12, "clips": 12, "seconds": [0.2, 0.2, 0.2], "rates": {"8000": 12}}
    assert clips_line(facts) == "12 samples, 12 different clips, 0.20 s each, 8000 Hz"


def copy(root: Path, source: int, target: int) -> None:
    audio = root / "SER" / "audio"
    (audio / f"ser-{target}.wav").write_bytes((audio / f"ser-{source}.wav").read_bytes())


def test_a_copy_with_another_answer_and_one_with_the_same(tmp_path: Path) -> None:
    root, _ = planted(tmp_path / "data")
    copy(root, 0, 1)  # angry, happy: the same question with two golds
    copy(root, 2, 5)  # sad, sad: asked twice
    found = codes(root)
    assert list(found) == ["two_golds", "repeated_clip"]
    assert found["two_golds"].examples == ("SER-0000", "SER-0001")
    assert found["repeated_clip"].examples == ("SER-0005",)
    assert found["two_golds"].misleads
    assert found["repeated_clip"].misleads


def test_a_copy_that_is_asked_something_else_is_worth_knowing(tmp_path: Path) -> None:
    root, made = planted(tmp_path / "data")
    copy(root, 0, 1)
    made["SER"][1]["neutral"] = "How does the speaker feel?"
    rewrite(root, made)
    found = codes(root)
    assert list(found) == ["duplicate_clips"]
    assert not found["duplicate_clips"].misleads


def test_silence_other_rates_and_files_that_cannot_be_decoded(tmp_path: Path) -> None:
    root, _ = planted(tmp_path / "data")
    audio = root / "SER" / "audio"
    soundfile.write(audio / "ser-3.wav", np.zeros(800, np.float32), 8000)
    soundfile.write(audio / "ser-4.wav", np.full(1600, 0.25, np.float32), 16000)
    (audio / "ser-5.wav").write_bytes(b"RIFF of nothing")
    found = codes(root)
    assert {code: one.examples for code, one in found.items()} == {
        "undecodable_clip": ("SER-0005",), "silent_clip": ("SER-0003",), "mixed_rates": ("SER-0004",)
    }  # fmt: skip
    assert "cannot be decoded, first: " in found["undecodable_clip"].message
    dataset = release.load(root)
    facts = describe(dataset.samples, read_clips(dataset)[0])
    assert (
        clips_line(facts) == "12 samples, 11 different clips, 0.10 to 0.20 s, median 0.20 s, 8000 Hz (10), 16000 Hz (1)"
    )


def test_nothing_can_be_decoded(tmp_path: Path) -> None:
    root, _ = planted(tmp_path / "data", 2)
    for path in (root / "SER" / "audio").iterdir():
        path.write_bytes(b"no sound")
    audit = audit_data(release.load(root))
    assert clips_line(audit.facts["SER"]) == "2 samples, no clip could be decoded"


def leaking(root: Path, plant: str) -> Path:
    """60 samples of three emotions whose words give something away, or nothing."""
    made = folders.records(60, TASK)
    manners = {"angry": "storm", "happy": "sun", "sad": "rain"}
    places = np.random.default_rng(3).permutation(60)
    for number, row in enumerate(made["SER"]):
        place = int(places[number])
        row["neutral"] = f"Which emotion is in recording {place} of drawer {place % 7}?"
        row["irrelevant"] = f"House {place} stands in lane {place % 11}."
        row["faithful"], row["adversarial"] = f"Voice {place}: {row['gt']}.", f"Voice {place}: so they say."
        if plant == "question":
            row["neutral"] = f"Which emotion is in {manners[row['gt']]} recording {number}?"
        elif plant == "irrelevant":
            row["irrelevant"] = f"House {number} stands in the {manners[row['gt']]}."
        if plant != "truth":
            label = row["text_labels"]["adversarial"]
            row["faithful"], row["adversarial"] = f"Voice {place}: {row['gt']}.", f"Voice {place}: {label}."
    return folders.write(root, made)


@pytest.mark.parametrize(
    ("plant", "name"),
    [("question", "gold_from_question"), ("irrelevant", "gold_from_irrelevant"), ("truth", "truth_from_wording"),
     ("nothing", None)],
)  # fmt: skip
def test_words_that_give_an_answer_away(tmp_path: Path, plant: str, name: str | None) -> None:
    leaks = text_only(release.load(leaking(tmp_path / "data", plant)))
    assert [leak.name for leak in leaks if leak.misleads] == ([name] if name else [])
    for leak in leaks:
        assert leak.value is not None
        assert leak.low is not None
        assert leak.high is not None
        assert 0 <= leak.low <= leak.value <= leak.high <= 1
        assert (leak.value == 1.0) is (leak.name == name)


def test_random_words_raise_few_alarms() -> None:
    """Labels drawn apart from the words: 1 alarm in 100 is allowed for."""
    from pytest_mcr.probes.text_only import _leak

    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(60):
        texts = [" ".join(f"w{word}" for word in rng.integers(0, 30, 6)) for _ in range(60)]
        alarms += _leak("SER", "gold_from_question", None, texts, list(rng.choice(["a", "b"], 60))).misleads
    assert alarms <= 2


def test_too_few_texts_are_said_to_be(tmp_path: Path) -> None:
    root = folders.dataset(tmp_path / "data", 12, TASK)
    leaks = {leak.name: leak for leak in text_only(release.load(root))}
    assert leaks["gold_from_question"].note == "only 1 different texts"
    assert not any(leak.misleads for leak in leaks.values())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, _ = planted(tmp_path / "data")
    assert main(["audit", str(root), "--strict"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "SER: 12 samples, 12 different clips, 0.20 s each, 8000 Hz"
    assert lines[2] == "  gold angry 4, happy 4, sad 4; adversarial texts say happy 4, sad 4, angry 4"
    assert lines[-1] == "nothing found that can mislead"
    copy(root, 0, 1)
    file = tmp_path / "audit.json"
    assert main(["audit", str(root), "--json", str(file)]) == 0
    assert main(["audit", str(root), "--strict"]) == 8
    assert "MISLEADS  SER: 2 of 12 samples ask the same" in capsys.readouterr().out
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["schema"] == "pytest-mcr.audit/1"
    assert written["tasks"]["SER"]["clips"] == 11
    assert [one["code"] for one in written["findings"]] == ["two_golds"]


@pytest.mark.parametrize("words", [["nowhere"], ["data", "--json", "no/such/folder/x.json"]])
def test_bad_arguments_of_the_command(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(tmp_path / "data", 2)
    monkeypatch.chdir(tmp_path)
    assert main(["audit", *words]) == 4
    assert "Traceback" not in capsys.readouterr().err


def test_hostile_names_are_spelled_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, made = planted(tmp_path / "data")
    for row in made["SER"]:
        row["candidates"] = [*row["candidates"], "\x1b[31mred"]
    rewrite(root, made)
    assert main(["audit", str(root)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[31mred" in out


def test_without_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, _ = planted(tmp_path / "data")
    for name in [name for name in sys.modules if name.startswith("pytest_mcr.probes.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    assert main(["audit", str(root), "--strict"]) == 0
    advice = [line for line in capsys.readouterr().out.splitlines() if "pytest-mcr[analysis]" in line]
    assert len(advice) == 1
