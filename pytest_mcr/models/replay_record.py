"""One recorded answer, and what every form of recording checks about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_mcr.core.prompts import normalize
from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Response

EXAMPLE = "AQA-0000-neutral"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer as it was recorded.

    Attributes:
        response: text, scores or error.
        prompt: what was asked, None where the file does not say.
    """

    response: Response
    prompt: str | None = None


class Answers:
    """Collects the answers of a file, each id once.

    Attributes:
        found: answers by request id, in the order of the file.
    """

    def __init__(self) -> None:
        self.found: dict[str, Recorded] = {}
        self._lines: dict[str, int] = {}

    def add(self, key: str, answer: Recorded, where: str, line: int) -> None:
        """Add one.

        Args:
            key: the request id.
            answer: what was recorded for it.
            where: file and line, for messages.
            line: number of the line.

        Raises:
            ModelError: the id was answered before.
        """
        if key in self.found:
            raise ModelError(f"{where}: {key} was already answered in line {self._lines[key]}; keep one of them")
        self.found[key] = answer
        self._lines[key] = line


def checked_lengths(lengths: Mapping[str, object], scores: Mapping[str, float] | None, where: str) -> dict[str, int]:
    """Tokens by label.

    Raises:
        ModelError: naming what is not a count of tokens, or a label that has no score.
    """
    if scores is None or set(lengths) != set(scores):
        raise ModelError(
            f"{where}: lengths are for {sorted(lengths)}; expected the labels of scores {sorted(scores or {})}"
        )
    for label, count in lengths.items():
        if type(count) is not int or count < 1:
            raise ModelError(f"{where}: length of {label!r} is {count!r}; expected tokens, 1 or more")
    return {label: count for label, count in lengths.items() if isinstance(count, int)}


def checked_scores(scores: Mapping[str, object], where: str) -> Mapping[str, float]:
    """Scores by label as finite numbers of nats.

    Raises:
        ModelError: naming the label and the value, or two labels that are one.
    """
    spelled: dict[str, str] = {}
    for label, score in scores.items():
        other = spelled.setdefault(normalize(label), label)
        if other != label:
            raise ModelError(f"{where}: scores of {other!r} and {label!r}, which are one label; keep one of them")
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score):
            raise ModelError(f"{where}: score of {label!r} is {score!r}; expected a finite number of nats")
    return {label: float(score) for label, score in scores.items() if isinstance(score, (int, float))}
