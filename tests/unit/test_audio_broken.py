"""Files that are cut, damaged, empty or not finite: one line each, and nothing printed."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pytest_mcr.data.audio import decode
from tests.unit.clips import FORMATS, RATE, refusal, tone, written


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.1])
def test_a_file_cut_short(tmp_path: Path, extension: str, share: float) -> None:
    path = written(tmp_path, f"a.{extension}", tone())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    message = refusal(path)
    assert "cut short" in message or "cannot be decoded" in message
    assert "download it again" in message


def test_a_file_cut_to_its_first_bytes(tmp_path: Path) -> None:
    for extension in FORMATS:
        path = written(tmp_path, f"a.{extension}", tone())
        whole = path.read_bytes()
        for size in (1, 4, 11, 20, 40):
            path.write_bytes(whole[:size])
            refusal(path)


def test_an_ogg_cut_at_a_page_boundary(tmp_path: Path) -> None:
    path = written(tmp_path, "a.ogg", tone(5.0))
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"OggS")])
    assert "its last Ogg page is not marked as the end" in refusal(path)


def test_an_ogg_with_something_behind_it_is_whole(tmp_path: Path) -> None:
    path = written(tmp_path, "a.ogg", tone())
    before = decode(path)
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    assert decode(path).digest == before.digest


def test_a_wav_of_unknown_length_is_whole(tmp_path: Path) -> None:
    """Programs that write to a pipe leave 0xFFFFFFFF where the length belongs."""
    path = written(tmp_path, "a.wav", tone(), subtype="PCM_16")
    before, content = decode(path), bytearray(path.read_bytes())
    start = content.index(b"data") + 4
    content[start : start + 4] = content[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert decode(path).digest == before.digest


def test_a_wav_with_other_chunks_and_a_big_endian_one(tmp_path: Path) -> None:
    path = written(tmp_path, "a.wav", tone(), subtype="PCM_16")
    before, content = decode(path), path.read_bytes()
    extra = b"LIST" + struct.pack("<I", 5) + b"abcde\0"
    size = struct.pack("<I", len(content) - 8 + len(extra))
    path.write_bytes(content[:4] + size + content[8:12] + extra + content[12:])
    assert decode(path).digest == before.digest
    soundfile.write(tmp_path / "b.wav", tone(), RATE, subtype="PCM_16", endian="BIG")
    assert decode(tmp_path / "b.wav").digest == before.digest
    (tmp_path / "b.wav").write_bytes((tmp_path / "b.wav").read_bytes()[:-1000])
    assert "its header announces 64000 bytes of samples, 63000 are there" in refusal(tmp_path / "b.wav")


def test_tags_around_an_mp3_are_skipped(tmp_path: Path) -> None:
    path = written(tmp_path, "a.mp3", tone())
    before = decode(path)
    path.write_bytes(b"ID3\x04\0\0\0\0\x01\0" + bytes(128) + path.read_bytes() + b"TAG" + bytes(125))
    assert decode(path).digest == before.digest


def test_an_mp3_whose_end_the_decoder_would_drop(tmp_path: Path) -> None:
    """Without its header frame, libsndfile guesses this variable-rate file to be about half as long as it is."""
    path = written(tmp_path, "a.mp3", tone(3.0))
    whole = path.read_bytes()
    assert b"Xing" in whole[:100]
    path.write_bytes(whole[whole.index(whole[:2], 4) :])
    assert "frames in this mp3, which has no frame count; convert it to wav or flac" in refusal(path)


def test_a_damaged_mp3_is_refused_and_prints_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "a.mp3", tone())
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1000] = bytes(1000)
    path.write_bytes(content)
    assert "cut short or damaged" in refusal(path)
    code = f"from pathlib import Path; from pytest_mcr.data.audio import decode; decode(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1].startswith("pytest_mcr.errors.AudioError")
    assert "mpg123" not in done.stderr
    assert "Illegal Audio-MPEG-Header" not in done.stderr
    assert done.stdout == ""


def test_stderr_is_given_back_after_an_mp3(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    decode(written(tmp_path, "a.mp3", tone()))
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.wav", b"", "is an empty file (0 bytes)"),
        ("a.wav", b"hello world" * 100, "cannot be decoded (Format not recognised)"),
        ("a.mp3", b"hello world" * 100, "cannot be decoded (no mp3 frames in it)"),
        ("a.ogg", b"OggS" + bytes(200), "cut short (its last Ogg page is not marked as the end"),
        ("a.flac", b"fLaC" + bytes(200), "cannot be decoded ("),
    ],
    ids=["empty", "text", "mp3", "ogg", "flac"],
)
def test_no_sound_in_it(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(expected)


@pytest.mark.parametrize("name", ["a.wav", "a.ogg"])
def test_no_samples(tmp_path: Path, name: str) -> None:
    assert refusal(written(tmp_path, name, np.zeros(0, np.float32))).startswith("holds no samples")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(tmp_path: Path, value: float) -> None:
    frames = np.stack([tone(), tone()], axis=1)
    frames[8_000, 1] = frames[9_000, 0] = value
    path = written(tmp_path, "a.wav", frames, subtype="FLOAT")
    assert refusal(path).startswith("has samples that are NaN or infinite (2 of 32000 frames, first at 0.500 s)")


@pytest.mark.parametrize("rate", [1, 999, 800_000])
def test_an_impossible_rate(tmp_path: Path, rate: int) -> None:
    path = written(tmp_path, "a.wav", tone(), rate)
    assert refusal(path).startswith(f"its header says {rate} Hz; expected 1000 to 768000 Hz")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.wav").startswith("cannot be read (No such file or directory)")
    assert refusal(tmp_path).startswith("cannot be read (Is a directory)")
