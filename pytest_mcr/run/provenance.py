"""Where a run came from: versions, git state, start time. Read once, on the controller."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex
from typing import Final

PACKAGES: Final = ("pytest-mcr", "pytest", "pytest-xdist", "numpy", "scipy", "soundfile", "torch", "transformers")


def new_run_id(now: datetime) -> str:
    """A run id that sorts by time and does not collide, e.g. ``20260131-094512-3f9c``."""
    return f"{now:%Y%m%d-%H%M%S}-{token_hex(2)}"


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number; absent packages are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, object]:
    """Commit and dirty flag of the checkout around `folder`; both None outside of one or without git."""
    try:
        sha = _git(folder, "rev-parse", "HEAD")
        return {"sha": sha, "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"sha": None, "dirty": None}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
