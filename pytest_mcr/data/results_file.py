"""Reading ``results.json`` and ``cases.jsonl`` again: whole, of a known schema, and unchanged, or refused in one line.

Each file's sha256 is in ``results.json``: ``digest`` over its own content, ``cases_digest`` over the bytes of
``cases.jsonl``. They guard against accident (a torn copy, a merge, an editor), not against fraud: who changes a number
can write a new digest, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from pytest_mcr.errors import OptionError

RESULTS: Final = "results.json"
CASES: Final = "cases.jsonl"
SCHEMA: Final = "pytest-mcr.results/1"
DIGEST: Final = "digest"
CASES_DIGEST: Final = "cases_digest"
OBJECTS: Final = ("run", "model", "dataset", "protocol", "settings", "counts", "canary", "audit")
NUMBER: Final = ("task", "condition", "metric", "value", "low", "high", "n", "note")
"""Keys of a row of ``metrics``; all others tell variants apart (gold, text_label, arm, layer, ...)."""
LISTS: Final = ("reasons", "metrics", "gates", "gates_not_judged")


def content_digest(results: Mapping[str, Any]) -> str:
    """sha256 hex of the results as canonical JSON: sorted keys, no white space, ASCII, without the key ``digest``.

    Raises:
        ValueError: a number is not finite.
    """
    content = {key: value for key, value in results.items() if key != DIGEST}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 hex of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def results_path(path: Path) -> Path:
    """``results.json`` of a run that is named by it or by its folder."""
    return path / RESULTS if path.is_dir() else path


def read_results(path: Path) -> dict[str, Any]:
    """Read a run's results.

    Args:
        path: of ``results.json``.

    Raises:
        OptionError: it cannot be read, is torn, of another schema, lacks a part, or is not what was written. Files of
            this schema from before there were digests are read without that check.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror}); name a run's {RESULTS}, or its folder") from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{path}: not a whole JSON file ({error}); copy it again, or run again") from None
    if not isinstance(results, dict) or "schema" not in results:
        raise OptionError(f"{path}: no results of a run (it has no schema); expected {SCHEMA!r}")
    if results["schema"] != SCHEMA:
        raise OptionError(
            f"{path}: schema {results['schema']!r}; expected {SCHEMA!r}; read it with the version of pytest-mcr that "
            "wrote it, or run again"
        )
    _require_parts(path, results)
    if DIGEST in results and results[DIGEST] != content_digest(results):
        raise OptionError(
            f"{path}: changed since it was written (its content's sha256 is {content_digest(results)[:12]}, its "
            f"{DIGEST} {str(results[DIGEST])[:12]}); copy it again, or run again"
        )
    return results


def read_cases(path: Path, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the cases of a run.

    Args:
        path: of ``cases.jsonl``.
        results: of the same run.

    Raises:
        OptionError: it cannot be read, is torn, or not the file that the results were written with.
    """
    found = []
    for number, line in enumerate(require_cases(path, results).split("\n")[:-1], start=1):
        try:
            case = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise OptionError(f"{path}:{number}: not a whole JSON object ({error}); copy the run again") from None
        if not isinstance(case, dict):
            raise OptionError(f"{path}:{number}: a {type(case).__name__}; expected an object; copy the run again")
        found.append(case)
    wanted = results["counts"].get("cases")
    if len(found) != wanted:
        raise OptionError(f"{path}: {len(found)} cases; its {RESULTS} counts {wanted}; copy the run again")
    return found


def require_cases(path: Path, results: Mapping[str, Any]) -> str:
    """The text of a ``cases.jsonl``, if it is the one that the results were written with.

    Raises:
        OptionError: it cannot be read, or its bytes differ; results from before there were digests check nothing.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror}); it lies beside a run's {RESULTS}") from None
    except UnicodeDecodeError as error:
        raise OptionError(f"{path}: not UTF-8 ({error.reason}); copy the run again") from None
    wanted, found = results.get(CASES_DIGEST), hashlib.sha256(content).hexdigest()
    if wanted is not None and found != wanted:
        raise OptionError(
            f"{path}: not the file that {RESULTS} was written with (sha256 {found[:12]}, its {CASES_DIGEST} "
            f"{str(wanted)[:12]}); copy the run again"
        )
    return text


def _require_parts(path: Path, results: Mapping[str, Any]) -> None:
    for keys, kind, word in ((OBJECTS, dict, "an object"), (LISTS, list, "a list"), (("verdict",), str, "a text")):
        for key in keys:
            if not isinstance(results.get(key), kind):
                raise OptionError(f"{path}: no results of a run ({key!r} is not {word}); copy it again, or run again")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
