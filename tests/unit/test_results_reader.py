"""Results are read whole and unchanged, or refused in one line; older files of the schema stay readable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import NEUTRAL
from pytest_mcr.data.results_file import content_digest, read_cases, read_results
from pytest_mcr.errors import OptionError
from pytest_mcr.report.results import write_results
from pytest_mcr.run.conclude import shared_clips
from pytest_mcr.run.former_cases import read_run
from pytest_mcr.run.journal import Journal
from pytest_mcr.run.ledger import Ledger
from tests.unit.outcomes import RIGHT, planted
from tests.unit.records import run

LINE: dict[str, Any] = {
    "id": "AQA-0000-neutral", "task": "AQA", "sample": "AQA-0000", "source_id": None, "condition": "neutral",
    "audio": "AQA/a.ogg", "prompt": "A dog?\u2028yes or no", "gold": "yes", "text_label": None, "answer": "yes",
    "raw": "yes", "verdict": "audio", "confidence": 0.9, "scores": {"yes": -0.1, "no": -2.4}, "seconds": 0.1,
    "cached": False, "error": None,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A written run of twenty clips, with a line for each of its eighty cases."""
    record = run(tmp_path, sizes={"AQA": 20}, profile="report")
    lines = [
        json.dumps(LINE | {"id": f"AQA-{n:04d}-{c}", "sample": f"AQA-{n:04d}", "condition": c}, ensure_ascii=False)
        for n in range(20)
        for c in ("neutral", "faithful", "adversarial", "irrelevant")
    ]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "cases.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_results(record, tmp_path / "run")
    return tmp_path / "run"


def change(folder: Path, edit: Callable[[dict[str, Any]], object], *, stamp: bool) -> None:
    path = folder / "results.json"
    results = json.loads(path.read_text("utf-8"))
    edit(results)
    if stamp:
        results["digest"] = content_digest(results)
    path.write_text(json.dumps(results), encoding="utf-8")


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_run(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in (str(folder), *words)), message


def test_a_run_is_read_as_it_was_written(folder: Path) -> None:
    found = read_run(folder)
    assert found.model == "lab"
    assert len(found.outcomes) == 80
    cases = (folder / "cases.jsonl").read_bytes()
    assert found.results["cases_digest"] == hashlib.sha256(cases).hexdigest()
    assert found.results["digest"] == content_digest(found.results)


def test_any_changed_number_is_noticed_and_layout_is_not(folder: Path) -> None:
    change(folder, lambda results: None, stamp=False)  # other white space
    read_run(folder)
    change(folder, lambda results: results["metrics"][0].update(value=0.123), stamp=False)
    refused(folder, "changed since it was written", "copy it again")


@pytest.mark.parametrize("cut", [1, 40, 5000])
def test_a_torn_file_is_refused(folder: Path, cut: int) -> None:
    path = folder / "results.json"
    path.write_bytes(path.read_bytes()[:-cut])
    if cut > 1:  # the last byte is only the line end
        refused(folder, "not a whole JSON file")


def test_torn_or_foreign_cases_are_refused(folder: Path) -> None:
    cases = folder / "cases.jsonl"
    whole = cases.read_bytes()
    cases.write_bytes(whole[:-30])
    refused(folder, "not the file that results.json was written with", "cases_digest")
    change(folder, lambda results: results.pop("cases_digest"), stamp=True)  # an older file
    refused(folder, "cases.jsonl: 79 cases; its results.json counts 80")
    cases.write_bytes(whole[:-31] + b"\n")
    refused(folder, "cases.jsonl:80: not a whole JSON object")
    cases.write_bytes(b"\xff\n")
    refused(folder, "not UTF-8")
    cases.unlink()
    refused(folder, "cases.jsonl: cannot be read")


def test_another_schema_is_refused_and_an_older_file_is_not(folder: Path) -> None:
    change(folder, lambda results: (results.pop("digest"), results.pop("cases_digest")), stamp=False)
    assert len(read_run(folder).outcomes) == 80
    change(folder, lambda results: results.update(schema="pytest-mcr.results/2"), stamp=True)
    refused(folder, "schema 'pytest-mcr.results/2'; expected 'pytest-mcr.results/1'")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a whole JSON file"),
        (b"[]", "it has no schema"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b"[" * 100_000, "not a whole JSON file"),
        (b'{"schema": "pytest-mcr.results/1"}', "'run' is not an object"),
        (b"\xff\xfe", "not a whole JSON file"),
    ],
)
def test_anything_else_is_refused(folder: Path, content: bytes, words: str) -> None:
    (folder / "results.json").write_bytes(content)
    refused(folder, words)


def test_a_run_that_is_not_whole_is_read_only_when_asked(folder: Path) -> None:
    change(folder, lambda results: results.update(verdict="partial", reasons=["-k"]), stamp=True)
    refused(folder, "the run is partial (-k)")
    assert read_run(folder, whole=False).doubt is not None


def test_samples_of_one_clip_stay_together(folder: Path) -> None:
    change(folder, lambda r: r["dataset"].update(shared_clips={"AQA-0001": "x", "AQA-0002": "x"}), stamp=True)
    outcomes = read_run(folder).outcomes
    assert [outcomes[f"AQA-000{n}", "neutral"].cluster for n in range(3)] == ["AQA/a.ogg", "x", "x"]


def test_a_run_says_which_samples_share_a_clip(tmp_path: Path) -> None:
    ledger = Ledger(Journal(tmp_path / "journal"))
    for row, clip in enumerate(("x", "y", "x", None)):
        ledger.outcomes[f"VSC-{row:04d}", NEUTRAL] = planted(row, NEUTRAL, RIGHT, cluster=clip)
    assert shared_clips(ledger) == {"shared_clips": {"VSC-0000": "x", "VSC-0002": "x"}}
    del ledger.outcomes["VSC-0002", NEUTRAL]
    assert shared_clips(ledger) == {}


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        ),
        max_size=4,
    )
)
def test_the_digest_outlives_a_file_and_its_layout(results: dict[str, Any]) -> None:
    again = json.loads(json.dumps(results, indent=2))
    assert content_digest(again) == content_digest(results)
    assert content_digest({**results, "digest": "x"}) == content_digest({**results, "digest": "y"})


def test_cases_without_results_beside_them_are_never_guessed(folder: Path) -> None:
    (folder / "results.json").unlink()
    refused(folder, "results.json: cannot be read")
    with pytest.raises(OptionError):
        read_results(folder / "nowhere.json")
    with pytest.raises(OptionError):
        read_cases(folder / "nowhere.jsonl", {"counts": {}})
