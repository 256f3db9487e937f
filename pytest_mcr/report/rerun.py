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


def asked_again(record: RunRecord) -> list[str]:
    """The command that asks the same model the same questions, as quoted words, without which of them."""
    settings = record.settings
    words = ["pytest", "--mcr-model", quoted(str(record.model["spec"]))]
    if settings.get("data"):
        words += ["--mcr-data", quoted(str(settings["data"]))]
    for key, flag, default in RERUN_OPTIONS:
        if settings.get(key) not in (None, default):
            words += [flag] if settings[key] is True else [flag, quoted(str(settings[key]))]
    return words


def rerun_command(record: RunRecord) -> list[str] | None:
    """The command that asks about the shown clips again, as quoted words; None when no clip is shown."""
    if not record.examples:
        return None
    chosen = " or ".join(example.sample.id for example in record.examples)
    return [*asked_again(record), "--mcr-profile", "report", "-k", quoted(chosen)]


def repair_command(record: RunRecord) -> list[str]:
    """The command that compares repair arms on the same cases; answers that are cached are not asked again."""
    settings = record.settings
    words = asked_again(record)
    for key, flag in (("tasks", "--mcr-tasks"), ("conditions", "--mcr-conditions")):
        chosen = settings.get(key)
        if isinstance(chosen, (list, tuple)):
            words += [flag, quoted(",".join(map(str, chosen)))]
    for key, flag, default in (("limit", "--mcr-limit", None), ("seed", "--mcr-seed", 0)):
        if settings.get(key) not in (None, default):
            words += [flag, str(settings[key])]
    if settings.get("profile") != "release":
        words += ["--mcr-profile", quoted(str(settings["profile"]))]
    for key, flag in (("gates", "--mcr-gate"), ("add_gates", "--mcr-add-gate")):
        given = settings.get(key)
        for gate in given if isinstance(given, (list, tuple)) else ():
            words += [flag, quoted(str(gate))]
    return [*words, "--mcr-suite", "bench,mitigation"]


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
