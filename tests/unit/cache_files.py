"""Cache files for the tests, and what they hold."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_mcr.models.protocol import Response
from pytest_mcr.run.cache import open_cache
from pytest_mcr.run.cache_file import LOCK, NAME

ANSWERS = {f"key {number}": Response(f"answer {number}", {"yes": -number / 7, "no": -0.5}) for number in range(60)}
posix = pytest.mark.skipif(sys.platform == "win32", reason="renames and permissions as in POSIX")


def stored(folder: Path) -> Path:
    """A closed cache file that holds the answers."""
    cache = open_cache(folder, limit=None)
    cache.put({"clip": "digest"}, ANSWERS)
    cache.close()
    return folder / NAME


def names(folder: Path) -> list[str]:
    """What lies in the folder, without the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)
