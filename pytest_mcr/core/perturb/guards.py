"""What must hold of every varied text. A text that breaks a guard is a bug of ours and never reaches a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pytest_mcr.core.perturb.spans import mentioned, plain_words, polar
from pytest_mcr.core.perturb.tree import NONE, Context, Rendered, broken

_ROOM: Final = 2000
_TIMES: Final = 8
"""A text is at most this many times as long as its base text, and this many characters longer."""


def check(
    context: Context,
    rendered: Rendered,
    *,
    plain: str | None = None,
    bearing: Sequence[str] = (),
    damaged: bool = False,
) -> None:
    """Check a rendered text against its tree.

    Args:
        context: the tree.
        rendered: its text.
        plain: the text before its spelling was touched; None for the text itself.
        bearing: the protected words, in order.
        damaged: whether an operator destroyed protected words, as is the point of ``dose`` and ``asr:claim``.

    Raises:
        PerturbError: a protected word or the label is gone, another label has come in, a base text is not as given, or
            a text is too long.
    """
    text = rendered.text
    if not context.edits and text != context.text:
        raise broken("the base text changed though nothing was done to it", context, text)
    if len(text) > _TIMES * len(context.text) + _ROOM:
        raise broken(f"the text has {len(text)} characters, too many", context, text)
    said, before = mentioned(text, context.labels), mentioned(context.text, context.labels)
    allowed = before | ({context.label} if context.label is not None else set())
    if said - allowed:
        raise broken(f"the text names {sorted(said - allowed)}, which the base text does not", context, text)
    if sorted(rendered.candidates) != sorted(context.candidates):
        raise broken(f"the options became {list(rendered.candidates)}", context, text)
    if damaged:
        return
    if not _in_order(bearing, plain_words(text)):
        raise broken(f"a protected word of {list(bearing)} is gone", context, text)
    if polar(context.labels):
        return  # whether a "no" answers depends on the words around it; it is protected as a word
    shown = mentioned(plain if plain is not None else text, context.labels)
    translated = any(claim.language != NONE for claim in context.claims)
    if context.label is not None and context.label in before | shown and not translated and context.label not in said:
        raise broken(f"the label {context.label!r} is gone", context, text)


def _in_order(wanted: Sequence[str], found: Iterable[str]) -> bool:
    """Whether the words stand in a text in this order, whatever stands between them."""
    rest = iter(found)
    return all(word in rest for word in wanted)
