"""The response cache in one process: what goes in comes out, oldest first makes room, no error leaves it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.protocol import Response
from pytest_mcr.run.cache import ResponseCache, open_cache
from pytest_mcr.run.cache_entry import checksum, entry, packed, unpacked
from pytest_mcr.run.cache_file import NAME, begin
from pytest_mcr.run.cache_rows import insert
from pytest_mcr.run.cache_sqlite import UnsoundError, connect

ANYTHING = st.text(st.characters(exclude_categories=()))  # lone surrogates, too
SCORES = st.none() | st.dictionaries(ANYTHING, st.floats(), max_size=5)
RESPONSES = st.builds(Response, st.none() | ANYTHING, SCORES)
YES = Response("yes", {"yes": -0.25, "no": -1.5})
PAGE = 4096


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    opened = open_cache(tmp_path / "deep" / "cache", limit=None)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResponseCache]:
    opened = open_cache(tmp_path_factory.mktemp("cache"), limit=None)
    yield opened
    opened.close()


def exactly(response: Response) -> str:
    """Every bit of a response: floats by their shortest exact form, NaN equal to itself, labels in order."""
    return repr((response.text, None if response.scores is None else list(response.scores.items()), response.error))


def numbered(chunk: int, size: int = 32) -> dict[str, Response]:
    """A chunk of answers of about 230 bytes."""
    return {f"{chunk}-{number}": Response(f"{chunk}-{number} ".ljust(150, "x"), None) for number in range(size)}


def survivors(cache: ResponseCache, chunks: int) -> list[int]:
    """Chunks of which anything is left."""
    return [chunk for chunk in range(chunks) if cache.get(list(numbered(chunk)))]


def put_all(folder: Path, answers: dict[str, Response]) -> Path:
    """A closed cache file with these answers."""
    cache = open_cache(folder, limit=None)
    cache.put({}, answers)
    cache.close()
    return folder / NAME


@given(stored=st.dictionaries(ANYTHING, RESPONSES, max_size=5), clips=st.dictionaries(ANYTHING, ANYTHING, max_size=3))
def test_what_is_put_comes_out(shared: ResponseCache, stored: dict[str, Response], clips: dict[str, str]) -> None:
    shared.put(clips, stored)
    found = shared.get(list(stored))
    assert {key: exactly(response) for key, response in found.items()} == {
        key: exactly(response) for key, response in stored.items()
    }
    assert {key: shared.digest_of(key) for key in clips} == clips
    assert shared.notes == []


@given(key=ANYTHING, detail=ANYTHING)
def test_a_proof_comes_out(shared: ResponseCache, key: str, detail: str) -> None:
    shared.prove(key, detail)
    assert shared.proof(key) == detail


@given(RESPONSES)
def test_a_stored_response_is_the_same_to_the_bit(response: Response) -> None:
    assert exactly(unpacked(packed(response))) == exactly(response)


@given(one=st.tuples(st.binary(max_size=4), st.binary(max_size=4)), two=st.tuples(st.binary(), st.binary()))
def test_no_byte_changes_sides_under_a_checksum(one: tuple[bytes, bytes], two: tuple[bytes, bytes]) -> None:
    assert (checksum(*one) == checksum(*two)) == (one == two)
    joined = b"".join(one)
    assert len({checksum(joined[:cut], joined[cut:]) for cut in range(len(joined) + 1)}) == len(joined) + 1


def test_the_kinds_do_not_mix(cache: ResponseCache) -> None:
    cache.put({"k": "digest"}, {"k": YES})
    assert cache.proof("k") is None
    cache.prove("k", "heard")
    assert (cache.digest_of("k"), cache.get(["k"]), cache.proof("k")) == ("digest", {"k": YES}, "heard")


def test_another_opening_finds_it(tmp_path: Path) -> None:
    put_all(tmp_path, {"k": YES})
    again = open_cache(tmp_path, limit=None)
    assert again.get(["k", "other"]) == {"k": YES}
    assert again.get([]) == {}
    assert again.notes == []
    again.close()


def test_more_keys_than_a_select_holds(cache: ResponseCache) -> None:
    stored = {str(number): Response(str(number), {"yes": float(number)}) for number in range(1203)}
    cache.put({}, stored)
    assert cache.get([*stored, "absent", "0"]) == stored


def test_an_error_is_refused_and_nothing_of_its_chunk_stored(cache: ResponseCache) -> None:
    with pytest.raises(ValueError, match="never stored: out of memory"):
        cache.put({"clip": "digest"}, {"a": YES, "b": Response(None, None, "out of memory")})
    assert cache.get(["a", "b"]) == {}
    assert cache.digest_of("clip") is None


def test_an_answer_that_cannot_be_read_is_an_answer(cache: ResponseCache) -> None:
    cache.put({}, {"k": Response("", None)})
    assert cache.get(["k"]) == {"k": Response("", None)}


def test_the_last_answer_to_a_key_stays(cache: ResponseCache) -> None:
    cache.put({}, {"k": YES})
    cache.put({}, {"k": Response("no")})
    assert cache.get(["k"]) == {"k": Response("no")}


def test_a_closed_cache_finds_and_stores_nothing(cache: ResponseCache) -> None:
    cache.put({}, {"k": YES})
    cache.close()
    cache.put({}, {"l": YES})
    assert (cache.on, cache.get(["k"]), cache.notes) == (False, {}, [])


def test_a_thread_looks_up_while_another_writes(cache: ResponseCache) -> None:
    chunks = [numbered(chunk) for chunk in range(60)]
    over = threading.Event()
    halves: list[int] = []

    def look() -> None:
        while not over.is_set():
            halves.extend(n for chunk in chunks if (n := len(cache.get(list(chunk)))) not in (0, len(chunk)))

    thread = threading.Thread(target=look)
    thread.start()
    for chunk in chunks:
        cache.put({}, chunk)
    over.set()
    thread.join()
    assert halves == []
    assert all(cache.get(list(chunk)) == chunk for chunk in chunks)
    assert cache.notes == []


def test_the_oldest_make_room(tmp_path: Path) -> None:
    limit = 50 * PAGE
    cache = open_cache(tmp_path, limit=limit)
    for chunk in range(100):
        cache.get(list(numbered(0)))  # a look-up does not make it younger
        cache.put({}, numbered(chunk))
        assert cache.get(list(numbered(chunk))) == numbered(chunk)
        assert (tmp_path / NAME).stat().st_size <= limit + 8 * PAGE
    left = survivors(cache, 100)
    assert left == list(range(left[0], 100))
    assert 5 < len(left) < 50  # about 200 kB of 8 kB chunks
    cache.close()
    assert (tmp_path / NAME).stat().st_size > limit // 2  # the file is used, not emptied


def test_without_a_limit_nothing_goes(cache: ResponseCache) -> None:
    for chunk in range(100):
        cache.put({}, numbered(chunk))
    assert survivors(cache, 100) == list(range(100))


def test_what_was_just_written_stays_even_if_it_is_too_much(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=1)
    for chunk in range(3):
        cache.put({f"clip {chunk}": "digest"}, numbered(chunk))
        assert cache.get(list(numbered(chunk))) == numbered(chunk)
        assert cache.digest_of(f"clip {chunk}") == "digest"
    assert survivors(cache, 3) == [2]
    cache.close()


def test_writing_again_makes_it_young(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=50 * PAGE)
    for chunk in range(1, 100):
        cache.put({"clip": "digest"}, numbered(chunk))
    assert cache.digest_of("clip") == "digest"
    assert 1 not in survivors(cache, 100)
    cache.close()


def test_a_lower_limit_shrinks_the_file(tmp_path: Path) -> None:
    path = put_all(tmp_path, {key: answer for chunk in range(100) for key, answer in numbered(chunk).items()})
    before = path.stat().st_size
    cache = open_cache(tmp_path, limit=50 * PAGE)
    cache.put({}, numbered(100))
    cache.close()
    assert before > 150 * PAGE
    assert path.stat().st_size <= 50 * PAGE


def test_a_flipped_byte_drops_its_answer_alone(tmp_path: Path) -> None:
    path = put_all(tmp_path, {"a": Response("alpha"), "b": Response("beta")})
    content = path.read_bytes()
    assert content.count(b"alpha") == 1
    path.write_bytes(content.replace(b"alpha", b"alphb"))
    with sqlite3.connect(path) as plain:  # SQLite itself sees nothing wrong
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("SELECT count(*) FROM entries WHERE instr(body, 'alphb')").fetchone() == (1,)
    plain.close()
    cache = open_cache(tmp_path, limit=None)
    assert cache.get(["a", "b"]) == {"b": Response("beta")}
    assert cache.get(["a", "b"]) == {"b": Response("beta")}
    assert cache.notes == [f"response cache: an entry in {tmp_path} was damaged and dropped; it is asked again"]
    cache.put({}, {"a": Response("alpha")})
    cache.close()
    again = open_cache(tmp_path, limit=None)
    assert again.get(["a", "b"]) == {"a": Response("alpha"), "b": Response("beta")}
    assert again.notes == []
    again.close()


def test_swapped_answers_are_both_dropped(tmp_path: Path) -> None:
    """Each is whole, but not the answer to its question."""
    path = put_all(tmp_path, {"a": Response("alpha"), "b": Response("gamma")})
    content = path.read_bytes().replace(b"alpha", b"?????").replace(b"gamma", b"alpha").replace(b"?????", b"gamma")
    path.write_bytes(content)
    cache = open_cache(tmp_path, limit=None)
    assert cache.get(["a", "b"]) == {}
    cache.close()


def test_a_file_that_forgets_what_it_is_given_is_unsound(tmp_path: Path) -> None:
    connection = connect(tmp_path / NAME, 1)
    begin(connection)
    insert(connection, [entry("answer", "a", b"kept")], None)
    forget = "DELETE FROM entries WHERE seq = new.seq"
    connection.execute(
        f"CREATE TRIGGER t AFTER INSERT ON entries WHEN new.body = CAST('lost' AS BLOB) BEGIN {forget}; END"
    )
    with pytest.raises(UnsoundError, match="cannot be found"):
        insert(connection, [entry("answer", "b", b"new"), entry("answer", "c", b"lost")], None)
    assert connection.execute("SELECT body FROM entries").fetchall() == [(b"kept",)]
    connection.close()


def test_a_lock_beyond_the_timeout_switches_off_once(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=None, timeout=0.05)
    cache.put({}, {"k": YES})
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert cache.get(["k"]) == {"k": YES}  # with a log, a writer is in no reader's way
    cache.put({}, {"l": YES})
    other.close()
    cache.put({}, {"l": YES})
    line = f"response cache: off from here on (database is locked, in {tmp_path}); answers are kept by this run only"
    assert (cache.on, cache.notes, cache.get(["k"])) == (False, [line], {})


def test_a_full_database_keeps_what_it_has(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, limit=None)
    assert cache._database is not None
    cache._database.connection.execute("PRAGMA max_page_count = 30")
    stored = 0
    while cache.on:
        cache.put({}, numbered(stored))
        stored += cache.on
    assert stored > 3
    assert [note.partition(", in")[0] for note in cache.notes] == [
        "response cache: off from here on (database or disk is full"
    ]
    again = open_cache(tmp_path, limit=None)
    assert survivors(again, stored + 1) == list(range(stored))  # and nothing of the chunk that did not fit
    assert all(again.get(list(numbered(chunk))) == numbered(chunk) for chunk in range(stored))
    again.close()
