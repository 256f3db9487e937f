"""From a folder to raw records: which tasks it holds, and the JSON list of each."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Final

from pytest_mcr.core.case import TASK_NAME
from pytest_mcr.errors import DataError

LIST_KEYS: Final = ("data", "samples", "examples", "items")
RESERVED: Final = "each"
"""A gate on ``each.METRIC`` means every task, so no task may have that name."""


class RawObject(dict[str, object]):
    """A JSON object that remembers a key it was given twice, which `json` would drop silently."""

    repeated: str | None = None


def _object(pairs: list[tuple[str, object]]) -> RawObject:
    made = RawObject(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        made.repeated = next(key for key in keys if keys.count(key) > 1)
    return made


def show(value: object) -> str:
    """A JSON value on one short line, as it stands in the file."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def find_tasks(root: Path) -> dict[str, Path]:
    """Find the task files of a data folder: ``ROOT/<TASK>/<TASK>.json``.

    Hidden folders, and folders with neither a task file nor an ``audio`` folder, are not tasks.

    Returns:
        The JSON file by task, sorted by task name; at least one.

    Raises:
        DataError: no such folder, no task in it, a bad task name, or a folder that looks like a task but is none.
    """
    if not root.is_dir():
        state = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"the data folder {root} {state}; give a folder that holds <TASK>/<TASK>.json")
    try:
        folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        found = {folder.name: _task_file(folder) for folder in folders}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions") from error
    tasks = {name: file for name, file in found.items() if file is not None}
    if not tasks:
        raise DataError(_no_task(root, folders))
    for name, file in tasks.items():
        if not TASK_NAME.fullmatch(name) or name == RESERVED:
            reason = "is reserved" if name == RESERVED else "may hold only letters, digits, '_' and '-'"
            raise DataError(f"{file}: the task name {name!r} {reason}; rename the folder and its JSON file")
    return tasks


def _task_file(folder: Path) -> Path | None:
    """The folder's JSON file; None for a folder that is no task. A task is never dropped for a misspelt file."""
    file = folder / f"{folder.name}.json"
    if file.is_file():
        return file
    near = [other.name for other in sorted(folder.iterdir()) if other.name.casefold() == file.name.casefold()]
    if near:
        raise DataError(f"{folder / near[0]}: the file of task {folder.name!r} must be named {file.name}; rename it")
    if (folder / "audio").is_dir():
        raise DataError(f"{folder} has an audio folder but no {file.name}; add that file or move the folder away")
    return None


def _no_task(root: Path, folders: list[Path]) -> str:
    expected = f"no task in {root}: expected <TASK>/<TASK>.json, e.g. {root / 'AQA' / 'AQA.json'}"
    if (root / f"{root.resolve().name}.json").is_file():
        return f"{expected}; this is the folder of one task, give the folder above it: {root.resolve().parent}"
    deeper = [folder for folder in folders if any(folder.glob("*/*.json"))]
    hint = f"did you mean {deeper[0]}?" if deeper else "give a folder in the release layout"
    return f"{expected}; {hint}"


def read_list(file: Path) -> list[object]:
    """Read the records of a task file: a JSON list, or an object with the list under one of `LIST_KEYS`.

    A byte-order mark is accepted. Records are not checked yet; objects are `RawObject`.

    Raises:
        DataError: unreadable, not UTF-8, not JSON (with line and column), no list, several lists, or an empty one.
    """
    try:
        content: object = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text at byte {error.start}; save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise DataError(f"{file}: broken JSON at {place} ({error.msg}); mend or download the file again") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "a number with too many digits"
        raise DataError(f"{file}: JSON that cannot be read ({reason}); mend or download the file again") from error
    records = _unwrap(content, file)
    if not records:
        raise DataError(f"{file}: the list of records is empty; add records or remove the task's folder")
    return records


def _unwrap(content: object, file: Path) -> list[object]:
    if isinstance(content, list):
        return content
    expected = f"expected a list of records, or an object with the list under one of {', '.join(LIST_KEYS)}"
    if not isinstance(content, RawObject):
        raise DataError(f"{file}: found {show(content)}; {expected}")
    if content.repeated is not None:
        raise DataError(f"{file}: key {show(content.repeated)} is given twice; keep one of them")
    lists = [(key, content[key]) for key in LIST_KEYS if key in content]
    if len(lists) != 1:
        names = ", ".join(key for key, _ in lists) or f"none of them (its keys: {show(list(content))})"
        raise DataError(f"{file}: {expected}; found {names}")
    key, records = lists[0]
    if not isinstance(records, list):
        raise DataError(f"{file}: key {show(key)} holds {show(records)}; expected a list of records there")
    return records
