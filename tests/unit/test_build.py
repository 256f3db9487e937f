"""Datasets built in the release layout: balanced, labelled, repeatable; phrase banks whose halves share no frame."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.prompts import lists_candidates, normalize
from pytest_mcr.data.build import main, plan_scenes, write_dataset
from pytest_mcr.data.names import WORDS
from pytest_mcr.data.phrases import TEST, TRAIN
from pytest_mcr.data.remarks import TEST_REMARKS, TRAIN_REMARKS
from pytest_mcr.data.synth import Split
from pytest_mcr.data.texts import LABELS, TASKS, Writer, article
from pytest_mcr.errors import DataError

SPLITS: tuple[Split, ...] = ("train", "fixture", "heldout")


def records_of(root: Path, task: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads((root / task / f"{task}.json").read_text(encoding="utf-8"))
    return records


def names_of(task: str) -> dict[str, list[str]]:
    """Every word for every label (AQA: event), of training or not."""
    return {
        label: [name for part in (words.seen, words.unseen) for slot in part.values() for name in slot]
        for label, words in WORDS[task].items()
    }


def named(text: str, task: str) -> set[str]:
    """The labels (AQA: events) that a text names."""
    found = set()
    for label, names in names_of(task).items():
        patterns = [names_ for names_ in names if task != "AQA" or names_ in WORDS["AQA"][label].seen["bare"]]
        if any(re.search(rf"(?<!\w){re.escape(normalize(name))}", normalize(text)) for name in patterns):
            found.add(label)
    return found


def test_layout_and_keys(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 3, 0)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["AQA", "README.md", "SER", "VSC"]
    for task in TASKS:
        records = records_of(tmp_path / "set", task)
        assert len(records) == 3
        for record in records:
            samples, rate = soundfile.read(tmp_path / "set" / task / record["audio"])
            assert rate == 16_000
            assert samples.ndim == 1
            assert 2 * rate <= len(samples) <= 6 * rate
            assert record["gt"] in record["candidates"] == list(LABELS[task])
            assert record["text_labels"]["faithful"] == record["gt"] != record["text_labels"]["adversarial"]


def test_equal_seeds_give_equal_sets(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_dataset(tmp_path / name, 4, seed, "heldout", tasks=("SER",))
    first, again, other = (records_of(tmp_path / name, "SER") for name in "abc")
    assert first == again
    assert [r["faithful"] for r in first] != [r["faithful"] for r in other]
    for record in first:
        heard = [soundfile.read(tmp_path / name / "SER" / record["audio"])[0] for name in "ab"]
        assert np.array_equal(*heard)


def test_splits_never_share_a_clip(tmp_path: Path) -> None:
    for split in SPLITS:
        write_dataset(tmp_path / split, 2, 0, split, tasks=("VSC",))
    clips = [soundfile.read(path)[0].tobytes() for split in SPLITS for path in (tmp_path / split).rglob("*.ogg")]
    assert len(set(clips)) == 6


@pytest.mark.parametrize("task", TASKS)
def test_text_labels_are_balanced_against_gold(task: str) -> None:
    scenes = plan_scenes(task, 60, np.random.default_rng(0))
    pairs = Counter((scene.event, scene.gold, scene.text_label) for scene in scenes)
    assert len(set(pairs.values())) == 1
    assert all(gold != label for _, gold, label in pairs)
    assert len({scene.gold for scene in scenes[:20]}) == len(LABELS[task])


def test_aqa_clips_hold_the_event_exactly_when_the_answer_is_yes() -> None:
    for scene in plan_scenes("AQA", 120, np.random.default_rng(1)):
        assert (scene.event in scene.holds) == (scene.gold == "yes")
        assert scene.instead.get("faithful", scene.holds[0]) in scene.holds
        assert scene.event not in scene.instead.values()


@given(st.integers(0, 2**32), st.sampled_from(SPLITS), st.sampled_from(("SER", "VSC")), st.booleans(), st.data())
def test_a_description_names_its_label_and_no_other(
    seed: int, split: Split, task: str, unseen: bool, data: st.DataObject
) -> None:
    label = data.draw(st.sampled_from(LABELS[task]))
    text = Writer(np.random.default_rng(seed), split, unseen).description(task, label)
    assert named(text, task) == {label}
    assert "{" not in text


@given(
    st.integers(0, 2**32),
    st.sampled_from(SPLITS),
    st.sampled_from(sorted(WORDS["AQA"])),
    st.sampled_from(("yes", "no")),
)
def test_an_aqa_text_names_the_event_that_is_asked_about(seed: int, split: Split, event: str, label: str) -> None:
    writer = Writer(np.random.default_rng(seed), split)
    other = "drum" if event != "drum" else "wind"
    text = writer.description("AQA", label, event, other if label == "no" else None)
    assert event in named(text, "AQA") <= {event, other}
    assert event in named(writer.question("AQA", event), "AQA")
    negated = re.search(
        r"\b(no|not|none|never|nothing|nobody|without|missing|absent|cannot|isn't)\b|at no time", normalize(text)
    )
    assert bool(negated) == (label == "no")


@given(st.integers(0, 2**32), st.sampled_from(SPLITS), st.integers(4, 20))
def test_a_remark_names_no_label(seed: int, split: Split, words: int) -> None:
    text = Writer(np.random.default_rng(seed), split).remark(words)
    assert "{" not in text
    for task in TASKS:
        assert not named(text, task)
        assert not {normalize(label) for label in LABELS[task]} & set(re.findall(r"\w+", normalize(text)))


def test_remarks_are_about_as_long_as_descriptions(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 60, 0, plain=True)
    for task in TASKS:
        lengths = {
            key: np.mean([len(record[key].split()) for record in records_of(tmp_path / "set", task)])
            for key in ("faithful", "adversarial", "irrelevant")
        }
        assert max(lengths.values()) - min(lengths.values()) < 2.5, lengths


def test_the_halves_of_the_banks_share_no_frame() -> None:
    for task in TASKS:
        for part in ("questions", "asserting", "denying", "contrasting"):
            mine, theirs = set(getattr(TRAIN[task], part)), set(getattr(TEST[task], part))
            assert not mine & theirs
            assert len(mine) == len(getattr(TRAIN[task], part))
    for part in ("openers", "closers", "frames"):
        assert not set(getattr(TRAIN_REMARKS, part)) & set(getattr(TEST_REMARKS, part))


def test_unseen_names_are_not_seen_ones() -> None:
    for task in TASKS:
        for words in WORDS[task].values():
            for slot in ("adj", "noun", "act", "bare"):
                assert not set(words.seen.get(slot, ())) & set(words.unseen.get(slot, ()))


def test_some_questions_list_their_answers_and_some_do_not() -> None:
    for bank in (TRAIN, TEST):
        listing = {lists_candidates(question, ("no", "yes")) for question in bank["AQA"].questions}
        assert listing == {True, False}


@pytest.mark.parametrize(
    ("noun", "expected"), [("bell", "a bell"), ("engine", "an engine"), ("strong wind", "strong wind")]
)
def test_article(noun: str, expected: str) -> None:
    assert article(noun) == expected


def test_plain_sets_are_quick_and_distinct(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", 50, 0, plain=True)
    clips = [soundfile.read(path)[0].tobytes() for path in (tmp_path / "set").rglob("*.wav")]
    assert len(set(clips)) == 150


def test_command_line_builds_and_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "set"), "--samples", "2", "--tasks", "VSC"]) == 0
    assert "2 samples" in capsys.readouterr().out
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert "CC0-1.0" in card
    assert "--samples 2 --seed 0 --split heldout" in card


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--samples", "0"], "samples a task: 0"),
        (["--tasks", "AQA,NOPE"], "task 'NOPE'"),
        (["--out", "."], "expected an empty or a new folder"),
    ],
    ids=["none", "task", "folder"],
)
def test_command_line_names_the_culprit_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    culprit: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")
    assert main(["--out", "new", *arguments]) == 4
    message = capsys.readouterr().err
    assert culprit in message
    assert message.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt"]


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert "pytest --mcr-model lab --mcr-data my-set" in shown


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="expected an empty or a new folder"):
        write_dataset(tmp_path / "set", 1, 0)
