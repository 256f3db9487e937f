"""Where a record's audio lies: inside the data folder, and a file that is not empty. Nothing is opened."""

# String paths: on 3,000 records, Path objects would cost more than all the rest of collection.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple

from pytest_mcr.data.manifest import show
from pytest_mcr.errors import DataError

EXTENSIONS: Final = (".wav", ".flac", ".ogg", ".mp3")
ABSOLUTE: Final = re.compile(r"[/\\]|[A-Za-z]:[/\\]")
"""Of either family of systems: data travels."""


class Place(NamedTuple):
    """An audio file: its path relative to the root, with forward slashes, and its size in bytes."""

    audio: str
    size: int


class Locator:
    """Finds audio files below one root; remembers folders, so that a record costs one `lstat`."""

    def __init__(self, root: Path) -> None:
        """Prepare for one data folder; the root itself may be reached through a link."""
        self.root = os.path.abspath(root)
        self._real_root = os.path.realpath(root)
        self._real_folders: dict[str, str] = {}

    def find(self, written: str, task: str, where: str) -> Place:
        """Find a record's audio relative to the task folder, the root or the ``audio`` folder, in this order.

        The first of the three that exists is taken. ``..`` and links are followed only inside the root.

        Raises:
            DataError: absolute, outside the root, missing, empty, no regular file, or of an unknown format.
        """
        if ABSOLUTE.match(written):
            raise DataError(f"{where}: audio {show(written)} is an absolute path; write it relative to the task folder")
        bases = (os.path.join(self.root, task), self.root, os.path.join(self.root, task, "audio"))
        escaping = []
        for base in bases:
            path = os.path.normpath(os.path.join(base, written))
            if not path.startswith(self.root + os.sep):
                escaping.append(base)
                continue
            try:
                status = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise DataError(
                    f"{where}: audio {show(written)} cannot be read ({error.strerror}); check it"
                ) from error
            return self._checked(path, status, written, where)
        if bases[0] in escaping:
            raise DataError(_outside(where, written))
        tried = " or ".join(os.path.relpath(base, self.root) + os.sep for base in bases if base not in escaping)
        limits = ", and outside the data folder nothing is read" if escaping else ""
        fix = "write / instead of \\" if "\\" in written else "add it or mend the path"
        raise DataError(f"{where}: audio {show(written)} is missing under {tried}{limits}; {fix}")

    def _checked(self, path: str, status: os.stat_result, written: str, where: str) -> Place:
        if not self._inside(path, status):
            raise DataError(_outside(where, written))
        if stat.S_ISLNK(status.st_mode):
            try:
                status = Path(path).stat()
            except OSError as error:
                raise DataError(f"{where}: audio {show(written)} is a link to nothing; mend the link") from error
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{where}: audio {show(written)} is not a file; name a wav, flac, ogg or mp3 file")
        if status.st_size == 0:
            raise DataError(f"{where}: audio {show(written)} is an empty file (0 bytes); copy or download it again")
        if not path.lower().endswith(EXTENSIONS):
            raise DataError(f"{where}: audio {show(written)} is not wav, flac, ogg or mp3; convert it to one of them")
        return Place(path[len(self.root) + 1 :].replace(os.sep, "/"), status.st_size)

    def _inside(self, path: str, status: os.stat_result) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        real = os.path.join(self._real_folders[folder], name)
        if stat.S_ISLNK(status.st_mode):
            real = os.path.realpath(path)
        return real.startswith(self._real_root + os.sep)


def _outside(where: str, written: str) -> str:
    return f"{where}: audio {show(written)} lies outside the data folder; copy it inside and name it from there"
