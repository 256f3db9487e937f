"""findings.jsonl is untrusted: what it holds is read, what it does not hold is named, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.run.findings import Corpus, Finding, add, read

ONE = Finding("SER-0001", "It is sad.", "IT IS SAD.", ("case:upper",), "happy", "sad", "model 1")
TWO = Finding(
    "AQA-0002", "A.", "B.", ("option-order:reversed", "position:after"), "no", "yes", "model 2", "instruction", "after",
    ("yes", "no"),
)  # fmt: skip


def test_findings_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "findings.jsonl"
    assert read(path) == Corpus()
    add(path, [ONE, TWO, ONE])
    assert read(path).findings == (TWO, ONE)
    assert read(path).of("SER-0001", "model 1") == (ONE,)
    assert read(path).of("SER-0001", "model 2") == ()
    [line, _] = path.read_text().splitlines()
    assert set(json.loads(line)) >= {"sample", "base", "text", "operators", "gold", "answer", "fingerprint"}
    assert [child.name for child in path.parent.iterdir()] == ["findings.jsonl"]


def test_the_shortest_line_that_is_promised_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    line = {
        "sample": "S-0000",
        "base": "a",
        "text": "b",
        "operators": [],
        "gold": "x",
        "answer": "y",
        "fingerprint": "f",
    }
    path.write_text(json.dumps({**line, "from_a_later_version": 1}) + "\n\n")
    (finding,) = read(path).findings
    assert read(path).complaints == ()
    shown = finding.rendered("y", ("x", "y"))
    assert (shown.text, shown.claims, shown.position, shown.candidates, shown.label) == (
        "b",
        "same",
        "before",
        ("x", "y"),
        "y",
    )
    assert TWO.rendered("yes", ("no", "yes")).candidates == ("yes", "no")
    assert TWO.rendered("yes", ("no", "maybe")).candidates == ("no", "maybe")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"sample": "S-00', "not a JSON object in UTF-8, perhaps torn"),
        (b"\xff\xfe", "not a JSON object in UTF-8"),
        (b"[" * 100_000, "not a JSON object"),
        (b"[1]", "holds a list; expected a JSON object"),
        ({"sample": 7}, "key 'sample' holds 7; expected a text"),
        ({"answer": None}, "key 'answer' holds null; expected a text"),
        ({"operators": "case:upper"}, "key 'operators' holds \"case:upper\"; expected a list of texts"),
        ({"operators": [1]}, "key 'operators'"),
        ({"candidates": {"a": 1}}, "key 'candidates'"),
        ({"text": "\ud83d"}, "key 'text' holds half a character"),
        ({"text": " "}, "key 'text' has 1 characters; expected 1 to 20000"),
        ({"text": "x" * 30_000}, "key 'text' has 30000 characters"),
        ({"claims": "all"}, "key 'claims' holds \"all\"; expected one of same, flipped, void, instruction"),
        ({"position": ["before"]}, "key 'position'"),
    ],
    ids=range(14),
)
def test_a_line_that_is_no_finding_is_named_and_kept(tmp_path: Path, line: object, words: str) -> None:
    path = tmp_path / "findings.jsonl"
    bad = line if isinstance(line, bytes) else json.dumps({**ONE.to_json(), **line}).encode()  # type: ignore[dict-item]
    path.write_bytes(json.dumps(ONE.to_json()).encode() + b"\n" + bad)
    corpus = read(path)
    assert corpus.findings == (ONE,)
    [complaint] = corpus.complaints
    assert complaint.startswith(f"{path}:2: ")
    assert words in complaint
    assert "\n" not in complaint
    assert len(complaint) < 300 + len(str(path))
    add(path, [TWO])
    assert read(path).findings == (TWO, ONE)
    assert path.read_bytes().endswith(bad + b"\n")


def test_a_file_that_cannot_be_read_is_named_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    path.mkdir()
    [complaint] = read(path).complaints
    assert "cannot be read" in complaint
    with pytest.raises(OSError):
        add(path, [ONE])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("f") / "findings.jsonl"
    path.write_bytes(content)
    assert read(path).findings == ()
