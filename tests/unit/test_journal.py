"""The journal: nothing that was written is lost, the last line of a case wins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.run.journal import Journal

KEYS = ("a", "b", "c", "d")


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.text())), st.permutations(KEYS))
def test_published_in_the_wanted_order_with_the_last_record(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, str]], order: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder / "journal.part")
    for key, text in written:
        journal.append(key, {"id": key, "text": text.encode("utf-8", "replace").decode("utf-8")})
    last = dict(written)
    assert len(journal) == len(last)
    journal.publish(folder / "cases.jsonl", order)
    lines = (folder / "cases.jsonl").read_bytes().split(b"\n")[:-1]
    found = [(record["id"], record["text"]) for record in map(json.loads, lines)]
    assert found == [(key, last[key].encode("utf-8", "replace").decode("utf-8")) for key in order if key in last]
    assert [path.name for path in folder.iterdir()] == ["cases.jsonl"]


def test_no_file_before_the_first_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal.part")
    assert "a" not in journal
    assert list(tmp_path.iterdir()) == []
    journal.append("a", {"n": 1})
    journal.append("a", {"n": 2})
    assert "a" in journal
    assert journal.read("a") == {"n": 2}
    with pytest.raises(KeyError):
        journal.read("b")
    journal.publish(tmp_path / "cases.jsonl", KEYS)


def test_a_line_is_on_disk_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.part")
    journal.append("a", {"text": "é"})
    assert (tmp_path / "journal.part").read_bytes() == '{"text": "é"}\n'.encode()
    journal.publish(tmp_path / "cases.jsonl", KEYS)


def test_nan_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.part")
    with pytest.raises(ValueError, match="not JSON compliant"):
        journal.append("a", {"n": float("nan")})
    assert "a" not in journal
    journal.publish(tmp_path / "cases.jsonl", KEYS)


def test_a_file_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text("old\n", encoding="utf-8")
    journal = Journal(tmp_path / "journal.part")
    journal.publish(tmp_path / "cases.jsonl", KEYS)
    assert (tmp_path / "cases.jsonl").read_bytes() == b""
