"""Confidence that is asked for, where scores are none: by drawing answers, or in the model's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SCORES: Final = "scores"
SAMPLE: Final = "sample"
VERBAL: Final = "verbal"
PER_TOKEN: Final = "scores:per-token"
EXPECTED: Final = "scores, scores:per-token, sample:K with K from 2 to 100, or verbal"
NO_LENGTHS: Final = "the model does not give scores with the tokens that they are summed over"
VERSION: Final = 1
"""Of the second question's wording."""
WORDING: Final = (
    "{prompt}\n\nYou answered: {answer}\nHow likely is it that this answer is right? "
    "Reply with one whole number from 0 (surely not) to 100 (surely) and nothing else."
)
_NUMBER: Final = re.compile(r"(?<![\w.,-])\d{1,3}(?![\w,]|\.\d)")
_SCALE: Final = re.compile(r"(/|\bout of)\s*100\b")


@dataclass(frozen=True, slots=True)
class Method:
    """Where confidence comes from.

    Attributes:
        name: `SCORES`, `PER_TOKEN`, `SAMPLE` or `VERBAL`.
        count: answers drawn a case; 0 unless they are drawn.
    """

    name: str
    count: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.count}" if self.count else self.name


def parse_method(text: str) -> Method:
    """Read ``scores``, ``scores:per-token``, ``sample:K`` or ``verbal``.

    Raises:
        ValueError: what is expected.
    """
    name, colon, count = text.partition(":")
    if name == SAMPLE and count.isascii() and count.isdigit() and 2 <= int(count) <= 100:
        return Method(SAMPLE, int(count))
    if text == PER_TOKEN:
        return Method(PER_TOKEN)
    if name in (SCORES, VERBAL) and not colon:
        return Method(name)
    raise ValueError(EXPECTED)


def second_question(prompt: str, answer: str) -> str:
    """The prompt that asks how likely an answer is right."""
    return WORDING.format(prompt=prompt, answer=" ".join(answer.split()))


def read_percent(text: str) -> float | None:
    """The one whole number from 0 to 100 in a reply, over 100; None where there is none, or more than one."""
    found = _NUMBER.findall(_SCALE.sub("", text))
    numbers = {int(number) for number in found if int(number) <= 100}
    return numbers.pop() / 100 if len(numbers) == 1 and len(found) == 1 else None


def agreement(answer: str, drawn: Sequence[str | None]) -> float:
    """The share of drawn answers that are this answer; one that cannot be read is another answer."""
    return sum(label == answer for label in drawn) / len(drawn)
