"""The release layout with its irregularities: what is accepted, and what kind and digest say."""

import json
import os
from pathlib import Path

import pytest

from pytest_mcr.data import shipped
from pytest_mcr.data.release import load
from tests.unit.release_folder import Record, complaint, complete, only, record, sound, write

# What is accepted


def test_a_plain_folder_becomes_samples(tmp_path: Path) -> None:
    data = load(write(tmp_path, [record(0), record(1)]))
    first = data.samples[0]
    assert [sample.id for sample in data.samples] == ["AQA-0000", "AQA-0001"]
    assert (data.root, data.kind, data.tasks, data.counts) == (tmp_path, "custom", ("AQA",), {"AQA": 2})
    assert data.conditions == first.conditions == ("neutral", "faithful", "adversarial", "irrelevant")
    assert (first.gold, first.candidates) == ("yes", ("no", "yes"))
    assert first.text_labels == {"faithful": "yes", "adversarial": "no"}
    assert (first.audio, data.path(first)) == ("AQA/audio/0.wav", tmp_path / "AQA" / "audio" / "0.wav")
    assert first.where == f"{tmp_path / 'AQA' / 'AQA.json'} record 0 (AQA-0000)"
    assert not first.complete


@pytest.mark.parametrize("key", ["data", "samples", "examples", "items"])
def test_the_list_may_lie_in_an_object(tmp_path: Path, key: str) -> None:
    assert len(load(write(tmp_path, {"version": 1, key: [record()]})).samples) == 1


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert only(write(tmp_path, "\ufeff" + json.dumps([record()]))).gold == "yes"


@pytest.mark.parametrize("written", ["audio/0.wav", "AQA/audio/0.wav", "0.wav", "./audio/../audio/0.wav"])
def test_audio_is_relative_to_task_root_or_audio_folder(tmp_path: Path, written: str) -> None:
    assert only(write(tmp_path, [record(audio=written)])).audio == "AQA/audio/0.wav"


def test_the_task_folder_wins_over_the_root(tmp_path: Path) -> None:
    write(tmp_path, [record(audio="audio/0.wav")])
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "0.wav").write_bytes(b"another")
    assert only(tmp_path).audio == "AQA/audio/0.wav"


def test_dots_and_links_are_followed_inside_the_root(tmp_path: Path) -> None:
    write(tmp_path, [record(audio="../SER/audio/0.wav"), record(1, audio="audio/linked.wav")])
    write(tmp_path, [record()], "SER")
    (tmp_path / "AQA" / "audio" / "linked.wav").symlink_to(tmp_path / "SER" / "audio" / "1.wav")
    found = [sample.audio for sample in load(tmp_path).samples]
    assert found == ["SER/audio/0.wav", "AQA/audio/linked.wav", "SER/audio/0.wav"]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "real", [record()])
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert load(tmp_path / "link").digest == load(tmp_path / "real").digest


@pytest.mark.parametrize("name", ["a.wav", "a.WAV", "a.flac", "a.ogg", "a.mp3"])
def test_four_formats(tmp_path: Path, name: str) -> None:
    write(tmp_path, [record(audio=name)])
    (tmp_path / "AQA" / "audio" / name).write_bytes(b"x")
    assert only(tmp_path).audio == f"AQA/audio/{name}"


def test_collection_opens_no_audio(tmp_path: Path) -> None:
    write(tmp_path, [record()])
    clip = tmp_path / "AQA" / "audio" / "0.wav"
    clip.unlink()
    os.mkfifo(clip)  # opening it would block for ever
    assert "is not a file" in complaint(tmp_path)


def test_text_is_nfkc_and_stripped(tmp_path: Path) -> None:
    changes: Record = {"gt": " Caf\u00e9\u00a0", "neutral": "\n\uff37hat is it? ", "faithful": " a cafe\u0301"}
    sample = only(write(tmp_path, [record(**changes, irrelevant="x")]))
    assert (sample.gold, sample.question, sample.texts["faithful"]) == ("Caf\u00e9", "What is it?", "a caf\u00e9")


def test_candidates_are_the_sorted_set_of_the_whole_files_gold(tmp_path: Path) -> None:
    records = [sound(0), sound(1), sound(2, gt="cough"), sound(0, gt="LAUGHTER ")]
    samples = load(write(tmp_path, [sound(2), *records], "VSC")).samples
    assert {sample.candidates for sample in samples} == {("Cough", "Laughter", "Sigh")}
    assert [sample.gold for sample in samples] == ["Cough", "Laughter", "Sigh", "Cough", "Laughter"]


@pytest.mark.parametrize(("answers", "closed"), [(20, True), (21, False)])
def test_more_than_twenty_gold_answers_are_open_ended(tmp_path: Path, answers: int, closed: bool) -> None:
    records = [record(0, gt=f"answer {number:02d}", neutral=f"What? {number}") for number in range(answers)]
    candidates = load(write(tmp_path, records)).samples[0].candidates
    assert candidates == (tuple(f"answer {number:02d}" for number in range(answers)) if closed else ())


def test_given_candidates_keep_their_order_and_spell_gold_and_labels(tmp_path: Path) -> None:
    changes: Record = {
        "gt": "sIGH",
        "candidates": ["Sigh", "Cough", "Laughter"],
        "text_labels": {"adversarial": "cough"},
    }
    sample = load(write(tmp_path, [sound(0, **changes), sound(2)], "VSC")).samples[0]
    assert (sample.candidates, sample.gold) == (("Sigh", "Cough", "Laughter"), "Sigh")
    assert sample.text_labels["adversarial"] == "Cough"


def test_an_empty_candidate_list_declares_an_open_question(tmp_path: Path) -> None:
    assert only(write(tmp_path, [record(candidates=[])])).candidates == ()


def test_labels_are_read_off_the_text_where_none_is_given(tmp_path: Path) -> None:
    records = [sound(0), sound(1, text_labels={"adversarial": None}), sound(2, adversarial="It is quiet.")]
    labels = [sample.text_labels for sample in load(write(tmp_path, records, "VSC")).samples]
    assert labels == [{"faithful": "Laughter", "adversarial": "Sigh"}, {"faithful": "Sigh"}, {"faithful": "Cough"}]


def test_optional_names(tmp_path: Path) -> None:
    sample = only(write(tmp_path, [record(id=17, source="Freesound", split_group="speaker 3", note=float("nan"))]))
    assert (sample.source_id, sample.source, sample.split_group) == ("17", "Freesound", "speaker 3")
    assert sample.where.endswith('AQA.json record 0 (AQA-0000, id "17")')


def test_a_condition_may_be_absent_from_a_whole_task(tmp_path: Path) -> None:
    write(tmp_path, [record(0, irrelevant=...), record(1, irrelevant=...)])
    assert load(tmp_path).conditions == ("neutral", "faithful", "adversarial")


def test_texts_with_the_question_are_complete_prompts(tmp_path: Path) -> None:
    write(tmp_path, [complete(number) for number in range(3)], "VSC")
    write(tmp_path, [record(), record(1)])
    assert {(sample.task, sample.complete) for sample in load(tmp_path).samples} == {("AQA", False), ("VSC", True)}


def test_labels_of_complete_prompts_ignore_the_question(tmp_path: Path) -> None:
    samples = load(write(tmp_path, [complete(number) for number in range(3)], "VSC")).samples
    assert samples[0].text_labels == {"faithful": "Laughter", "adversarial": "Sigh"}


def test_tasks_are_sorted_and_other_folders_ignored(tmp_path: Path) -> None:
    for task in ("VSC", "AQA", "x-1"):
        write(tmp_path, [record()], task)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "licence.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    assert load(tmp_path).tasks == ("AQA", "VSC", "x-1")


def test_more_than_ten_thousand_records_stay_in_file_order(tmp_path: Path) -> None:
    ids = [sample.id for sample in load(write(tmp_path, [record(0)] * 10_002)).samples]
    assert ids[9_998:] == ["AQA-9998", "AQA-9999", "AQA-10000", "AQA-10001"]


# Kind and digest


@pytest.mark.parametrize(
    ("counts", "changes", "kind"),
    [
        ({"AQA": 1000, "SER": 1000, "VSC": 1000}, {}, "release"),
        ({"AQA": 1000, "SER": 1000, "VSC": 999}, {}, "custom"),
        ({"AQA": 1000, "SER": 1000, "ESC": 1000}, {}, "custom"),
        ({"AQA": 1000, "SER": 1000, "VSC": 1000}, {"irrelevant": ...}, "custom"),
    ],
    ids=["full", "one short", "other task", "no irrelevant"],
)
def test_kind_release_needs_the_counts_of_the_benchmark(
    tmp_path: Path, counts: dict[str, int], changes: Record, kind: str
) -> None:
    for task, count in counts.items():
        write(tmp_path, [record(number % 4, **changes) for number in range(count)], task)
    assert load(tmp_path).kind == kind


def test_kind_mini_is_the_shipped_folder_and_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped_folder = write(tmp_path / "package" / "fixtures" / "mini-mcr", [record()])
    copied = write(tmp_path / "copy", [record()])
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "package")
    assert [load(folder).kind for folder in (shipped_folder, copied)] == ["mini", "custom"]
    assert load(shipped_folder).digest == load(copied).digest


def test_other_data_loads_without_the_shipped_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "package")
    assert load(write(tmp_path, [record()])).kind == "custom"


def test_digest_does_not_depend_on_place_key_order_or_unknown_keys(tmp_path: Path) -> None:
    write(tmp_path / "a", [record()])
    write(tmp_path / "b", {"data": [dict(reversed(list(record(note="unknown").items())))]})
    assert load(tmp_path / "a").digest == load(tmp_path / "b").digest


@pytest.mark.parametrize(
    "changes",
    [
        {"gt": "no"}, {"neutral": "Other?"}, {"faithful": "other"}, {"irrelevant": ...}, {"audio": "audio/1.wav"},
        {"id": "x"}, {"candidates": ["yes", "no"]}, {"text_labels": {"adversarial": "yes"}}, {"split_group": "s"},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_digest_depends_on_every_key(tmp_path: Path, changes: Record) -> None:
    write(tmp_path / "a", [record(0), record(1)])
    both = [record(0, **changes), record(1, **({"irrelevant": ...} if "irrelevant" in changes else {}))]
    write(tmp_path / "b", both)
    assert load(tmp_path / "a").digest != load(tmp_path / "b").digest


def test_digest_depends_on_the_size_of_the_audio(tmp_path: Path) -> None:
    before = load(write(tmp_path, [record()])).digest
    (tmp_path / "AQA" / "audio" / "0.wav").write_bytes(b"longer than it was before, or shorter")
    assert load(tmp_path).digest != before
