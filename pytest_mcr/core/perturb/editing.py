"""Edits of a tree: which levels of an operator do something there, and the tree with one more edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Final

from pytest_mcr.core.perturb import banks
from pytest_mcr.core.perturb.operators import OPERATORS
from pytest_mcr.core.perturb.parse import base_context, kind_of
from pytest_mcr.core.perturb.rendering import render
from pytest_mcr.core.perturb.spans import mentioned
from pytest_mcr.core.perturb.surface import SURFACES
from pytest_mcr.core.perturb.tree import NONE, Context, Edit
from pytest_mcr.core.prompts import lists_candidates
from pytest_mcr.core.reading.words import key

_NEEDS_LABEL: Final = frozenset({"paraphrase", "negation", "quotation", "injection", "dose"})
_PLACES: Final = {name: place for place, name in enumerate(OPERATORS)}


def apply(context: Context, operator: str, level: str | int, seed: int = 0) -> Context:
    """Apply an operator at a level; the same operator again replaces its former level.

    Edits are carried out in the order of `OPERATORS`, whatever the order in which they are applied. Of two that put
    another sentence in place of the claim (paraphrase, passive, translation) the later one stays. Where an operator has
    nothing to work on (see `levels_for`) the tree stays as it is.

    Args:
        context: a tree.
        operator: a name of `OPERATORS`.
        level: by name, or by its place in `Operator.levels`; 0 is ``none``.
        seed: of whatever the operator draws.

    Raises:
        ValueError: no such operator or level.
    """
    new = Edit(operator, level_of(operator, level), seed)
    if new.level != NONE and not _applies(context, operator, new.level):
        return context
    kept = [
        edit
        for edit in context.edits
        if edit.operator != operator and not (_rewords(edit) and _rewords(new) and new.level != NONE)
    ]
    edits = kept if new.level == NONE else [*kept, new]
    return _build(context, sorted(edits, key=lambda edit: _PLACES[edit.operator]))


def level_of(operator: str, level: str | int) -> str:
    """The name of a level.

    Raises:
        ValueError: no such operator or level.
    """
    if operator not in OPERATORS:
        raise ValueError(f"unknown operator {operator!r}; expected one of {', '.join(OPERATORS)}")
    levels = OPERATORS[operator].levels
    if isinstance(level, int) and 0 <= level < len(levels):
        return levels[level]
    if level not in levels:
        raise ValueError(f"operator {operator} has no level {level!r}; expected one of {', '.join(levels)}")
    return str(level)


@lru_cache(maxsize=512)
def levels_for(context: Context, operator: str) -> tuple[str, ...]:
    """The levels of an operator that change something in a tree, the mildest first, ``none`` left out.

    A level is left out where the operator has nothing to work on (an unrelated text has no claim to deny, a label no
    translation, a question that lists its options no order), or where its own words would name a label of the task.
    """
    before = shown(context)
    return tuple(
        level
        for level in OPERATORS[operator].levels[1:]
        if _applies(context, operator, level) and shown(apply(context, operator, level)) != before
    )


def shown(context: Context) -> tuple[object, ...]:
    """What a model is shown of a tree: text, position and order of the options."""
    rendered = render(context)
    return rendered.text, rendered.position, rendered.candidates


def _applies(context: Context, operator: str, level: str) -> bool:
    """Whether an operator can do its work here and its own words name no label of the task."""
    if operator == "relevance" or operator in _NEEDS_LABEL:
        return (context.label is None) == (operator == "relevance") and _names_no_label(context, operator, level)
    fixed = bool(context.head or context.foot)
    if operator == "position" or operator == "option-order":
        listed = operator == "option-order" and lists_candidates(context.question, context.candidates)
        several = operator == "position" or level == "reversed" or len(context.candidates) > 2
        return not fixed and not listed and several
    if _rewords(Edit(operator, level)) and context.label is None:
        return False
    if level in banks.TRANSLATIONS and " ".join(key(context.label or "")) not in banks.TRANSLATED:
        return False
    return _names_no_label(context, operator, level)


def _names_no_label(context: Context, operator: str, level: str) -> bool:
    return not mentioned(_words_of(context, operator, level), context.labels)


def _words_of(context: Context, operator: str, level: str) -> str:
    """The bank's words for a level, without the text or label in them."""
    kind = kind_of(context.labels)
    frames: Mapping[str, Callable[[], str]] = {
        "hedge": lambda: banks.HEDGES[level],
        "authority": lambda: banks.AUTHORITIES[level],
        "quotation": lambda: banks.QUOTATIONS[level],
        "reliability": lambda: banks.RELIABILITIES[level],
        "injection": lambda: banks.INJECTIONS[level],
        "negation": lambda: banks.NEGATION,
        "paraphrase": lambda: banks.PARAPHRASES[kind][int(level) - 1],
        "voice": lambda: banks.PASSIVES[kind] if level == "passive" else "",
        "language": lambda: banks.CODE_SWITCHES.get(level, ""),
    }
    frame = frames[operator]() if operator in frames else ""
    return frame.replace("{label}", "").replace("{claim}", "").replace("{text}", "")


def _rewords(edit: Edit) -> bool:
    """Whether an edit puts another sentence in place of the claim."""
    return edit.operator == "paraphrase" or edit.level == "passive" or edit.level in banks.TRANSLATIONS


def _build(context: Context, edits: list[Edit]) -> Context:
    labels = context.labels if context.candidates else ()
    made = base_context(context.text, context.label, labels, context.question)
    for edit in edits:
        rng = Random(f"{edit.operator}|{edit.seed}|{context.text}")
        made = OPERATORS[edit.operator].apply(made, edit.level, rng)
    spelled = tuple(edit for edit in edits if edit.operator in SURFACES)
    return replace(made, surface=spelled, edits=tuple(edits))
