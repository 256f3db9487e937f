"""The grammar of ``--mcr-model``: a text becomes a `Spec`. Imports nothing heavy and touches no file but one hint."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from pytest_mcr.errors import ModelError
from pytest_mcr.models import aliases

EXAMPLES: Final = MappingProxyType(
    {
        "hf": "hf:Qwen/Qwen2-Audio-7B-Instruct",
        "oracle": "oracle:listener",
        "replay": "replay:answers.jsonl",
        "exec": "exec:python worker.py",
        "openai": "openai:http://127.0.0.1:8000/v1#MODEL",
    }
)
"""A spec of each scheme."""
SCHEMES: Final = tuple(EXAMPLES)
MODULE: Final = "module"
FOLDER: Final = "folder"
LAB: Final = "lab"
LOCAL: Final = ("hf", FOLDER, LAB)
"""Schemes whose model transformers loads into this process, so that its layers can be looked at and trained."""

_PAIR: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=[^&]*")
_MODULE_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_HUB_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, slots=True)
class Spec:
    """A model as named on the command line.

    Attributes:
        text: as given.
        scheme: one of `SCHEMES`, or ``module``, ``folder``, ``lab``; a published alias is already ``hf``.
        rest: what the scheme needs: repository with optional ``@REV``, oracle name, file, command, URL, ``a:b``,
            folder (absolute), or the fixture's name for ``lab``.
        options: percent-decoded keys and values after the last ``?``.
    """

    text: str
    scheme: str
    rest: str
    options: Mapping[str, str] = field(default_factory=dict)


def parse_spec(text: str, *, invocation_dir: Path) -> Spec:
    """Parse a model spec.

    Args:
        text: ``SCHEME:REST``, an alias, a folder (contains a separator), or ``module:factory``; options may follow
            the last ``?`` whose tail reads ``key=value(&key=value)*``.
        invocation_dir: folders are relative to it.

    Raises:
        ModelError: the text fits none of the forms, or an option is given twice.
    """
    if not text.strip():
        raise ModelError("empty model name; expected SCHEME:REST, an alias or a folder, e.g. --mcr-model lab")
    body, options = _split_options(text)
    scheme, colon, rest = body.partition(":")
    if colon and scheme in SCHEMES:
        if not rest:
            raise ModelError(f"model {text!r}: nothing after {scheme}:; expected e.g. {EXAMPLES[scheme]}")
        return Spec(text, scheme, rest, options)
    if body in aliases.LAB:
        return Spec(text, LAB, aliases.LAB[body], options)
    if body in aliases.PUBLISHED:
        return Spec(text, "hf", aliases.PUBLISHED[body], options)
    if colon and _MODULE_NAME.fullmatch(scheme):
        return _parse_module(text, scheme, rest, body, options)
    if _has_separator(body):
        return Spec(text, FOLDER, _absolute(text, body, invocation_dir), options)
    raise ModelError(f"unknown model {text!r}{_hint(body, invocation_dir)}")


def split_revision(rest: str) -> tuple[str, str | None]:
    """Split ``REPO[@REV]`` of an ``hf:`` spec.

    Raises:
        ModelError: the repository's name cannot exist on the hub, or the revision is empty.
    """
    repo, at, revision = rest.partition("@")
    if not _HUB_NAME.fullmatch(repo):
        raise ModelError(f"hf:{rest}: not a repository name; expected hf:OWNER/NAME[@REV]; a folder is given as ./NAME")
    if at and not revision:
        raise ModelError(f"hf:{rest}: nothing after @; expected a branch, tag or commit")
    return repo, revision or None


def suggest(word: str, known: list[str]) -> str:
    """`` (did you mean X?)`` for the nearest known name, else empty."""
    near = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def _split_options(text: str) -> tuple[str, Mapping[str, str]]:
    start = text.rfind("?")
    while start >= 0:
        pairs = text[start + 1 :].split("&")
        if all(_PAIR.fullmatch(pair) for pair in pairs):
            return text[:start], _decode(text, pairs)
        start = text.rfind("?", 0, start)
    return text, MappingProxyType({})


def _decode(text: str, pairs: list[str]) -> Mapping[str, str]:
    options: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            decoded = unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise ModelError(f"model {text!r}: option {key}={value} is not percent-encoded UTF-8") from None
        if key in options:
            raise ModelError(f"model {text!r}: option {key} is given twice; give it once")
        options[key] = decoded
    return MappingProxyType(options)


def _parse_module(text: str, module: str, attribute: str, body: str, options: Mapping[str, str]) -> Spec:
    if attribute.isidentifier():
        return Spec(text, MODULE, body, options)
    near = suggest(module, list(SCHEMES))
    raise ModelError(
        f"model {text!r}: {module!r} is not a scheme ({', '.join(SCHEMES)}) and {attribute!r} is no attribute name"
        f"{near}; expected e.g. hf:OWNER/NAME or package.module:factory"
    )


def _absolute(text: str, body: str, invocation_dir: Path) -> str:
    try:
        return str((invocation_dir / Path(body).expanduser()).resolve())
    except (ValueError, RuntimeError, OSError) as error:  # a null byte, no such home, a ring of links
        raise ModelError(f"model {text!r}: no path to a folder ({error})") from None


def _has_separator(text: str) -> bool:
    return any(separator in text for separator in ("/", os.sep, os.altsep) if separator)


def _hint(body: str, invocation_dir: Path) -> str:
    if body not in ("", ".", "..") and (invocation_dir / body).is_dir():
        return f": for the folder of that name type ./{body}"
    return (
        f"{suggest(body, aliases.names())}: expected an alias ({', '.join(aliases.names())}), hf:OWNER/NAME, "
        f"a folder such as ./NAME, {', '.join(f'{name}:...' for name in SCHEMES[1:])} or module:factory; "
        "--mcr-model help lists all"
    )
