"""Writing ``results.json`` and the pointer to the latest run, each in one atomic step."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pytest_mcr.data.results_file import CASES, CASES_DIGEST, DIGEST, RESULTS, content_digest, file_digest
from pytest_mcr.errors import OptionError
from pytest_mcr.run.record import RunRecord

POINTER: Final = "latest"
MEASURED: Final = ("metrics", "gates")
"""Sections in which a NaN is a mistake of ours and must not turn into a null."""


def write_results(record: RunRecord, out: Path) -> None:
    """Write ``results.json`` into a folder; other files there stay as they are.

    Args:
        record: the run.
        out: folder to write to, made where it is missing; the run's ``cases.jsonl`` is already there.

    Raises:
        OptionError: the folder cannot be written.
        ValueError: a metric or gate holds a number that is not finite.
    """
    cases = out / CASES
    try:
        text = results_text(record, file_digest(cases) if cases.is_file() else None)
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / RESULTS, text)
    except OSError as error:
        raise OptionError(
            f"cannot write {out / RESULTS} ({error.strerror}); give a folder that can be written with --mcr-out DIR"
        ) from error


def check_folder(flag: str, out: Path) -> None:
    """Refuse the folder of a flag before anything is measured for it; makes nothing that stays.

    Raises:
        OptionError: the folder, or the nearest one above it that exists, cannot be written.
    """
    nearest = next(path for path in (out, *out.parents) if path.exists())
    if not nearest.is_dir():
        raise OptionError(f"{flag} {out}: {nearest} is a file; give a folder")
    try:  # permissions do not tell: root may write anywhere, and still not in /proc
        with tempfile.TemporaryDirectory(prefix=".pytest-mcr-", dir=nearest):
            pass
    except OSError as error:
        raise OptionError(
            f"{flag} {out}: {nearest} cannot be written ({error.strerror}); give another folder"
        ) from None


def results_text(record: RunRecord, cases_digest: str | None = None) -> str:
    """The content of ``results.json``: one key order, no NaN, a newline at the end.

    What a model or a caller says about itself may hold a NaN or a tuple and is brought to JSON's terms; our own numbers
    are written as they are, and one that is not finite is an error. The last key is the digest of all others.

    Args:
        record: the run.
        cases_digest: sha256 of its ``cases.jsonl``, None where there is none.
    """
    sections = record.to_json()
    plain = {key: value if key in MEASURED else to_json(value) for key, value in sections.items()}
    plain[CASES_DIGEST] = cases_digest
    plain[DIGEST] = content_digest(plain)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def to_json(value: object) -> object:
    """Bring a value to JSON's terms: mappings, lists, text, whole and finite numbers, null for any other number."""
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def replace_file(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader sees the old text or the new, never a part.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
    """
    replace_in_parts(path, [text])


def replace_in_parts(path: Path, parts: Iterable[str]) -> None:
    """The same for a text that is made while it is written.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
    """
    # A command line may hold bytes that are no UTF-8; Python keeps them as lone surrogates, whose escape is JSON.
    with (
        staged_beside(path) as staged,
        staged.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.writelines(parts)


def replace_bytes(path: Path, content: bytes) -> None:
    """The same for bytes.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
    """
    with staged_beside(path) as staged:
        staged.write_bytes(content)


@contextmanager
def staged_beside(path: Path) -> Iterator[Path]:
    """A file to be written beside another, which it then replaces; gone when anything is raised."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        yield staged
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def point_latest(home: Path, out: Path) -> None:
    """Let ``<home>/latest`` point to the folder of a run.

    A relative symbolic link, so that the tree can be moved; where links are impossible, a text file with the path.

    Args:
        home: the folder ``.mcr``, made where it is missing.
        out: the run's folder.

    Raises:
        OptionError: something of another's is called ``latest``, or the folder cannot be written.
    """
    pointer = home / POINTER
    if pointer.is_dir() and not pointer.is_symlink():
        raise OptionError(f"{pointer} is a folder, so it cannot point to the latest run; rename it")
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / ".gitignore").exists():
            replace_file(home / ".gitignore", "*\n")  # results are no source
        target = relative(out.resolve(), home.resolve())
        if not replace_link(pointer, target):
            replace_file(pointer, f"{target}\n")
    except OSError as error:
        raise OptionError(
            f"cannot write {pointer} ({error.strerror}); make {home} writable or use --mcr-out DIR"
        ) from error


def replace_link(path: Path, target: str) -> bool:
    """Replace a symbolic link in one step; False where links cannot be made (file system, missing right)."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.new")
    staged.unlink(missing_ok=True)  # left by a process of this number that was killed
    try:
        staged.symlink_to(target, target_is_directory=True)
    except (OSError, NotImplementedError):
        return False
    try:
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    return True


def relative(path: Path, start: Path) -> str:
    """A path as seen from a folder; absolute where there is no such way (another drive)."""
    try:
        return os.path.relpath(path, start)
    except ValueError:
        return str(path)
