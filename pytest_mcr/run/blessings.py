"""Blessings: which runs a release is measured against, who said so, when, why and until when.

A folder of blessings holds ``blessings.json`` and a copy of every blessed run beside it, named by relative paths, so
that it can be committed or moved as one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Final

from pytest_mcr.errors import OptionError

FILE: Final = "blessings.json"
SCHEMA: Final = "pytest-mcr.blessings/1"


@dataclass(frozen=True, slots=True)
class Blessing:
    """One blessed run.

    Attributes:
        results: path of its ``results.json`` from the folder of the blessings, with forward slashes.
        digest: of the content of its results.
        cases_digest: sha256 of its ``cases.jsonl``.
        run: its id.
        model: as it was named.
        verdict: ``pass`` or ``fail``.
        accepted: reasons of a failed run, which were accepted with the blessing.
        who: blessed it.
        when: date and time, UTC, ISO 8601.
        why: in their words.
        expires: last day on which it counts, ISO 8601; None for ever.
        anchor: later runs are also judged against it, so that small losses cannot add up.
    """

    results: str
    digest: str
    cases_digest: str
    run: str
    model: str
    verdict: str
    accepted: tuple[str, ...]
    who: str
    when: str
    why: str
    expires: str | None
    anchor: bool

    def counts(self, today: date) -> bool:
        """Whether it has not expired."""
        return self.expires is None or date.fromisoformat(self.expires) >= today

    def to_json(self) -> dict[str, Any]:
        """The entry of the file."""
        return asdict(self) | {"accepted": list(self.accepted)}


def read_blessings(path: Path) -> tuple[Blessing, ...]:
    """Read the blessings of a file, the oldest first.

    Raises:
        OptionError: it cannot be read, or an entry is not understood.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot be read ({error.strerror}); name a file of blessings") from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{path}: not a whole JSON file ({error}); take it from version control again") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise OptionError(f"{path}: schema {schema!r}; expected {SCHEMA!r}, as python -m pytest_mcr bless writes it")
    entries = content.get("blessings")
    if not isinstance(entries, list):
        raise OptionError(f"{path}: 'blessings' is not a list; take it from version control again")
    return tuple(_blessing(f"{path}: blessing {number}", entry) for number, entry in enumerate(entries, start=1))


def blessings_text(blessings: Sequence[Blessing]) -> str:
    """The content of the file."""
    content = {"schema": SCHEMA, "blessings": [blessing.to_json() for blessing in blessings]}
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def last_of(blessings: Sequence[Blessing], today: date) -> Blessing | None:
    """The last blessing that counts."""
    return next((blessing for blessing in reversed(blessings) if blessing.counts(today)), None)


def anchor_of(blessings: Sequence[Blessing], today: date) -> Blessing | None:
    """The oldest anchor that counts."""
    return next((blessing for blessing in blessings if blessing.anchor and blessing.counts(today)), None)


def blessed_path(file: Path, blessing: Blessing) -> Path:
    """The results of a blessed run.

    Raises:
        OptionError: the path leads out of the folder of the blessings.
    """
    home = file.parent.resolve()
    path = (home / blessing.results).resolve()
    if not path.is_relative_to(home):
        raise OptionError(f"{file}: {blessing.results!r} lies outside of {home}; bless the run again")
    return file.parent / blessing.results


def _blessing(where: str, entry: object) -> Blessing:
    if not isinstance(entry, Mapping):
        raise OptionError(f"{where}: a {type(entry).__name__}; expected an object")
    kinds: dict[str, tuple[type, ...]] = {"accepted": (list,), "anchor": (bool,), "expires": (str, type(None))}
    for field in fields(Blessing):
        if field.name not in entry:
            raise OptionError(f"{where}: {field.name} is missing; bless the run again")
        if not isinstance(entry[field.name], kinds.get(field.name, (str,))):
            raise OptionError(f"{where}: {field.name} = {entry[field.name]!r} is not understood; bless the run again")
    expires = entry["expires"]
    if expires is not None:
        try:
            date.fromisoformat(expires)
        except ValueError:
            raise OptionError(f"{where}: expires = {expires!r}; expected YYYY-MM-DD") from None
    values = {field.name: entry[field.name] for field in fields(Blessing)}
    return Blessing(**values | {"accepted": tuple(str(reason) for reason in entry["accepted"])})
