"""results.json is whole or absent, strict JSON, and the pointer to the latest run survives moving and replacing."""

import errno
import json
import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.metrics import Table
from pytest_mcr.errors import OptionError
from pytest_mcr.report.results import check_folder, point_latest, results_text, to_json, write_results
from pytest_mcr.run.record import RunRecord
from tests.unit.records import follower, lab_like, run

KEYS = [
    "schema", "verdict", "reasons", "run", "model", "dataset", "protocol", "settings", "metrics", "gates",
    "gates_not_judged", "counts", "canary", "audit", "timing", "cases_digest", "digest",
]  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return run(tmp_path, sizes={"AQA": 20, "SER": 20})


def strict(text: str) -> Any:
    """Read JSON that holds no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


# --- results.json ----------------------------------------------------------------------------------------------------


def test_the_file_holds_the_record_in_the_public_order(record: RunRecord, tmp_path: Path) -> None:
    write_results(record, tmp_path / "new" / "folder")
    raw = (tmp_path / "new" / "folder" / "results.json").read_bytes()
    assert raw.endswith(b"}\n")
    assert b"\r" not in raw
    found = strict(raw.decode("utf-8"))
    assert list(found) == KEYS
    assert found["schema"] == "pytest-mcr.results/1"
    assert found["verdict"] == record.judgement.verdict
    assert found["gates"] == [gate.to_json() for gate in record.judgement.gates]
    assert len(found["metrics"]) == len(record.judgement.table) > 100
    assert found["dataset"]["samples"] == {"AQA": 20, "SER": 20}


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (run(tmp_path / name, sizes={"VSC": 30}) for name in ("a", "a"))
    assert results_text(first) == results_text(second)


def test_our_file_is_replaced_and_nothing_else_is_touched(record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_results(record, tmp_path)
    assert strict((tmp_path / "results.json").read_text("utf-8"))["verdict"] == record.judgement.verdict
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "results.json"]


def test_text_is_utf8_and_not_escaped(record: RunRecord, tmp_path: Path) -> None:
    write_results(replace(record, model={**record.model, "name": "Émile 模型"}), tmp_path)
    assert "Émile 模型".encode() in (tmp_path / "results.json").read_bytes()


def test_bytes_of_a_command_line_that_are_no_utf8_survive(record: RunRecord, tmp_path: Path) -> None:
    odd = os.fsdecode(b"--mcr-data=/tmp/caf\xe9")
    write_results(replace(record, run={**record.run, "argv": [odd]}), tmp_path)
    assert strict((tmp_path / "results.json").read_bytes().decode("utf-8"))["run"]["argv"] == [odd]


def test_what_a_model_says_of_itself_cannot_break_the_file(record: RunRecord) -> None:
    traits = {"temperature": math.nan, "size": (math.inf, 7), "path": Path("x"), "nested": {"a": [-math.inf]}}
    found = strict(results_text(replace(record, model={**record.model, "traits": traits})))
    assert found["model"]["traits"] == {"temperature": None, "size": [None, 7], "path": "x", "nested": {"a": [None]}}


def test_a_nan_among_our_own_numbers_is_an_error_and_leaves_the_old_file(record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("old")
    row = replace(next(iter(record.judgement.table)), value=math.nan)
    broken = replace(record, judgement=replace(record.judgement, table=Table([row])))
    with pytest.raises(ValueError, match="JSON"):
        write_results(broken, tmp_path)
    assert (tmp_path / "results.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_folder_that_cannot_be_made_is_named_in_one_line(record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError) as caught:
        write_results(record, tmp_path / "file" / "runs")
    message = str(caught.value)
    assert "results.json" in message
    assert "--mcr-out DIR" in message
    assert "\n" not in message


def test_a_folder_called_results_json_is_not_ours_to_replace(record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    with pytest.raises(OptionError, match=r"cannot write .*results\.json"):
        write_results(record, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
        max_leaves=20,
    )
)
def test_anything_comes_to_jsons_terms_and_stays_there(value: object) -> None:
    plain = to_json(value)
    json.dumps(plain, allow_nan=False)
    assert to_json(plain) == plain


# --- .mcr/latest -----------------------------------------------------------------------------------------------------


def test_latest_is_a_relative_link_and_follows_a_moved_tree(tmp_path: Path) -> None:
    home, moved = tmp_path / ".mcr", tmp_path / "elsewhere"
    (home / "runs" / "one").mkdir(parents=True)
    (home / "runs" / "one" / "results.json").write_text("1")
    point_latest(home, home / "runs" / "one")
    assert (home / "latest").readlink() == Path("runs/one")
    home.rename(moved)
    assert (moved / "latest" / "results.json").read_text() == "1"


def test_latest_is_replaced(tmp_path: Path) -> None:
    home = tmp_path / ".mcr"
    for name in ("one", "two"):
        (home / "runs" / name).mkdir(parents=True)
        point_latest(home, home / "runs" / name)
    assert (home / "latest").resolve() == home / "runs" / "two"
    assert sorted(path.name for path in home.iterdir()) == [".gitignore", "latest", "runs"]


def test_latest_may_point_outside_of_its_home(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    point_latest(tmp_path / "work" / ".mcr", tmp_path / "out")
    assert (tmp_path / "work" / ".mcr" / "latest").resolve() == tmp_path / "out"


def test_without_links_latest_is_a_file_that_holds_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ".mcr"
    (home / "runs" / "one").mkdir(parents=True)

    def refuse(self: Path, target: str, target_is_directory: bool = False) -> None:
        raise OSError(1, "A required privilege is not held by the client")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "symlink_to", refuse)
        point_latest(home, home / "runs" / "one")
    assert not (home / "latest").is_symlink()
    assert Path((home / "latest").read_text("utf-8").rstrip("\n")) == Path("runs/one")
    point_latest(home, home / "runs" / "one")
    assert (home / "latest").is_symlink()
    assert sorted(path.name for path in home.iterdir()) == [".gitignore", "latest", "runs"]


def test_a_folder_of_anothers_called_latest_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").write_text("mine")
    with pytest.raises(OptionError, match="latest is a folder"):
        point_latest(tmp_path, tmp_path / "runs")
    assert (tmp_path / "latest" / "mine").read_text() == "mine"


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".mcr").write_text("")
    with pytest.raises(OptionError, match=r"cannot write .*latest"):
        point_latest(tmp_path / ".mcr", tmp_path / "runs")


def test_records_of_different_rules_differ(tmp_path: Path) -> None:
    texts = [results_text(run(tmp_path, rule, sizes={"AQA": 10})) for rule in (lab_like, follower)]
    assert texts[0] != texts[1]


def test_a_folder_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OptionError, match="is a file; give a folder"):
        check_folder("--mcr-out", tmp_path / "file" / "deeper")
    check_folder("--mcr-out", tmp_path / "new" / "deeper")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_which_nobody_can_make_one_is_refused_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system may refuse what permissions allow: /proc does so to root, and ended in a traceback."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(OptionError, match=r"--mcr-out .*new: .* cannot be written \(No such file or directory\); give"):
        check_folder("--mcr-out", tmp_path / "new")


def test_results_stay_out_of_version_control(tmp_path: Path) -> None:
    point_latest(tmp_path / ".mcr", tmp_path / ".mcr" / "runs" / "one")
    assert (tmp_path / ".mcr" / ".gitignore").read_text() == "*\n"
