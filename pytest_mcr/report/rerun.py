"""The command that asks about a few clips again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

from pytest_mcr.report.wording import spelled
from pytest_mcr.run.record import RunRecord

RERUN_OPTIONS: Final = (
    ("template", "--mcr-template", "discretion"),
    ("answer", "--mcr-answer", "generate"),
    ("confidence", "--mcr-confidence", "scores"),
    ("max_new_tokens", "--mcr-max-new-tokens", None),
    ("device", "--mcr-device", "auto"),
    ("dtype", "--mcr-dtype", "auto"),
    ("trust_remote_code", "--mcr-trust-remote-code", False),
)
"""Settings that change an answer: key, flag, default."""


def rerun_command(record: RunRecord) -> list[str] | None:
    """The command that asks about the shown clips again, as quoted words; None when no clip is shown."""
    if not record.examples:
        return None
    settings = record.settings
    words = ["pytest", "--mcr-model", quoted(str(record.model["spec"]))]
    if settings.get("data"):
        words += ["--mcr-data", quoted(str(settings["data"]))]
    for key, flag, default in RERUN_OPTIONS:
        if settings.get(key) not in (None, default):
            words += [flag] if settings[key] is True else [flag, quoted(str(settings[key]))]
    chosen = " or ".join(example.sample.id for example in record.examples)
    return [*words, "--mcr-profile", "report", "-k", quoted(chosen)]


def quoted(word: str) -> str:
    """A word for a shell; double quotes where they do, because they serve in every shell."""
    if re.fullmatch(r"[A-Za-z0-9_@+=:,./ -]+", word) and " " in word:
        return f'"{word}"'
    return spelled(shlex.quote(word))


def folded(words: Sequence[str], width: int) -> str:
    """A command over several lines, each but the last ending in a backslash, so that it can be copied as it stands."""
    units: list[str] = []
    for word in words:
        if word.startswith("-") or not units:
            units.append(word)
        else:
            units[-1] += f" {word}"
    lines = units[:1]
    for unit in units[1:]:
        if len(lines[-1]) + len(unit) + len("   \\") <= width:
            lines[-1] += f" {unit}"
        else:
            lines.append(unit)
    return " \\\n    ".join(lines)
