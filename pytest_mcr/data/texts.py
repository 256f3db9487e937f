"""From phrase banks to questions and texts: seeded, with known labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from pytest_mcr.data.names import NO_ARTICLE, WORDS, Words
from pytest_mcr.data.phrases import TEST, TRAIN
from pytest_mcr.data.remarks import TEST_REMARKS, TRAIN_REMARKS
from pytest_mcr.data.synth import Split

LABELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"AQA": ("no", "yes"), "SER": tuple(WORDS["SER"]), "VSC": tuple(WORDS["VSC"])}
)
"""The closed answer sets by task, sorted as the loader sorts them."""

TASKS: Final = tuple(LABELS)
EVENTS: Final = tuple(WORDS["AQA"])


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes questions and texts.

    Attributes:
        split: ``train`` uses the training frames, the others the test frames.
        unseen: name labels by words that never occur in training.
    """

    rng: np.random.Generator
    split: Split = "train"
    unseen: bool = False

    def pick(self, options: Sequence[str]) -> str:
        """One of the options, each equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def question(self, task: str, event: str | None = None) -> str:
        """Ask for the task's label; `event` is what AQA asks about."""
        bank = (TRAIN if self.split == "train" else TEST)[task]
        return self._fill(self.pick(bank.questions), WORDS[task][event] if event else None, unseen=False)

    def description(self, task: str, label: str, event: str | None = None, other: str | None = None) -> str:
        """Describe a clip so that `label` follows.

        Args:
            task: one of `TASKS`.
            label: the answer that the text supports.
            event: AQA only, the event that the question asks about.
            other: AQA with ``no`` only, an event that the text may name as being there instead.
        """
        bank = (TRAIN if self.split == "train" else TEST)[task]
        frames = bank.asserting
        if label == "no":
            frames = bank.contrasting if other and self.rng.random() < 0.35 else bank.denying
        core = self._fill(self.pick(frames), WORDS[task][event or label], self.unseen, other)
        remarks = TRAIN_REMARKS if self.split == "train" else TEST_REMARKS
        opener = self.pick(remarks.openers) if self.rng.random() < 0.3 else ""
        closer = self.pick(remarks.closers) if self.rng.random() < 0.25 else ""
        return opener + core + closer

    def remark(self, words: int | None = None) -> str:
        """A remark about something else, of about `words` words where given (the best of eight)."""
        remarks = TRAIN_REMARKS if self.split == "train" else TEST_REMARKS
        tries = [self._remark(remarks.frames, remarks.fillers) for _ in range(8 if words else 1)]
        return min(tries, key=lambda text: abs(len(text.split()) - (words or 0)))

    def _remark(self, frames: Sequence[str], fillers: Mapping[str, tuple[str, ...]]) -> str:
        text = self.pick(frames)
        for slot, options in fillers.items():
            while "{" + slot + "}" in text:
                text = text.replace("{" + slot + "}", self.pick(options), 1)
        return text[0].upper() + text[1:]

    def _fill(self, frame: str, words: Words | None, unseen: bool, other: str | None = None) -> str:
        if words is None:
            return frame
        slots = {slot: self.pick(options) for slot, options in (words.unseen if unseen else words.seen).items()}
        if "bare" in slots:
            slots["a"] = article(slots["bare"])
        if "adj" in slots:
            slots["a_adj"] = article(slots["adj"])
        if other:
            slots["other"] = article(self.pick(WORDS["AQA"][other].seen["bare"]))
        capital = {slot[0].upper() + slot[1:]: text[0].upper() + text[1:] for slot, text in slots.items()}
        return frame.format(**slots, **capital)


def article(noun: str) -> str:
    """Put the indefinite article before a noun or adjective, none before an uncountable one."""
    if noun in NO_ARTICLE:
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
