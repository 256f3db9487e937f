"""One clip in words: question, gold, both texts and what was answered under each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pytest_mcr.report.wording import figure, safe
from pytest_mcr.run.examples import Example

TEXT_LIMIT: Final = 320
ANSWER_LIMIT: Final = 120


def clip_rows(example: Example) -> Sequence[tuple[str, str]]:
    """Label and text of each line; an answer stands below its text without a label."""
    sample = example.sample
    sure = "" if example.confidence is None else f", confidence without text {figure(example.confidence)}"
    rows = [
        (sample.id, f"{safe(sample.audio, TEXT_LIMIT)}{sure}"),
        ("  question", safe(sample.question, TEXT_LIMIT)),
        ("  gold", safe(sample.gold, ANSWER_LIMIT)),
    ]
    for condition, answer in (("faithful", example.faithful), ("adversarial", example.adversarial)):
        if condition in sample.texts:
            given = "no label (flagged, unparsed or error)" if answer is None else safe(answer, ANSWER_LIMIT)
            rows += [(f"  {condition}", safe(sample.texts[condition], TEXT_LIMIT)), ("", f"-> {given}")]
    return rows
