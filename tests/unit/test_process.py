"""``exec:`` with real children that behave: answers, clips, several children, pipes that are full, and the end."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from pytest_mcr.data.audio import decode
from pytest_mcr.errors import AdapterError, ModelError
from pytest_mcr.models.process import ProcessModel
from pytest_mcr.models.process_child import Child, exchange
from pytest_mcr.models.process_clips import ClipFolder, clip_name
from pytest_mcr.models.process_command import read_command
from pytest_mcr.models.protocol import Audio, Model
from pytest_mcr.models.spec import parse_spec
from tests.unit.process_lab import ask, clip, left_behind, nothing_left, questions, start  # noqa: F401

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


def test_a_good_child_answers_in_order() -> None:
    model = start("good", options="window=3")
    try:
        assert isinstance(model, Model)
        assert model.name == "test-child"
        assert model.sample_rate is None
        assert model.fingerprint().startswith("exec/1 ")
        assert model.fingerprint().endswith(" good 1")
        requests = [*questions(5), ask("mute")]
        answers = model.respond(requests)
        assert [answer.error for answer in answers] == [None] * 11
        assert answers[4].text == "prompt of c2-0 8000 Hz 1x16 02000200"
        assert answers[10].text == "prompt of mute silence"
        assert answers[0].scores is None
        assert [answer.text for answer in model.respond(requests)] == [answer.text for answer in answers]
    finally:
        model.close()


def test_what_a_child_is_told() -> None:
    model = start("echo")
    try:
        audio = clip(3)
        [answer] = model.respond([ask("a", audio, ("yes", "no"))])
        told = json.loads(answer.text or "")
        assert Path(told.pop("audio")).suffix == ".wav"
        assert told == {
            "id": "a",
            "digest": audio.digest,
            "prompt": "prompt of a",
            "candidates": ["yes", "no"],
            "max_new_tokens": 5,
            "want_scores": True,
        }
        odd = ask("\ud800 ü \n", None)
        told = json.loads(model.respond([odd])[0].text or "")
        assert (told["id"], told["audio"], told["digest"]) == ("\ud800 ü \n", None, None)
    finally:
        model.close()


def test_a_clip_is_one_file_as_long_as_it_is_needed() -> None:
    model = start("paths")
    try:
        first, again, other = model.respond([ask("a", clip(1)), ask("b", clip(1)), ask("c", clip(2))])
        assert first.text == again.text != other.text
        assert not Path(first.text or "").exists()
        assert Path(first.text or "").parent.stat().st_mode & 0o777 == 0o700
    finally:
        model.close()


def test_16_bit_clips_pass_unchanged_and_others_are_clipped() -> None:
    folder = ClipFolder()
    every = np.arange(-32768, 32768, dtype=np.int16)
    rough = np.array([np.nan, np.inf, -np.inf, 2.0, -2.0, 0.5], np.float32)
    for samples, expected in ((every / np.float32(32768), every), (rough, [0, 32767, -32768, 32767, -32768, 16384])):
        audio = Audio(samples.astype(np.float32), 22_050, "d")
        path = folder.hold(clip_name(audio), audio)
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22_050, 1, 2)
            assert np.array_equal(np.frombuffer(file.readframes(70_000), np.int16), expected)
    samples = (every / np.float32(32768)).astype(np.float32)
    assert np.array_equal(decode(folder.hold("x", Audio(samples, 8000, "d"))).samples, samples)
    folder.close()


def test_clips_of_one_digest_but_other_samples_are_other_files() -> None:
    """A digest outlives resampling, and a caller may give any."""
    one, two = Audio(np.zeros(9, np.float32), 8000, "d"), Audio(np.ones(9, np.float32), 8000, "d")
    assert clip_name(one) != clip_name(two)
    assert clip_name(one) != clip_name(Audio(one.samples, 16_000, "d"))


def test_several_children_share_the_clips_and_keep_them() -> None:
    model = start("who", options="workers=3&window=2")
    try:
        requests = questions(12, each=3)
        told = [answer.text for answer in model.respond(requests)]
        assert {str(text).split(":")[0] for text in told} == {"0", "1", "2"}
        for number in range(12):
            assert len(set(told[3 * number : 3 * number + 3])) == 1, "a clip was heard by two children"
        assert {told.count(text) for text in told} == {12}, "uneven work"
        assert [answer.text for answer in model.respond(requests[::-1])] == told[::-1]
    finally:
        model.close()


def test_children_of_xdist_workers_have_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw2")
    model = start("who", options="workers=2")
    try:
        told = {str(answer.text).split(":")[0] for answer in model.respond(questions(4))}
    finally:
        model.close()
    assert told == {"4", "5"}


def test_answers_in_any_order() -> None:
    model = start("reverse", 6, options="window=6")
    try:
        requests = questions(3)
        assert [(answer.text or "").split()[2] for answer in model.respond(requests)] == [one.id for one in requests]
    finally:
        model.close()


def test_one_id_twice_in_a_call_is_asked_one_after_the_other() -> None:
    model = start("good")
    try:
        same = ask("a", clip(1))
        assert [answer.error for answer in model.respond([same, same])] == [None, None]
    finally:
        model.close()


def test_no_requests() -> None:
    model = start("good")
    try:
        assert model.respond([]) == []
    finally:
        model.close()


def test_no_pipe_blocks_another() -> None:
    """10 MB on stderr before the first line, half a MB more an answer, lines beyond any pipe's room, a late reader."""
    for words in (("noise-on-stderr",), ("huge-line", 3_000_000), ("reads-late",)):
        model = start(*words)
        try:
            request = ask("x" * 3_000_000, clip(1))
            answers = model.respond([request, *questions(3)])
            assert [answer.error for answer in answers] == [None] * 7
        finally:
            model.close()


def test_the_declared_rate_is_the_models() -> None:
    model = start("rate", 16_000)
    model.close()
    assert model.sample_rate == 16_000


def test_a_child_has_time_to_leave_by_itself(tmp_path: Path) -> None:
    model = start("slow-exit", tmp_path / "state", 0.5)
    began = time.monotonic()
    model.close()
    assert time.monotonic() - began < 5
    assert (tmp_path / "state").read_text() == "left by itself"


def test_closed_twice_and_asked_after() -> None:
    model = start("good")
    model.close()
    model.close()
    with pytest.raises(AdapterError, match="no child is left to ask"):
        model.respond(questions(1))


def test_a_child_that_ignores_the_end_and_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mcr.models.process_child.AT_EOF", 0.2)
    monkeypatch.setattr("pytest_mcr.models.process_child.AT_TERM", 0.2)
    model = start("ignores-everything", options="workers=2")
    began = time.monotonic()
    model.close()
    assert 0.4 <= time.monotonic() - began < 3


def test_grandchildren_go_with_their_child(tmp_path: Path) -> None:
    model = start("grandchild", tmp_path / "pid")
    assert model.respond(questions(1))[0].error is None
    model.close()


def test_ctrl_c_in_the_middle_leaves_nothing_and_mixes_up_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = start("hangs-once", tmp_path / "state")

    def interrupted(children: Iterable[Child], seconds: float) -> None:
        exchange(children, seconds)
        if (tmp_path / "state").exists():  # the child is about to hang
            raise KeyboardInterrupt

    try:
        with monkeypatch.context() as patch:
            patch.setattr("pytest_mcr.models.process_pool.exchange", interrupted)
            with pytest.raises(KeyboardInterrupt):
                model.respond(questions(2))
        assert [answer.error for answer in model.respond(questions(2))] == [None] * 4
        assert model.notes == []
    finally:
        model.close()


def test_the_guard_tidies_up_after_a_pytest_that_was_killed() -> None:
    """By kill -9, with a child that ignores the end of its stdin; the fixture looks for the folder of clips."""
    code = (
        "import os, signal; from tests.unit.process_lab import start; model = start('ignores-everything');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root, temporary = str(Path(__file__).parents[2]), tempfile.gettempdir()
    environment = {**os.environ, "PYTHONPATH": root, "TMPDIR": temporary}
    assert os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-c", code], environment) == -9
    assert [path.name[:11] for path in Path(temporary).iterdir()] == ["pytest-mcr-"]
    assert left_behind(os.environ["MCR_TEST_MARK"], seconds=6) == []


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    (program := tmp_path / "worker").write_bytes(b"\x7fELF no program")
    program.chmod(0o755)
    with pytest.raises(ModelError, match=r"exec:./worker: cannot be started \(Exec format error\)"):
        ProcessModel(read_command(parse_spec("exec:./worker", invocation_dir=tmp_path), tmp_path))
