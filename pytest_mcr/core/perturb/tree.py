"""The tree of a text that is varied, and what becomes of it: claims, what stands around them, how they are spelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from pytest_mcr.errors import PerturbError

Claims = Literal["same", "flipped", "void", "instruction"]
Position = Literal["before", "after"]

NONE: Final = "none"
"""The level of every operator at which it changes nothing."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; a protected one bears the answer, and no surface operator may spoil it."""

    text: str
    protected: bool = False


Wording = tuple[Piece, ...]


def spoken(wording: Wording) -> str:
    """A wording as plain text."""
    return "".join(piece.text for piece in wording)


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence that bears the label, and how it is put forward.

    Attributes:
        wording: the sentence, with its full stop.
        gap: white space behind it.
        negated: put as not true.
        hedge: level of the operator ``hedge``; likewise ``authority``, ``quotation`` and ``language``.
        frame: the bank's own sentence in place of the wording, as level of ``paraphrase`` or ``voice``.
        copies: how often it is said.
    """

    wording: Wording
    gap: str = ""
    negated: bool = False
    hedge: str = NONE
    authority: str = NONE
    quotation: str = NONE
    language: str = NONE
    frame: str = NONE
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Edit:
    """An operator at a level, and the seed of whatever it draws."""

    operator: str
    level: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.operator}:{self.level}"


@dataclass(frozen=True, slots=True)
class Context:
    """The text of a sample as a tree. `render` makes a text of it; `apply` makes another tree.

    Attributes:
        text: the base text, unchanged.
        label: the answer that the base text supports; None for an unrelated text or where it is unknown.
        labels: the closed answer set in the order in which it is shown; empty when open-ended.
        question: that is asked.
        head: what stands before everything and is never touched (a complete prompt's question), ``foot`` behind.
        lead: sentences before the first claim, ``tail`` behind the last.
        claims: the sentences that bear the label, at least one.
        filler: unrelated sentences that were added.
        order: where the claims stand among the other sentences: ``none`` (as given), ``claim-first``, ``claim-last``.
        reliability: what is said of the text as a whole.
        wrapper: kind of injected instruction.
        frame_language: language of the sentence around the text.
        position: whether the text line stands before or after the question.
        candidates: the answer set in the order in which the options are shown.
        surface: edits of the spelling, in the order of `OPERATORS`.
        edits: every edit that changes something, in the order of `OPERATORS`.
    """

    text: str
    label: str | None
    labels: tuple[str, ...]
    question: str
    lead: Wording
    claims: tuple[Claim, ...]
    tail: Wording
    candidates: tuple[str, ...]
    head: str = ""
    foot: str = ""
    filler: tuple[str, ...] = ()
    order: str = NONE
    reliability: str = NONE
    wrapper: str = NONE
    frame_language: str = NONE
    position: Position = "before"
    surface: tuple[Edit, ...] = ()
    edits: tuple[Edit, ...] = ()

    def each_claim(self, **changes: object) -> Context:
        """The tree with the same change to every claim."""
        return replace(self, claims=tuple(replace(claim, **changes) for claim in self.claims))  # type: ignore[arg-type]

    def level(self, operator: str) -> str:
        """The level at which an operator was applied, ``none`` where it was not."""
        return next((edit.level for edit in self.edits if edit.operator == operator), NONE)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text to show a model.

    Attributes:
        text: of the text line, whole.
        claims: what it still claims of the base text's label: the ``same``; the opposite (``flipped``, two answers
            only); nothing any more (``void``); or it orders the answer (``instruction``). An unrelated text that
            still supports nothing is ``same``.
        operators: ``operator:level`` of every edit; empty for the base text itself.
        position: where the text line stands: before or after the question.
        candidates: the answer set in the order in which the options are shown.
        label: the answer that the base text supports, None for an unrelated text.
    """

    text: str
    claims: Claims = "same"
    operators: tuple[str, ...] = ()
    position: Position = "before"
    candidates: tuple[str, ...] = ()
    label: str | None = None


def broken(rule: str, context: Context, text: str) -> PerturbError:
    """A guard's finding: our bug, with everything that is needed to see it again."""
    edits = ", ".join(f"{edit} (seed {edit.seed})" for edit in context.edits) or "no operator"
    return PerturbError(
        f"a bug in pytest-mcr, please report it: {rule}; {edits} on {context.text!r} "
        f"(label {context.label!r} of {list(context.labels)}) gave {text!r}"
    )
