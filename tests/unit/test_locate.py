"""No record reaches outside the data folder, and audio that cannot be used is refused by name at collection."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.release_folder import complaint, record, write


def outside(root: Path) -> Path:
    """A clip beside the data folder, where no record may reach."""
    clip = root.parent / "outside.wav"
    clip.write_bytes(b"secret")
    return clip


def by_dots(root: Path) -> str:
    outside(root)
    return "../../outside.wav"


def by_absolute_path(root: Path) -> str:
    return str(outside(root))


def by_link_to_a_file(root: Path) -> str:
    (root / "AQA" / "audio" / "link.wav").symlink_to(outside(root))
    return "audio/link.wav"


def by_link_to_a_folder(root: Path) -> str:
    (root / "AQA" / "more").symlink_to(outside(root).parent)
    return "more/outside.wav"


def by_linked_task_folder(root: Path) -> str:
    shutil.move(root / "AQA", root.parent / "AQA")
    (root / "AQA").symlink_to(root.parent / "AQA")
    return "audio/0.wav"


@pytest.mark.parametrize(
    ("escape", "expected"),
    [
        (by_dots, "lies outside the data folder"),
        (by_absolute_path, "is an absolute path"),
        (by_link_to_a_file, "lies outside the data folder"),
        (by_link_to_a_folder, "lies outside the data folder"),
        (by_linked_task_folder, "lies outside the data folder"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_audio_outside_the_root(tmp_path: Path, escape: Callable[[Path], str], expected: str) -> None:
    root = write(tmp_path / "root", [record()])
    written = escape(root)
    write(root, [record(id="x", audio=written)], clips=0)
    start = f'{root / "AQA" / "AQA.json"} record 0 (AQA-0000, id "x"): audio {json.dumps(written)[:60]}'
    assert complaint(root).startswith(start)  # a long path is cut at its end
    assert expected in complaint(root)


def test_a_sibling_folder_with_the_same_beginning_is_outside(tmp_path: Path) -> None:
    root = write(tmp_path / "root", [record(audio="../../root-2/a.wav")])
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "a.wav").write_bytes(b"x")
    assert "lies outside the data folder" in complaint(root)


def test_what_only_the_root_leads_outside_with_is_not_read(tmp_path: Path) -> None:
    root = write(tmp_path / "root", [record()])
    outside(root)
    write(root, [record(audio="../outside.wav")])
    assert "is missing under AQA/ or AQA/audio/, and outside the data folder nothing is read" in complaint(root)


@pytest.mark.parametrize("written", ["C:\\clips\\a.wav", "d:/a.wav", "\\\\server\\a.wav"])
def test_windows_absolute_paths(tmp_path: Path, written: str) -> None:
    assert "is an absolute path" in complaint(write(tmp_path, [record(audio=written)]))


def test_missing_audio(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, [record(0), record(1, audio="audio/none.wav")]))
    expected = 'record 1 (AQA-0001): audio "audio/none.wav" is missing under AQA/ or ./ or AQA/audio/; add it or mend'
    assert expected in message


def test_backslashes_are_pointed_out(tmp_path: Path) -> None:
    assert "write / instead of \\" in complaint(write(tmp_path, [record(audio="audio\\0.wav")]))


def test_empty_audio(tmp_path: Path) -> None:
    write(tmp_path, [record()])
    (tmp_path / "AQA" / "audio" / "0.wav").write_bytes(b"")
    assert 'audio "audio/0.wav" is an empty file (0 bytes)' in complaint(tmp_path)


def test_audio_that_is_a_folder(tmp_path: Path) -> None:
    assert 'audio "audio" is not a file' in complaint(write(tmp_path, [record(audio="audio")]))


def test_a_link_to_nothing(tmp_path: Path) -> None:
    write(tmp_path, [record(audio="audio/link.wav")])
    (tmp_path / "AQA" / "audio" / "link.wav").symlink_to("none.wav")
    assert 'audio "audio/link.wav" is a link to nothing' in complaint(tmp_path)


def test_a_file_below_a_file_is_missing(tmp_path: Path) -> None:
    assert "is missing under" in complaint(write(tmp_path, [record(audio="audio/0.wav/1.wav")]))


def test_an_unknown_format(tmp_path: Path) -> None:
    write(tmp_path, [record(audio="a.m4a")])
    (tmp_path / "AQA" / "audio" / "a.m4a").write_bytes(b"x")
    assert 'audio "a.m4a" is not wav, flac, ogg or mp3; convert it' in complaint(tmp_path)


def test_a_name_too_long(tmp_path: Path) -> None:
    message = complaint(write(tmp_path, [record(audio="a" * 300 + ".wav")]))
    assert "cannot be read" in message
    assert len(message) < 400 + len(str(tmp_path))
