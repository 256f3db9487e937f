"""``exec:`` with real children that do not behave: what they spoil is an error that says so, never an answer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pytest_mcr.errors import AdapterError, ModelError
from tests.unit.process_lab import ask, clip, command, nothing_left, questions, start  # noqa: F401

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")

HELLO = {"protocol": "pytest-mcr/1", "name": "n", "fingerprint": "f"}


def refused(*words: object, options: str = "") -> str:
    """The one line that a child which cannot be used is refused with."""
    with pytest.raises(ModelError) as caught:
        start(*words, options=options)
    message = str(caught.value)
    assert message.startswith("exec:")
    assert "\n" not in message
    return message


def broken(*words: object, options: str = "", requests: int = 1) -> str:
    """The one line that a child whose lines cannot be attributed ends the run with."""
    model = start(*words, options=options)
    try:
        with pytest.raises(AdapterError) as caught:
            model.respond(questions(requests))
        with pytest.raises(AdapterError):
            model.respond(questions(1))
    finally:
        model.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the first line ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Loading weights: 100%", ["'Loading weights: 100%'", "pytest-mcr/1", "print all else to stderr"]),
        ("[1]", ["'[1]'"]),
        ("{}", ["has no protocol", "'pytest-mcr/1'"]),
        (json.dumps({**HELLO, "protocol": "pytest-mcr/2"}), ["protocol 'pytest-mcr/2'", "expected 'pytest-mcr/1'"]),
        (json.dumps({**HELLO, "name": 3}), ["no 'name'"]),
        (json.dumps({**HELLO, "fingerprint": " "}), ["no 'fingerprint'"]),
        (json.dumps({**HELLO, "sample_rate": 16e3}), ["sample_rate 16000.0", "whole Hz"]),
        (json.dumps({**HELLO, "sample_rate": 0}), ["sample_rate 0"]),
    ],
    ids=["noise", "list", "empty", "protocol", "name", "fingerprint", "float-rate", "rate"],
)
def test_a_wrong_first_line(line: str, words: list[str]) -> None:
    message = refused("hello", line)
    for word in words:
        assert word in message


def test_a_child_that_ends_at_its_start() -> None:
    message = refused("exits-at-start")
    assert "exited with status 3 before its first line" in message
    assert "its stderr: no weights here" in message


def test_a_child_that_says_nothing_at_its_start() -> None:
    began = time.monotonic()
    message = refused("silent-at-start", options="start=0.3")
    assert time.monotonic() - began < 5
    assert "no first line in 0.3 s and was killed" in message
    assert "?start=0.6" in message


def test_a_line_after_the_first_that_nobody_asked_for() -> None:
    assert "wrote a second line before it was asked anything" in refused("hello", f"{json.dumps(HELLO)}\nnoise")


def test_a_child_that_still_loads_gets_no_time_to_leave() -> None:
    began = time.monotonic()
    message = refused("one-loads", options="workers=2&start=60")
    assert time.monotonic() - began < 3
    assert "exited with status 3 before its first line" in message


def test_children_that_are_different_models() -> None:
    message = refused("differ", options="workers=2")
    assert "all must be the same model" in message
    assert "fingerprint='1'" in message


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({"error": "out of memory\nby far"}, ["the child reported: out of memory by far"]),
        ({"text": "yes", "error": "half"}, ["reported: half"]),
        ({"error": "\x1b[31mred"}, ["reported: ?[31mred"]),
        ({"error": ""}, ["reported: an error without words"]),
        ({}, ['without "text" (id)']),
        ({"answer": "yes"}, ['without "text" (answer, id)']),
        ({"text": None}, ['"text": null and no scores']),
        ({"text": 3}, ['"text" as 3; expected a string']),
        ({"text": "yes", "scores": [1]}, ['"scores" as a list']),
        ({"text": "yes", "scores": {"yes": float("nan"), "no": 0}}, ["gave nan as score of 'yes'"]),
        ({"text": "yes", "scores": {"yes": float("-inf"), "no": 0}}, ["gave -inf as score of 'yes'", "finite"]),
        ({"text": "yes", "scores": {"yes": True, "no": 0}}, ["gave True as score of 'yes'"]),
        ({"text": "yes", "scores": {"yes": "0", "no": 0}}, ["gave '0' as score of 'yes'"]),
        ({"text": "yes", "scores": {"yes": 0}}, ["left 'no' out of \"scores\""]),
        ({"text": "yes", "scores": {"yes": 0, "no": 0, "maybe": 0}}, ["score of 'maybe', which is no candidate"]),
    ],
    ids=str,
)
def test_a_bad_answer_is_its_own_cases_error(reply: dict[str, object], words: list[str]) -> None:
    model = start("replies", json.dumps({"id": "{id}", **reply}))
    try:
        [answer] = model.respond([ask("SER-0001-neutral", clip(1), ("yes", "no"))])
    finally:
        model.close()
    assert (answer.text, answer.scores) == (None, None)
    assert answer.error is not None
    assert answer.error.startswith("exec:")
    for word in ["SER-0001-neutral", "see its stderr", *words]:
        assert word in answer.error


def test_scores_pass_as_they_are() -> None:
    model = start("replies", '{"id": "{id}", "text": null, "scores": {"no": -3, "yes": -0.1}, "more": 1}')
    try:
        [answer] = model.respond([ask("a", None, ("yes", "no"))])
    finally:
        model.close()
    assert (answer.text, answer.scores, answer.error) == (None, {"no": -3.0, "yes": -0.1}, None)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Setting pad_token_id", ["'Setting pad_token_id'", "print to stderr", "the template worker"]),
        ('{"id": "{id}", "text": ', ["no JSON object"]),
        ("[" * 50_000, ["no JSON object", "..."]),
        ('"{id}"', ["no JSON object"]),
        ('{"text": "yes"}', ['an answer without "id"']),
        ('{"id": 7, "text": "yes"}', ['an answer without "id"']),
        ('{"id": "AQA-9999-neutral", "text": "yes"}', ["'AQA-9999-neutral', which it was not asked"]),
    ],
    ids=["noise", "torn", "nested", "string", "no-id", "number", "unknown"],
)
def test_what_cannot_be_attributed_ends_the_run(line: str, words: list[str]) -> None:
    message = broken("replies", line)
    for word in words:
        assert word in message


def test_an_answer_without_end() -> None:
    assert "a line of more than 16 MiB" in broken("endless-line")


def test_an_answer_given_twice_counts_not_at_all() -> None:
    reply = '{"id": "{id}", "text": "yes"}'
    model = start("replies", f"{reply}\n{reply}")  # one write: the second is there when the first is read
    try:
        [answer] = model.respond(questions(1, each=1))
    finally:
        model.close()
    assert answer.text is None
    assert "answered it twice, so neither counts" in str(answer.error)


def test_an_answer_that_comes_again_later_ends_the_run() -> None:
    model = start("replies", '{"id": "{id}", "text": "yes"}', '{"id": "c0-0", "text": "no"}')
    try:
        first = model.respond([ask("c0-0")])[0]
        time.sleep(0.1)
        if first.error is None:
            with pytest.raises(AdapterError, match="which it was not asked"):
                model.respond([ask("c0-1")])
    finally:
        model.close()


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_a_crash_costs_nothing_the_first_time(tmp_path: Path) -> None:
    model = start("crashes-once", tmp_path / "state")
    try:
        requests = questions(4)
        answers = model.respond(requests)
    finally:
        model.close()
    assert [(answer.text or "").split()[2] for answer in answers] == [request.id for request in requests]
    assert len(model.notes) == 1
    assert "was ended by SIGSEGV" in model.notes[0]
    assert "started once more" in model.notes[0]


def test_a_second_crash_makes_errors_and_leaves_the_rest_unasked() -> None:
    model = start("crashes-on", "c1-0", options="window=1")
    try:
        answers = model.respond(questions(3, each=1))
        assert (answers[0].error, answers[0].text) == (None, "prompt of c0-0 8000 Hz 1x16 00000000")
        for word in ["c1-0", "exited with status 9", "the second time", "Traceback: CUDA error | out of luck"]:
            assert word in str(answers[1].error)
        assert "c2-0: no child is left to ask" in str(answers[2].error)
        assert [answer.text for answer in answers[1:]] == [None, None]
        with pytest.raises(AdapterError, match="no child is left to ask; the last one exited with status 9"):
            model.respond(questions(1))
    finally:
        model.close()


def test_another_child_takes_over_what_a_dead_one_was_not_asked() -> None:
    model = start("crashes-on", "c0-0", options="window=1&workers=2")
    try:
        answers = model.respond(questions(8))
    finally:
        model.close()
    assert [answer.error is None for answer in answers] == [False, *[True] * 15]


def test_a_hang_is_killed_and_counts_like_a_crash(tmp_path: Path) -> None:
    model = start("hangs-once", tmp_path / "state", options="timeout=0.3")
    try:
        assert [answer.error for answer in model.respond(questions(2))] == [None] * 4
    finally:
        model.close()
    assert "gave no answer in 0.3 s" in model.notes[0]


def test_a_child_that_hangs_for_good() -> None:
    """It ignores SIGTERM as well."""
    began = time.monotonic()
    model = start("hangs", options="timeout=0.2")
    try:
        [answer] = model.respond(questions(1, each=1))
    finally:
        model.close()
    assert time.monotonic() - began < 5
    for word in ["c0-0", "gave no answer in 0.2 s with 1 requests open", "?timeout=0.4", "the second time"]:
        assert word in str(answer.error)


def test_slow_is_not_hung() -> None:
    """The clock counts from the last answer, not from the first request."""
    model = start("slow", 0.15, options="timeout=0.4")
    try:
        assert [answer.error for answer in model.respond(questions(3))] == [None] * 6
    finally:
        model.close()


def test_a_child_that_closes_its_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mcr.models.process_child.LAST_WORDS", 0.1)
    model = start("closes-stdout")
    try:
        [answer] = model.respond(questions(1, each=1))
    finally:
        model.close()
    assert "the child closed its stdout" in str(answer.error)


def test_a_child_that_comes_back_as_another_model(tmp_path: Path) -> None:
    model = start("changes", tmp_path / "state")
    try:
        [answer] = model.respond(questions(1, each=1))
    finally:
        model.close()
    assert "all must be the same model" in str(answer.error)


def test_grandchildren_go_with_a_child_that_crashed(tmp_path: Path) -> None:
    model = start("grandchild-of-a-crash", tmp_path / "pid")
    try:
        assert "exited with status 1" in str(model.respond(questions(1))[0].error)
    finally:
        model.close()


def test_a_busy_child_gets_no_time_at_the_end() -> None:
    model = start("hangs")
    for seat in model._pool.seats:
        seat.asked["x"] = None  # type: ignore[assignment]  # as after Ctrl-C
    began = time.monotonic()
    model.close()
    assert time.monotonic() - began < 1


def test_a_full_disk_costs_its_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    model = start("good")
    monkeypatch.setattr("pytest_mcr.models.process_clips.wav_bytes", full)
    try:
        heard, silent = model.respond([ask("a", clip(1)), ask("b")])
    finally:
        model.close()
    assert "a: its clip cannot be written (No space left on device)" in str(heard.error)
    assert silent.error is None


# --- before anything is started ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("worker=2", ["unknown option 'worker'", "did you mean workers?"]),
        ("workers=0", ["workers='0'", "a whole number, 1 to 256"]),
        ("workers=two", ["workers='two'"]),
        ("window=1.5", ["window='1.5'", "1 to 4096"]),
        ("start=nan", ["start='nan'", "seconds, 0.1 to 86400"]),
        ("timeout=-1", ["timeout='-1'"]),
        ("timeout=inf", ["timeout='inf'"]),
    ],
)
def test_bad_options(options: str, words: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        command("good", options=options)
    for word in words:
        assert word in str(caught.value)
