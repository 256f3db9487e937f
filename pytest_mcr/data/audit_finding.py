"""One line about a dataset that could mislead a reader of its numbers, and how such lines are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from pytest_mcr.core.case import Sample

EXAMPLES: Final = 5
NOTES: Final = frozenset({"duplicate_clips", "candidate_never_gold", "text_label_unknown", "mixed_rates"})
"""Checks whose findings are worth knowing and mislead nobody: what they concern is counted for what it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One warning about one task.

    Attributes:
        code: name of the check, stable.
        condition: the condition concerned, None for the clips and answers themselves.
        count: samples concerned, of `total` looked at.
        examples: up to five sample ids, in file order.
        message: one line.
    """

    code: str
    task: str
    condition: str | None
    count: int
    total: int
    examples: tuple[str, ...]
    message: str

    @property
    def misleads(self) -> bool:
        """Whether numbers on this data may mean something else than they seem to."""
        return self.code not in NOTES

    def to_json(self) -> dict[str, object]:
        """The finding as builtins."""
        return {**asdict(self), "examples": list(self.examples), "misleads": self.misleads}


def finding(
    code: str, condition: str | None, concerned: Sequence[Sample], looked_at: Sequence[Sample], words: str
) -> Iterator[Finding]:
    """One finding when any sample is concerned."""
    if not concerned:
        return
    task, count, total = concerned[0].task, len(concerned), len(looked_at)
    examples = tuple(sample.id for sample in concerned[:EXAMPLES])
    message = f"{task}: {count} of {total} {words} ({', '.join(examples)}{', ...' if count > EXAMPLES else ''})"
    yield Finding(code, task, condition, count, total, examples, message)
