"""The cases of the HTML report: one row a sample, its answers side by side, read line by line from ``cases.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from pytest_mcr.core.case import NEUTRAL, Sample, Verdict
from pytest_mcr.report.html_audio import Clip, Clips
from pytest_mcr.report.wording import end, figure, safe

ALL_CHARACTERS: Final = 3_600_000
"""Of all answers together, and of all texts, so that a file of 12,000 cases stays below 30 MB in any script."""
SHORTEST, LONGEST = 120, 2_000
"""Limits of one text or answer, in characters."""
SCORES_SHOWN: Final = 20
LETTERS: Final = {
    Verdict.AUDIO: "a",
    Verdict.TEXT: "t",
    Verdict.OTHER: "o",
    Verdict.FLAGGED: "c",
    Verdict.UNPARSED: "u",
    Verdict.ERROR: "e",
}
"""As on the screen; ``e`` is an error."""
WORDS: Final = {
    "a": "gold",
    "t": "the text's",
    "o": "another",
    "c": "flagged",
    "u": "unparsed",
    "e": "error",
}
"""What the answer is, in a word."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one case gave; every text is printable and of bounded length.

    Attributes:
        letter: of the verdict.
        word: what was answered, or what was wrong with the answer.
        said: the model's own words.
        scores: a line a candidate, log-probability in nats first; empty without scores.
    """

    condition: str
    letter: str
    word: str
    text: str
    label: str
    said: str
    confidence: float | None
    calibrated: float | None
    scores: str
    error: str

    @property
    def note(self) -> str:
        """The verdict with the confidence."""
        return WORDS[self.letter] + ("" if self.confidence is None else f" {end(self.confidence)}")


@dataclass(frozen=True, slots=True)
class Row:
    """One sample.

    Attributes:
        answers: by condition; a condition that did not arrive is absent.
        turned: whether the adversarial text took a right answer away.
        rank: place among the turned ones, from 1, the surest neutral answer first; 0 for none.
    """

    id: str
    task: str
    audio: str
    question: str
    gold: str
    source: str
    clip: Clip
    answers: Mapping[str, Answer]
    rank: int

    @property
    def turned(self) -> bool:
        """Whether the adversarial text took a right answer away."""
        return self.rank > 0

    def letters(self, conditions: Sequence[str]) -> str:
        """The verdicts' letters in this order, ``-`` where nothing arrived."""
        return "".join(self.answers[name].letter if name in self.answers else "-" for name in conditions)

    def confidences(self, conditions: Sequence[str]) -> str:
        """The confidences in this order, empty where there is none."""
        found = [self.answers[name].confidence if name in self.answers else None for name in conditions]
        return ",".join("" if value is None else figure(value, 4) for value in found)

    def has(self, name: str) -> bool:
        """Whether any answer has this."""
        return any(getattr(answer, name) not in ("", None) for answer in self.answers.values())


def limit_of(cases: int) -> int:
    """Characters of one text or answer that are shown."""
    return min(max(ALL_CHARACTERS // max(cases, 1), SHORTEST), LONGEST)


def rows_of(
    cases: Path, samples: Mapping[str, Sample], clips: Clips, ranks: Mapping[str, int], limit: int
) -> Iterator[Row]:
    """Read the cases, a sample at a time.

    Args:
        cases: ``cases.jsonl``, the lines of a sample together.
        samples: by id.
        clips: how each is heard.
        ranks: of the samples whose right answer the adversarial text took away.
        limit: characters of one text or answer.
    """
    with cases.open(encoding="utf-8") as file:
        lines = (json.loads(line) for line in file)
        for name, group in groupby(lines, key=lambda line: str(line["sample"])):
            sample = samples[name]
            answers = {str(line["condition"]): answer_of(line, sample, limit) for line in group}
            yield Row(
                id=sample.id,
                task=sample.task,
                audio=safe(sample.audio, limit),
                question=cut(sample.question, limit),
                gold=cut(sample.gold, limit),
                source=cut(" ".join(filter(None, (sample.source, sample.source_id))), limit),
                clip=clips.of(sample),
                answers=answers,
                rank=ranks.get(name, 0),
            )


def answer_of(line: Mapping[str, Any], sample: Sample, limit: int) -> Answer:
    """One line of ``cases.jsonl``."""
    condition, letter = str(line["condition"]), LETTERS[Verdict(line["verdict"])]
    given = line["answer"]
    return Answer(
        condition=condition,
        letter=letter,
        word=WORDS[letter] if given is None else cut(given, min(limit, SHORTEST)),
        text="" if condition == NEUTRAL else cut(sample.texts.get(condition, ""), limit),
        label=cut(line["text_label"] or "", SHORTEST),
        said=cut(line["raw"] or "", limit),
        confidence=line["confidence"],
        calibrated=line.get("calibrated"),
        scores=score_lines(line["scores"] or {}, sample.candidates),
        error=cut(line["error"] or "", limit),
    )


def score_lines(scores: Mapping[str, float], candidates: Sequence[str]) -> str:
    """A line a candidate in the order in which they were shown, so that the conditions' columns compare."""
    order = [name for name in candidates if name in scores] + [name for name in scores if name not in candidates]
    lines = [f"{figure(scores[name])}  {cut(name, 60)}" for name in order[:SCORES_SHOWN]]
    more = len(order) - len(lines)
    return "\n".join([*lines, *([f"and {more} more"] if more else [])])


def cut(text: str, limit: int) -> str:
    """Foreign text on one line; of a longer one the beginning, with its whole length."""
    if len(text) <= limit:
        return safe(text)
    return f"{safe(text[:limit])} [...] (cut: {limit:,} of {len(text):,} characters)"
