"""Foreign text in Markdown: shown as it is and obeyed by nobody, neither CommonMark nor GitHub on top of it.

Backslashes are not enough: GitHub looks for @mentions, issue numbers, commit hashes, emoji and addresses in what was
rendered. It leaves code spans alone, so every word that could be taken for one of these stands in a code span.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pytest_mcr.report.wording import spelled

PLAIN: Final = re.compile(r"(?:[^\W_]|[,.;()%'?!+=/-])+:?|[<>]=?|->|\[-?[.\d]+(?:,-?[.\d]+\])?[,;?]*|%\][,;?]*")
"""A word without any character that Markdown or HTML obeys where it stands; the last ones are those of intervals."""
OBEYED: Final = re.compile(r"[0-9a-f]{7,}|.*www\..*|.*\bGH-\d+.*|.*//.*", re.IGNORECASE)
"""Plain words that mean something all the same: commits, issues, web addresses."""
MARKER: Final = re.compile(r"\d+[.)]|[-+=<>]+")
"""Plain words that mean something where a line begins: lists, quotes, rules."""
ENDS: Final = re.compile(r"(\(*)(.*?)([,;:.)]*)", re.DOTALL)
"""Punctuation around a word."""


def inline(text: str, *, begins: bool = True) -> str:
    """One line of plain text as Markdown.

    Args:
        text: any text; white space becomes single spaces.
        begins: it is the first on its line; in a table's cell nothing is.
    """
    words = spelled(" ".join(text.split())).split(" ") if text.strip() else []
    told: list[str] = []
    run: list[str] = []
    for place, word in enumerate(words):
        if is_plain(word, first=begins and not place):
            told += [*_span(run), word]
            run = []
            continue
        before, body, after = _ends(word)
        if before:
            told += _span(run)
            run = []
        run.append(body)
        if before or after:
            (span,) = _span(run)
            told.append(f"{before}{span}{after}")
            run = []
    return " ".join([*told, *_span(run)])


def is_plain(word: str, *, first: bool = False) -> bool:
    """Whether a word may stand outside a code span, also as the first of a line."""
    return (
        PLAIN.fullmatch(word) is not None
        and OBEYED.fullmatch(_ends(word)[1]) is None
        and not (first and MARKER.fullmatch(word))
    )


def _ends(word: str) -> tuple[str, str, str]:
    """A word without the punctuation around it; all of it where it is nothing else."""
    found = ENDS.fullmatch(word)
    return found.group(1, 2, 3) if found is not None and found.group(2) else ("", word, "")  # type: ignore[return-value]


def _span(words: Sequence[str]) -> list[str]:
    return [code_span(" ".join(words))] if words else []


def code_span(text: str) -> str:
    """A code span, its fence longer than any run of backticks inside."""
    fence = "`" * (longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def longest_run(text: str) -> int:
    """The length of the longest run of backticks."""
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def code_block(lines: Sequence[str], language: str = "") -> list[str]:
    """Lines to copy; each stays one line."""
    kept = [spelled(line) for line in lines]
    fence = "`" * max(3, longest_run("\n".join(kept)) + 1)
    return [f"{fence}{language}", *(line.replace("\n", " ").replace("\r", " ") for line in kept), fence]


def bullets(lines: Iterable[str]) -> list[str]:
    """A list with one item a line; a line that is indented belongs to the item above."""
    return [f"{'  ' * line.startswith(' ')}- {inline(line)}" for line in lines]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of GitHub's Markdown; the first column is left-aligned, numbers are not aligned either."""
    return [_row(head), f"|{' --- |' * len(head)}", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    # A pipe ends a cell even inside a code span unless a backslash stands before it, and exactly one.
    return re.sub(r"\\*\|", r"\\|", inline(text, begins=False))


def details(summary: str, lines: Sequence[str]) -> list[str]:
    """A part that is folded until somebody opens it; the summary is our own words."""
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>"]
