"""``--mcr-model help``: everything that may be given as a model, read off the tables that check what is given."""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from packaging.requirements import Requirement

from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import DataError
from pytest_mcr.models import aliases, endpoint_target, hf_files, oracle_kinds, process_command, replay
from pytest_mcr.models.choices import Choice
from pytest_mcr.models.spec import EXAMPLES

OWN: Final = "pytest-mcr"
FOR_DEVELOPERS: Final = ("dev",)
"""Extras that no user needs."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to name a model.

    Attributes:
        form: as it is typed.
        meaning: what then runs.
        example: one that could be typed.
        options: of its adapter.
    """

    form: str
    meaning: str
    example: str
    options: Mapping[str, Choice]


FORMS: Final = (
    Form(
        "hf:REPO[@REV]",
        "a repository of the hub through transformers, in this process; REV is a branch, tag or commit",
        EXAMPLES["hf"],
        hf_files.OPTIONS,
    ),
    Form(
        "FOLDER",
        "a checkpoint made by save_pretrained(); anything with a path separator is a folder; options as for hf:",
        "./checkpoints/step-9000?attn=eager",
        {},
    ),
    Form(
        "exec:COMMAND",
        "a child process in any environment and language that speaks JSON lines",
        EXAMPLES["exec"],
        process_command.OPTIONS,
    ),
    Form(
        "openai:URL#MODEL[,URL...]",
        "an OpenAI-compatible server that takes input_audio, or several of them",
        EXAMPLES["openai"],
        endpoint_target.OPTIONS,
    ),
    Form(
        "replay:FILE",
        "recorded answers: JSON lines or a .csv with id and text, or a former run's cases.jsonl",
        EXAMPLES["replay"],
        replay.OPTIONS,
    ),
    Form(
        "oracle:NAME",
        f"a planted model without weights: {', '.join(oracle_kinds.PLANTED)}",
        "oracle:noisy?p=0.2&seed=1",
        oracle_kinds.OPTIONS,
    ),
    Form(
        "MODULE:FACTORY",
        "your own class or function, called with a mapping of the options (any names); the folder that pytest is "
        "started in is importable",
        "my_module:Treble?cut=2000",
        {},
    ),
)


def listing(width: int) -> list[str]:
    """The lines of the help.

    Args:
        width: columns of the terminal.
    """
    lines = [
        "--mcr-model SPEC[?option=value&option=value]",
        *_wrapped(
            "Quote it for the shell. In a value write %26 for &, %25 for % and, if you like, %20 for a space.", width, 0
        ),
        "",
        "Aliases",
        *_columns([*_shipped(), *_published()], width),
        "",
        "Forms",
    ]
    for form in FORMS:
        lines += [f"  {form.form}", *_wrapped(form.meaning, width, 6), f"      e.g. {form.example}"]
        lines += _columns([(f"{name}={it.shown}", it.help) for name, it in form.options.items()], width, indent=8)
    return [*lines, "", "Installed", *_columns(list(installed()), width)]


def installed() -> Iterator[tuple[str, str]]:
    """What is installed of what this project can use, by extra, and what to type for the rest; imports none of it."""
    yield "Python", platform.python_version()
    try:
        extras = metadata.metadata(OWN).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        yield OWN, "runs from a folder and is not installed, so its requirements are not known"
        return
    yield OWN, metadata.version(OWN)
    needed = [Requirement(line) for line in metadata.requires(OWN) or []]
    yield "always", _versions([one for one in needed if _wanted(one, "")], "")
    for extra in sorted(set(extras) - set(FOR_DEVELOPERS)):
        own = [one for one in needed if one.name != OWN and _wanted(one, extra) and not _wanted(one, "")]
        yield extra, _versions(own, extra)


def _wanted(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _versions(requirements: Sequence[Requirement], extra: str) -> str:
    found, missing = [], []
    for name in dict.fromkeys(requirement.name for requirement in requirements):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    package = f"'{OWN}[{extra}]'" if extra else OWN
    advice = [f"not installed: {', '.join(missing)} (pip install {package})"] if missing else []
    return "; ".join([", ".join(found)] * bool(found) + advice)


def _shipped() -> list[tuple[str, str]]:
    rows = []
    for name, folder in aliases.LAB.items():
        try:
            fixture(folder)
        except DataError:
            rows.append((name, "not in this installation"))
        else:
            rows.append((name, "a model that ships with the project; options as for hf:"))
    return rows


def _published() -> list[tuple[str, str]]:
    return [(name, f"hf:{repository}") for name, repository in aliases.PUBLISHED.items()]


def _columns(rows: Sequence[tuple[str, str]], width: int, indent: int = 2) -> list[str]:
    """Names on the left, text on the right in its own column; a name too long for that has a line of its own."""
    left = min(max((len(name) for name, _ in rows), default=0) + 2, 22)
    lines = []
    for name, text in rows:
        wrapped = _wrapped(text, width, indent + left)
        if len(name) + 2 <= left:
            lines += [f"{' ' * indent}{name:<{left}}{wrapped[0].strip()}", *wrapped[1:]]
        else:
            lines += [f"{' ' * indent}{name}", *wrapped]
    return lines


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    hanging = " " * indent
    return textwrap.wrap(
        text,
        max(width, 60),
        initial_indent=hanging,
        subsequent_indent=hanging,
        break_on_hyphens=False,
        break_long_words=False,
    )
