"""What an edit did to a text, word by word."""

from __future__ import annotations

import difflib
from typing import Final

KEPT: Final = ""
OUT: Final = "-"
IN: Final = "+"


def word_diff(base: str, text: str) -> list[tuple[str, str]]:
    """Runs of words in the order of reading: kept, taken out of the base, or come in."""
    before, after = base.split(), text.split()
    parts: list[tuple[str, str]] = []
    for tag, i, j, k, l in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():  # noqa: E741
        if tag == "equal":
            parts.append((KEPT, " ".join(before[i:j])))
        else:
            parts += [(OUT, " ".join(before[i:j]))] * (j > i) + [(IN, " ".join(after[k:l]))] * (l > k)
    return parts
