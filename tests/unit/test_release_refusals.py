"""One clear line for each way in which a folder, a task file or a record can be wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.data.release import load
from pytest_mcr.errors import DataError
from tests.unit.release_folder import Record, complaint, complete, record, write

# What is refused: the folder


def test_no_such_folder(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none").startswith(f"the data folder {tmp_path / 'none'} does not exist; give a folder")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    write(tmp_path, [record()])
    assert "is a file, not a folder; give a folder" in complaint(tmp_path / "AQA" / "AQA.json")


def test_an_empty_folder(tmp_path: Path) -> None:
    expected = (
        f"no task in {tmp_path}: expected <TASK>/<TASK>.json, e.g. {tmp_path / 'AQA' / 'AQA.json'}; give a folder"
    )
    assert complaint(tmp_path).startswith(expected)


def test_the_folder_of_one_task_suggests_the_one_above(tmp_path: Path) -> None:
    write(tmp_path, [record()])
    assert complaint(tmp_path / "AQA").endswith(f"give the folder above it: {tmp_path}")


def test_a_folder_too_high_suggests_the_one_below(tmp_path: Path) -> None:
    write(tmp_path / "MCR-BENCH", [record()])
    assert complaint(tmp_path).endswith(f"did you mean {tmp_path / 'MCR-BENCH'}?")


@pytest.mark.parametrize("name", ["My Task", "a.b", "each", "Ton\u00e9"])
def test_a_bad_task_name(tmp_path: Path, name: str) -> None:
    message = complaint(write(tmp_path, [record()], name))
    assert f"the task name {name!r}" in message
    assert message.endswith("rename the folder and its JSON file")


def test_a_task_is_not_dropped_for_the_case_of_its_file(tmp_path: Path) -> None:
    write(write(tmp_path, [record()]), [record()], "SER")
    (tmp_path / "SER" / "SER.json").rename(tmp_path / "SER" / "ser.JSON")
    expected = f"{tmp_path / 'SER' / 'ser.JSON'}: the file of task 'SER' must be named SER.json; rename it"
    assert complaint(tmp_path) == expected


def test_a_task_is_not_dropped_for_a_missing_file(tmp_path: Path) -> None:
    write(write(tmp_path, [record()]), [record()], "SER")
    (tmp_path / "SER" / "SER.json").unlink()
    assert complaint(tmp_path).startswith(f"{tmp_path / 'SER'} has an audio folder but no SER.json")


# What is refused: the file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "broken JSON at line 1 column 1"),
        (json.dumps([record()], indent=1)[:-40], "broken JSON at line 8 column"),
        ('[{"audio": "a.wav",}]', "broken JSON at line 1 column"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"gt": ' + "9" * 5000 + "}]", "a number with too many digits"),
        ("[]", "the list of records is empty"),
        ("{}", "found none of them"),
        ("3", "found 3; expected a list of records"),
        ('{"data": 3}', 'key "data" holds 3; expected a list'),
        ('{"data": [1], "items": [2]}', "found data, items"),
        ('{"data": [1], "data": [2]}', 'key "data" is given twice'),
        ('["a"]', 'record 0 (AQA-0000): found "a"; expected an object'),
    ],
    ids=[
        "empty",
        "cut",
        "comma",
        "deep",
        "digits",
        "no record",
        "no list",
        "number",
        "not a list",
        "two",
        "twice",
        "string",
    ],
)
def test_a_broken_file(tmp_path: Path, text: str, expected: str) -> None:
    message = complaint(write(tmp_path, text))
    assert message.startswith(str(tmp_path / "AQA" / "AQA.json"))
    assert expected in message


def test_not_utf8(tmp_path: Path) -> None:
    write(tmp_path, [record()])
    (tmp_path / "AQA" / "AQA.json").write_bytes(b'[{"gt": "caf\xe9"}]')
    assert "not UTF-8 text at byte 12; save the file as UTF-8" in complaint(tmp_path)


# What is refused: a record

BROKEN: dict[str, tuple[Record, str]] = {
    "no gt": ({"gt": ...}, 'key "gt" is missing'),
    "no audio": ({"audio": ...}, 'key "audio" is missing'),
    "no neutral": ({"neutral": ...}, 'key "neutral" is missing (its keys: "audio", "gt", "faithful"'),
    "gt null": ({"gt": None}, 'key "gt" holds null; expected a text in quotes'),
    "gt NaN": ({"gt": float("nan")}, 'key "gt" holds nan; expected'),
    "gt bool": ({"gt": True}, 'key "gt" holds true; expected'),
    "gt list": ({"gt": ["yes"]}, 'key "gt" holds ["yes"]; expected'),
    "neutral empty": ({"neutral": ""}, 'key "neutral" holds ""; expected a text in quotes that is not empty'),
    "text blank": ({"adversarial": " \n\u200b"}, 'key "adversarial" holds " \\n\\u200b"; expected'),
    "text null": ({"faithful": None}, 'key "faithful" holds null; expected'),
    "text number": ({"irrelevant": 3.5}, 'key "irrelevant" holds 3.5; expected'),
    "half a surrogate": ({"faithful": "a \ud800"}, 'holds "a \\ud800"; it has half a surrogate pair'),
    "id bool": ({"id": False}, 'key "id" holds false; expected'),
    "id blank": ({"id": " "}, 'key "id" holds " "; expected'),
    "source list": ({"source": []}, 'key "source" holds []; expected'),
    "candidates text": ({"candidates": "yes, no"}, 'key "candidates" holds "yes, no"; expected a list of texts'),
    "candidates number": ({"candidates": ["yes", 1]}, 'key "candidates" holds 1; expected'),
    "one candidate": ({"candidates": ["yes"]}, "give two or more, or [] for open-ended"),
    "candidates twice": ({"candidates": ["yes", "no", "YES"]}, "one of them twice"),
    "gt no candidate": ({"gt": "maybe", "candidates": ["yes", "no"]}, 'key "gt" holds "maybe"; expected one of its'),
    "labels list": ({"text_labels": ["no"]}, 'key "text_labels" holds ["no"]; expected an object'),
    "label condition": ({"text_labels": {"advers": "no"}}, 'names "advers", which has no text; expected some of'),
    "label neutral": ({"text_labels": {"neutral": "no"}}, 'names "neutral", which has no text'),
    "label number": ({"text_labels": {"adversarial": 0}}, 'key "text_labels.adversarial" holds 0; expected'),
    "label no candidate": ({"text_labels": {"adversarial": "cat"}}, 'holds "cat"; expected one of ["no", "yes"]'),
    "audio number": ({"audio": 3}, 'key "audio" holds 3; expected'),
    "audio NUL": ({"audio": "a\0.wav"}, "a path cannot hold a NUL"),
}


@pytest.mark.parametrize(("changes", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_record(tmp_path: Path, changes: Record, expected: str) -> None:
    message = complaint(write(tmp_path, [record(0), record(1), record(2, **changes)]))
    assert message.startswith(f"{tmp_path / 'AQA' / 'AQA.json'} record 2 (AQA-0002")
    assert expected in message


def test_the_id_of_a_record_is_in_its_message(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, [record(id="clip\n17", gt=3)]))
    assert 'record 0 (AQA-0000, id "clip\\n17"): key "gt" holds 3' in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [('"gt": "yes", "gt": "no"', 'key "gt" is given twice'), ('"text_labels": {"a": 1, "a": 2}', 'gives "a" twice')],
    ids=["record", "labels"],
)
def test_a_key_given_twice(tmp_path: Path, text: str, expected: str) -> None:
    whole = json.dumps(record(gt=... if text.startswith('"gt"') else "yes"))
    message = complaint(write(tmp_path, f"[{whole[:-1]}, {text}}}]"))
    assert "record 0 (AQA-0000): " in message
    assert expected in message


def test_ids_are_unique_in_a_task(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, [record(0, id="a"), record(1, id="b"), record(2, id=" a")]))
    assert 'record 2 (AQA-0002, id "a"): this id is also that of AQA-0000; give each record its own' in message


def test_two_tasks_may_share_ids(tmp_path: Path) -> None:
    write(write(tmp_path, [record(id="a")]), [record(id="a")], "SER")
    assert [sample.source_id for sample in load(tmp_path).samples] == ["a", "a"]


def test_a_condition_in_some_records_only(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, [record(0), record(1, irrelevant=...), record(2), record(3, irrelevant=...)]))
    assert 'record 1 (AQA-0001): key "irrelevant" is missing, but 2 of 4 records have it' in message


@pytest.mark.parametrize("key", ["Adversarial", "adverserial", "adversarial_text", " adversarial"])
def test_a_condition_does_not_vanish_by_a_misspelt_key(tmp_path: Path, key: str) -> None:
    message = complaint(write(tmp_path, [record(adversarial=..., **{key: "text"})]))
    assert f'key {json.dumps(key)} is unknown; rename it to "adversarial" in all records' in message


def test_mixed_complete_and_bare_texts_within_a_condition(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, [complete(0), complete(1, faithful="A bare text."), complete(2)], "VSC"))
    assert "VSC.json: 2 of 3 faithful texts contain their question; put the question into all of them" in message


def test_mixed_complete_and_bare_conditions(tmp_path: Path) -> None:
    records = [complete(number, irrelevant="The train leaves.") for number in range(3)]
    message = complaint(write(tmp_path, records, "VSC"))
    assert "the faithful, adversarial texts contain their question and the irrelevant texts do not" in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["audio", "gt", "neutral", "faithful", "adversarial", "irrelevant", "id", "candidates", "text_labels", "source"]


@given(changes=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3))
def test_any_json_loads_or_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, changes: Record) -> None:
    root = write(tmp_path_factory.getbasetemp() / "any", [record(0), record(1, **changes)])
    try:
        loaded, message = len(load(root).samples), ""
    except DataError as error:
        loaded, message = 0, str(error)
    assert loaded == (0 if message else 2)
    assert len(message.splitlines()) <= 1
    assert message.startswith(str(root / "AQA" / "AQA.json") if message else "")
