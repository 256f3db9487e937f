"""The summary's words on awareness: what was shown, and never more."""

from __future__ import annotations

import pytest

from pytest_mcr.core.metrics import Metric, Table
from pytest_mcr.report.terminal_awareness import sentence

KNOWN = "hidden states show that the text contradicts the clip"


def row(name: str, value: float | None, low: float | None, note: str | None = None) -> Metric:
    high = None if value is None else value + 0.1
    return Metric("X", None, f"awareness.{name}", value, low, high, low, high, 60, 12, note)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row("conflict", 0.4, 0.3), row("disconnect", 0.2, 0.1)],
         f"{KNOWN}, and more of it than the answer's scores: it knows, and does not say so"),
        ([row("conflict", 0.4, 0.3), row("disconnect", 0.2, -0.1)],
         f"{KNOWN}; the answer's scores may show as much, so 'knows but does not say' is not shown"),
        ([row("conflict", 0.4, 0.3), row("disconnect", None, None, "the model gives no scores")],
         f"{KNOWN}; without scores, whether the answer shows it is unknown"),
        ([row("conflict", 0.2, -0.05), row("disconnect", 0.2, 0.1)],
         "hidden states do not show a conflict for sure beyond what the text alone gives away"),
        ([row("conflict", None, None, "not crossed: no closed set of answers to exchange their texts")],
         "undefined: not crossed: no closed set of answers to exchange their texts"),
    ],
)  # fmt: skip
def test_the_headline_claims_what_was_shown(rows: list[Metric], words: str) -> None:
    assert sentence(Table(rows), "X") == words
