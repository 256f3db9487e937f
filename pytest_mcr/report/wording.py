"""Numbers and foreign text as words: the same short forms in every report."""

from __future__ import annotations

import unicodedata
from typing import Final

NOTHING: Final = "-"
"""Stands for a number that does not exist."""

UNSURE: Final = "?"
"""Marks a number that means nothing before hearing is shown."""

CUT: Final = " [...]"
JOINERS: Final = "\u200c\u200d"
"""Invisible, but part of the spelling of Persian, Hindi and many emoji, and harmless."""


def safe(text: str, limit: int | None = None) -> str:
    """Foreign text on one line, with everything that a terminal would obey spelled out.

    Control characters (so every ANSI escape), direction overrides, other invisible characters and lone surrogates
    become their Python escapes; white space becomes single spaces.

    Args:
        text: of a dataset, a model or a command line.
        limit: longest result in characters; the rest is cut and said to be.
    """
    line = " ".join(text.split())
    line = spelled(line if limit is None else line[: limit + 1])  # an answer may be a megabyte long
    if limit is not None and len(line) > limit:
        line = line[: limit - len(CUT)].rstrip() + CUT
    return line


def spelled(text: str) -> str:
    """Foreign text with its white space as it is and everything that a terminal would obey spelled out."""
    if text.isprintable():  # most of it is, and reports hold thousands of texts
        return text
    return "".join(char if is_printable(char) else escape(char) for char in text)


def is_printable(char: str) -> bool:
    """Whether a terminal only shows this character."""
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or char in JOINERS


def escape(char: str) -> str:
    r"""The Python escape of a character, e.g. ``\x1b``."""
    return char.encode("unicode_escape").decode("ascii")


def quoted_text(text: str) -> str:
    """A text in double quotes that holds only printable characters, as TOML 1.0 and YAML 1.2 read it."""
    return '"' + "".join(map(_quoted, text)) + '"'


def _quoted(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if is_printable(char):
        return char
    code = ord(char)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def figure(value: float | None, digits: int = 2) -> str:
    """A number with two digits, never ``-0.00``."""
    return NOTHING if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def end(value: float | None) -> str:
    """An end of an interval in few characters: ``.86``, ``1.0``, ``-.50``."""
    text = figure(value)
    if text.startswith(("0.", "-0.")):
        return text.replace("0.", ".", 1)
    return text[:-1] if text == "1.00" or text == "-1.00" else text


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """A number with its 95 % interval for a table, e.g. ``0.93 [.86,.97]``."""
    if value is None:
        return NOTHING
    return f"{figure(value)} [{end(low)},{end(high)}]"


def apart(value: float, threshold: float) -> tuple[str, str]:
    """Both numbers with as few digits (at least two) as tell them apart, up to six."""
    for digits in range(2, 7):
        pair = figure(value, digits), figure(threshold, digits)
        if pair[0] != pair[1] or value == threshold:
            break
    return pair


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, e.g. ``1 gate``, ``3 gates``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(items: list[str], most: int) -> str:
    """Some items in a row, and how many more there are."""
    more = len(items) - most
    return "; ".join(items[:most]) + (f"; and {more} more in results.json" if more > 0 else "")
