"""Parsers of option values: text in, value out; a `ValueError` says what is expected."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from pathlib import Path

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.errors import OptionError
from pytest_mcr.probes.layers import parse_layers

DEFAULT_SUITES = ("bench", "confidence", "dominance")
SUITES = (*DEFAULT_SUITES, "awareness", "mitigation")
PROFILES = ("release", "strict", "report")


def one_of(*names: str) -> Callable[[str], str]:
    """Accept one of the names."""

    def parse(text: str) -> str:
        if text in names:
            return text
        close = difflib.get_close_matches(text, names, n=1)
        raise ValueError(f"one of {', '.join(names)}" + (f" (did you mean {close[0]}?)" if close else ""))

    return parse


def list_of(*names: str) -> Callable[[str], tuple[str, ...]]:
    """Accept a comma-separated list; of the names if any are given."""
    item = one_of(*names) if names else str

    def parse(text: str) -> tuple[str, ...]:
        values = tuple(part.strip() for part in text.split(",") if part.strip())
        if not values:
            raise ValueError("a comma-separated list" + (f" of {', '.join(names)}" if names else ""))
        return tuple(dict.fromkeys(item(value) for value in values))

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Accept a finite number in [low, high]."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return parse


def integer(low: int) -> Callable[[str], int]:
    """Accept an integer of at least `low`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise ValueError(f"an integer of at least {low}")
        return value

    return parse


def automatic(low: int) -> Callable[[str], int | None]:
    """Accept ``auto`` (None), or an integer of at least `low`."""

    def parse(text: str) -> int | None:
        try:
            return None if text == "auto" else integer(low)(text)
        except ValueError as error:
            raise ValueError(f"auto, or {error}") from None

    return parse


def switch(text: str) -> bool:
    """Accept yes or no, as an ini file may write it; a flag without a value is a yes."""
    if text.casefold() in ("yes", "true", "on", "1"):
        return True
    if text.casefold() in ("no", "false", "off", "0"):
        return False
    raise ValueError("yes or no")


def megabytes(text: str) -> int:
    """Accept a size in MB; the value is in bytes."""
    return integer(1)(text) * 1_000_000


def shorthand(metric: str, operator: str, *, condition: bool) -> Callable[[str], str]:
    """Accept ``[COND=]X`` and return the gate it stands for."""

    def parse(text: str) -> str:
        name, _, value = text.rpartition("=")
        if name and (not condition or name not in CONDITIONS):
            raise ValueError(f"[COND=]X with COND one of {', '.join(CONDITIONS)}" if condition else "a number")
        threshold = repr(number(-1e9, 1e9)(value)).removesuffix(".0")
        place = f"[{name or 'adversarial'}]" if condition else ""
        return f"{metric}{place} {operator} {threshold}"

    return parse


def folder(text: str) -> Path:
    """Accept any path; it is resolved against the invocation folder later."""
    return Path(text).expanduser()


def suites(text: str) -> tuple[str, ...]:
    """Accept suite names, or ``all``."""
    names = list_of(*SUITES, "all")(text)
    return SUITES if "all" in names else names


def layer_spec(text: str) -> str:
    """Accept a choice of layers."""
    try:
        return parse_layers(text).text
    except OptionError:
        raise ValueError("all, every:N (every N-th layer and the last) or numbers such as 16,32") from None


def device(text: str) -> str:
    """Accept auto, cpu, cuda or cuda:N."""
    if text in ("auto", "cpu", "cuda") or (text.startswith("cuda:") and text[5:].isdigit()):
        return text
    raise ValueError("auto, cpu, cuda or cuda:N")
