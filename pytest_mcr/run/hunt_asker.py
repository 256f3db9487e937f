"""Who asks the texts of a hunt: each once, within a budget of calls and time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from pytest_mcr.core.perturb import OPERATORS, Context, Rendered, apply, levels_for, render
from pytest_mcr.errors import StopRunError
from pytest_mcr.run.hunted import Ask, Seen

BATCH: Final = 8
"""Texts of one example, and of one batch for the model."""
_RANKS: Final = {
    f"{op.name}:{level}": (n, i) for n, op in enumerate(OPERATORS.values()) for i, level in enumerate(op.levels)
}


@dataclass(frozen=True, slots=True)
class Answered:
    """A tree, its text, and what the model answered to it."""

    tree: Context
    text: Rendered
    seen: Seen


@dataclass(slots=True)
class Asker:
    """Asks each text once and remembers the answers.

    Attributes:
        ask: the model.
        calls_left: texts that may still be asked.
        until: when the time is up, on the monotonic clock.
        kept: calls that are kept for shrinking.
        found: there is something to shrink.
        known: every answer, by what the model was shown.
        calls: texts that were asked.
        late: the time was up before the budget was.
        stopped: why the model cannot be asked any more; raised after the search, as Hypothesis would ask again.
    """

    ask: Ask
    calls_left: int
    until: float
    kept: int = 0
    found: bool = False
    known: dict[tuple[object, ...], Answered] = field(default_factory=dict)
    calls: int = 0
    late: bool = False
    stopped: StopRunError | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more can be asked."""
        return self.late or self.calls_left <= self.kept

    def free(self) -> None:
        """Let the calls be used that were kept for shrinking."""
        self.kept, self.found = 0, True

    def see(self, trees: Sequence[Context]) -> list[Answered]:
        """The answers, in order; a text that the budget has no room for is left out."""
        texts = {shown(text): (tree, text) for tree in trees for text in (render(tree),)}
        new = [name for name in texts if name not in self.known]
        room = max(0, self.calls_left - self.kept)
        self.late = self.late or (bool(new) and room > 0 and time.monotonic() >= self.until)
        asked = [] if self.late else new[:room]
        if asked:
            self.calls_left -= len(asked)
            self.calls += len(asked)
            self._ask([texts[name] for name in asked])
        for name, (tree, text) in texts.items():
            self._prefer_milder(name, tree, text)
        return [self.known[name] for name in texts if name in self.known]

    def _ask(self, asked: Sequence[tuple[Context, Rendered]]) -> None:
        try:
            answers = self.ask([text for _, text in asked])
        except StopRunError as error:
            self.stopped, self.calls_left = error, 0
            return
        for (tree, text), seen in zip(asked, answers, strict=True):
            self.known[shown(text)] = Answered(tree, text, seen)

    def _prefer_milder(self, name: tuple[object, ...], tree: Context, text: Rendered) -> None:
        """Two ways to one text: the one with fewer edits names it."""
        former = self.known.get(name)
        if former is not None and mildness(text) < mildness(former.text):
            self.known[name] = Answered(tree, text, former.seen)


def shown(text: Rendered) -> tuple[object, ...]:
    """What a model is shown of a text."""
    return text.text, text.position, text.candidates


def mildness(text: Rendered) -> tuple[object, ...]:
    """An order of texts from mild to strong: fewer edits, then milder operators and levels, then shorter texts."""
    return len(text.operators), [_RANKS[edit] for edit in text.operators], len(text.text), text.text


def milder(tree: Context) -> Iterator[Context]:
    """Every tree with one edit less, or with one at a milder level."""
    for edit in tree.edits:
        without = apply(tree, edit.operator, "none")
        yield without
        for level in levels_for(without, edit.operator):
            if level == edit.level:
                break
            yield apply(tree, edit.operator, level, edit.seed)
