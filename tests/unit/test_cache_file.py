"""The cache's file: what cannot be trusted is set aside, once."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_mcr.models.protocol import Response
from pytest_mcr.run.cache import REOPENINGS, open_cache
from pytest_mcr.run.cache_aside import identity, set_aside
from pytest_mcr.run.cache_file import NAME, open_database
from tests.unit.cache_files import ANSWERS, names, posix, stored


def begins_afresh(folder: Path, why: str, aside: str) -> None:
    """Open it: one note, the file set aside as it was, and an empty cache that works."""
    before = (folder / NAME).read_bytes()
    cache = open_cache(folder, limit=None)
    path = folder / NAME
    assert cache.notes == [f"response cache: {path} was set aside as {aside} ({why}); a fresh one begins"]
    assert (folder / aside).read_bytes() == before
    assert cache.get(list(ANSWERS)) == {}
    cache.put({}, ANSWERS)
    cache.close()
    again = open_cache(folder, limit=None)
    assert (again.get(list(ANSWERS)), again.notes) == (ANSWERS, [])
    again.close()


def damage(path: Path, *, first: int = 1) -> None:
    """Overwrite every page from number `first` (of 0, 1, ...) on with noise."""
    content = path.read_bytes()
    path.write_bytes(content[: first * 4096] + random.Random(0).randbytes(len(content) - first * 4096))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not a database " * 300, "file is not a database"),
        (random.Random(1).randbytes(20_000), "file is not a database"),
        (b"SQLite format 3\0", "file is not a database"),
    ],
    ids=["text", "noise", "only the magic"],
)
def test_a_torn_file_is_set_aside(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / NAME).write_bytes(content)
    begins_afresh(tmp_path, why, f"{NAME}.torn-1")


def test_a_truncated_file_is_set_aside(tmp_path: Path, good: Path) -> None:
    content = good.read_bytes()
    (tmp_path / NAME).write_bytes(content[: len(content) // 2])
    begins_afresh(tmp_path, "database disk image is malformed", f"{NAME}.torn-1")


def test_an_empty_file_is_simply_begun(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    cache = open_cache(tmp_path, limit=None)
    cache.put({}, ANSWERS)
    assert (cache.get(list(ANSWERS)), cache.notes) == (ANSWERS, [])
    cache.close()


def test_set_aside_under_the_next_free_number(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.torn-1").write_bytes(b"earlier")
    (tmp_path / f"{NAME}.torn-2-wal").write_bytes(b"earlier")
    (tmp_path / NAME).write_bytes(b"torn" * 2000)
    cache = open_cache(tmp_path, limit=None)
    cache.put({}, ANSWERS)
    assert cache.get(list(ANSWERS)) == ANSWERS
    cache.close()
    assert names(tmp_path) == [NAME, f"{NAME}.torn-1", f"{NAME}.torn-2-wal", f"{NAME}.torn-3"]


@pytest.mark.parametrize(
    ("change", "why", "aside"),
    [
        ("PRAGMA user_version = 2", "it has schema 2, and this version of pytest-mcr knows 1", "newer-1"),
        ("PRAGMA user_version = 0", "its tables are not those of schema 1", "foreign-1"),
        ("PRAGMA application_id = 7", "the database of another program", "foreign-1"),
        ("CREATE TABLE more (a)", "its tables are not those of schema 1", "foreign-1"),
        ("DROP TABLE entries", "its tables are not those of schema 1", "foreign-1"),
    ],
)
def test_a_file_that_is_not_ours_to_use_is_set_aside_whole(tmp_path: Path, change: str, why: str, aside: str) -> None:
    with closing(sqlite3.connect(stored(tmp_path), isolation_level=None)) as other:
        other.execute(change)
    begins_afresh(tmp_path, why, f"{NAME}.{aside}")
    with closing(sqlite3.connect(tmp_path / f"{NAME}.{aside}")) as kept:
        assert kept.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_database_of_another_program_is_set_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / NAME)) as other:
        other.execute("CREATE TABLE entries (a)")
        other.commit()
    begins_afresh(tmp_path, "the database of another program", f"{NAME}.foreign-1")


def test_a_damaged_page_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = stored(tmp_path)
    damage(path)
    cache = open_cache(tmp_path, limit=None)
    assert cache.notes == []  # the first page is whole
    assert cache.get(list(ANSWERS)) == {}
    cache.put({}, ANSWERS)
    assert cache.get(list(ANSWERS)) == ANSWERS
    aside = f"{NAME}.torn-1"
    assert cache.notes == [
        f"response cache: {path} was set aside as {aside} (part of it is damaged); a fresh one begins"
    ]
    cache.close()
    assert names(tmp_path) == [NAME, aside]


def test_a_damaged_page_is_found_when_it_is_written(tmp_path: Path) -> None:
    damage(stored(tmp_path))
    cache = open_cache(tmp_path, limit=None)
    cache.put({}, {"new": Response("yes")})
    assert cache.get(["new"]) == {"new": Response("yes")}
    assert len(cache.notes) == 1
    cache.close()


@posix
def test_two_users_of_a_damaged_file_end_in_one_fresh_one(tmp_path: Path) -> None:
    path = stored(tmp_path)
    damage(path)
    one, two, three = (open_cache(tmp_path, limit=None) for _ in range(3))
    assert one.get(list(ANSWERS)) == {}
    one.put({}, {"from one": Response("1")})
    two.put({}, {"from two": Response("2")})  # has the damaged file open, and must not take the fresh one for it
    three.close()  # nor remove the log of the fresh one together with its own
    both = {"from one": Response("1"), "from two": Response("2")}
    assert one.get(list(both)) == two.get(list(both)) == both
    assert "was replaced while in use" in two.notes[0]
    one.close()
    two.close()
    torn = [f"{NAME}.torn-1{ending}" for ending in ("", "-shm", "-wal")]  # whole, as it was in use
    assert names(tmp_path) == [NAME, *torn]
    again = open_cache(tmp_path, limit=None)
    assert again.get(list(both)) == both
    again.close()


@pytest.mark.parametrize("tens", range(1, 6))
def test_an_index_that_misses_does_not_lose_what_is_written(tmp_path: Path, tens: int) -> None:
    """Ten keys of the index are no longer in order, which SQLite does not look at."""
    path = stored(tmp_path)
    with closing(sqlite3.connect(path)) as plain:
        (root,) = plain.execute("SELECT rootpage FROM sqlite_master WHERE type = 'index'").fetchone()
    content = path.read_bytes()
    index = content[(root - 1) * 4096 : root * 4096]
    path.write_bytes(content.replace(index, index.replace(b"answer:key %d" % tens, b"zzzzzz:key %d" % tens)))
    cache = open_cache(tmp_path, limit=None)
    assert cache.get(list(ANSWERS)).items() < ANSWERS.items()
    cache.put({"clip": "digest"}, ANSWERS)
    assert cache.get(list(ANSWERS)) == ANSWERS
    cache.close()


@posix
@pytest.mark.parametrize(
    ("rollback", "moment"), [(False, "COMMIT"), (True, "BEGIN IMMEDIATE")], ids=["log", "rollback"]
)
def test_what_is_written_as_the_file_is_set_aside_is_not_lost(tmp_path: Path, rollback: bool, moment: str) -> None:
    """Another process renames it between our look at it and our commit."""
    if rollback:
        (tmp_path / f"{NAME}-shm").mkdir()
    cache = open_cache(tmp_path, limit=None)
    assert cache._database is not None

    def rename(statement: str) -> None:
        if statement == moment:
            set_aside(tmp_path / NAME, "torn", "")

    cache._database.connection.set_trace_callback(rename)
    cache.put({}, ANSWERS)
    assert (cache.on, cache.get(list(ANSWERS))) == (True, ANSWERS)
    assert "was replaced while in use" in "".join(cache.notes)
    assert f"{NAME}.torn-1" in names(tmp_path)
    cache.close()
    again = open_cache(tmp_path, limit=None)
    assert again.get(list(ANSWERS)) == ANSWERS
    again.close()


def test_a_fresh_file_is_not_set_aside_for_the_one_before(tmp_path: Path) -> None:
    path = stored(tmp_path)
    before = identity(path)
    path.rename(tmp_path / "kept")  # as the faster process does
    stored(tmp_path)
    with closing(open_database(tmp_path, timeout=1, damaged=before).connection):
        assert not any("torn" in name for name in names(tmp_path))
    with closing(open_database(tmp_path, timeout=1, damaged=identity(path)).connection):  # the control
        assert f"{NAME}.torn-1" in names(tmp_path)


@posix
@pytest.mark.parametrize("rollback", [False, True], ids=["log", "rollback"])
def test_a_file_deleted_while_in_use_is_begun_anew(tmp_path: Path, rollback: bool) -> None:
    folder = tmp_path / "cache"
    if rollback:
        (folder / f"{NAME}-shm").mkdir(parents=True)
    cache = open_cache(folder, limit=None)
    for number in range(REOPENINGS):
        shutil.rmtree(folder)
        cache.put({}, {str(number): Response("yes")})
        assert cache.get([str(number)]) == {str(number): Response("yes")}
    shutil.rmtree(folder)
    cache.put({}, {"k": Response("yes")})
    assert not cache.on
    assert "damaged or replaced 4 times" in cache.notes[-1]
    assert not folder.exists()


@posix
def test_a_place_lost_while_in_use_switches_off(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache = open_cache(folder, limit=None)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    cache.put({}, ANSWERS)
    assert (cache.on, cache.get(list(ANSWERS))) == (False, {})
    assert cache.notes == [
        f"response cache: off from here on (Not a directory, in {folder}); answers are kept by this run only"
    ]


@settings(max_examples=40)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=4),
    cut=st.none() | st.integers(0, 1 << 20),
)
@example(changes=[], cut=None)
@example(changes=[(18, 3)], cut=None)  # the header says read-only
@example(changes=[(4012, 128)], cut=None)  # the schema is no text
@example(changes=[(65199, 102)], cut=None)  # an index that does not find what it is given
def test_whatever_happens_to_the_bytes_no_wrong_answer_comes_out(
    good: Path, changes: list[tuple[int, int]], cut: int | None
) -> None:
    """Cut anywhere and a few bytes changed anywhere: right or missing, and the cache goes on working."""
    whole = good.read_bytes()
    content = bytearray(whole)
    for position, value in changes:
        content[position % len(whole)] = value
    if cut is not None:
        del content[cut % len(whole) :]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / NAME).write_bytes(content)
        cache = open_cache(folder, limit=None)
        found = cache.get(list(ANSWERS))
        assert found.items() <= ANSWERS.items()
        assert len(found) == len(ANSWERS) or content != whole
        cache.put({"clip": "digest"}, ANSWERS)
        assert (cache.get(list(ANSWERS)), cache.digest_of("clip"), cache.on) == (ANSWERS, "digest", True)
        cache.close()
