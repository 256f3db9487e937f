"""Hypothesis strategies of texts that vary around a claim, for tests of your own and for the hunt.

Every strategy gives the base text first and the mildest edits before the strong ones. So when a property fails,
Hypothesis shrinks to the mildest text that still breaks it, and `Rendered.operators` names what was needed:

>>> from hypothesis import find
>>> from pytest_mcr.strategies import perturbed
>>> texts = perturbed("The speaker sounds sad.", label="sad", labels=("happy", "sad"))
>>> find(texts, lambda rendered: True).text
'The speaker sounds sad.'
>>> shouted = find(texts, lambda rendered: rendered.text.isupper())
>>> shouted.operators, shouted.text
(('case:upper',), 'THE SPEAKER SOUNDS SAD.')

A rate must not be taken from drawn examples: a search looks for what breaks. Rates come from the dominance suite.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_mcr.core.case import ADVERSARIAL, IRRELEVANT, Sample
from pytest_mcr.core.perturb import OPERATORS, Context, Edit, Rendered, apply, base_context, levels_for, render

__all__ = ("adversarial", "batches", "context", "irrelevant", "perturbed")

MAX_EDITS: Final = 3
_FAR: Final = 7_310_584_035_931
"""Numbers are drawn from here on: Hypothesis mixes in constants that it finds in the source of whatever modules happen
to be loaded, small ones above all, and then one seed would give other texts in another process."""
_DRAWING: Final = frozenset({"typo", "case", "asr", "dose", "length", "option-order", "relevance"})
"""Operators that draw something, so that their seed matters."""


def context(
    text: str,
    *,
    label: str | None,
    labels: Sequence[str],
    question: str = "",
    operators: Collection[str] | None = None,
    max_edits: int = MAX_EDITS,
) -> SearchStrategy[Context]:
    """Trees of a text with up to `max_edits` edits; `pytest_mcr.core.perturb.render` makes texts of them.

    Args:
        text: a description of a clip.
        label: the answer that the text supports; None for an unrelated text.
        labels: the closed answer set, in the order in which it is shown; empty when open-ended.
        question: that is asked. Yes and no are answers to something: give it where these are the labels.
        operators: names of `OPERATORS` that may be used; None for all.
        max_edits: of different operators, at least 0.

    Returns:
        A strategy that shrinks to the base text: fewer edits first, then milder ones, then smaller seeds.

    Raises:
        ValueError: an unknown operator, a label outside of the labels, an empty text or a negative number of edits.

    >>> from hypothesis import find
    >>> trees = context("A dog barks.", label="yes", labels=("no", "yes"), question="Is there a dog?")
    >>> find(trees, lambda tree: len(tree.edits) == 2).level("case")
    'lower'
    """
    base = base_context(text, label, tuple(labels), question)
    if max_edits < 0:
        raise ValueError(f"max_edits is {max_edits}; expected at least 0")
    for name in operators or ():
        if name not in OPERATORS:
            raise ValueError(f"unknown operator {name!r}; expected one of {', '.join(OPERATORS)}")
    chosen = OPERATORS if operators is None else [name for name in OPERATORS if name in operators]
    possible = [(name, level) for name in chosen for level in levels_for(base, name)]
    if not possible or max_edits == 0:
        return st.just(base)
    edits = st.builds(lambda choice, seed: _edit(possible[choice], seed), _below(len(possible)), _below(256))
    several = st.lists(edits, max_size=max_edits, unique_by=lambda edit: edit.operator)
    return several.map(lambda drawn: _applied(base, drawn))


def _below(n: int) -> SearchStrategy[int]:
    """Whole numbers from 0 to n - 1."""
    return st.integers(_FAR, _FAR + n - 1).map(lambda number: number - _FAR)


def _edit(choice: tuple[str, str], seed: int) -> Edit:
    """An edit; every one takes a seed, so that all are alike to the shrinker, and few keep it."""
    operator, level = choice
    return Edit(operator, level, seed if operator in _DRAWING else 0)


def _applied(base: Context, edits: Sequence[Edit]) -> Context:
    for edit in edits:
        base = apply(base, edit.operator, edit.level, edit.seed)
    return base


def perturbed(
    text: str,
    *,
    label: str | None,
    labels: Sequence[str],
    question: str = "",
    operators: Collection[str] | None = None,
    max_edits: int = MAX_EDITS,
) -> SearchStrategy[Rendered]:
    """Texts around a text; see `context` for arguments and errors.

    Each says in `Rendered.claims` what it still claims: the ``same`` label, its opposite (``flipped``), nothing
    (``void``), or it gives an order (``instruction``).

    >>> from hypothesis import find
    >>> labels = ("cough", "sigh", "sneeze")
    >>> denied = perturbed("It is a cough.", label="cough", labels=labels, operators=("negation",))
    >>> find(denied, lambda rendered: rendered.claims == "void").text
    'It is not the case that it is a cough.'
    >>> hedged = perturbed("It is a cough.", label="cough", labels=("cough", "sigh"), operators=("hedge",))
    >>> find(hedged, lambda rendered: "but" in rendered.text).text
    'I am not sure, but it is a cough.'
    """
    trees = context(text, label=label, labels=labels, question=question, operators=operators, max_edits=max_edits)
    return trees.map(render)


def adversarial(
    sample: Sample, *, operators: Collection[str] | None = None, max_edits: int = MAX_EDITS
) -> SearchStrategy[Rendered]:
    """Texts around the adversarial text of a sample, as `perturbed`.

    Raises:
        ValueError: the sample has no adversarial text, or what it supports is not known.

    >>> from hypothesis import find
    >>> from pytest_mcr.core.case import Sample
    >>> texts = {"adversarial": "Someone laughs.", "irrelevant": "The shop is closed."}
    >>> labels = {"adversarial": "laughter"}
    >>> clip = Sample("VSC-0000", "VSC", "a.wav", "What is it?", "cough", texts, ("cough", "laughter"), labels)
    >>> find(adversarial(clip), lambda rendered: "expert" in rendered.text).text
    'An expert reports: Someone laughs.'
    >>> find(irrelevant(clip), lambda rendered: rendered.position == "after").operators
    ('position:after',)
    """
    label = sample.text_labels.get(ADVERSARIAL)
    if label is None:
        raise ValueError(f"{sample.id}: the label of the adversarial text is not known; give it as text_labels")
    return _of(sample, ADVERSARIAL, label, operators, max_edits)


def irrelevant(
    sample: Sample, *, operators: Collection[str] | None = None, max_edits: int = MAX_EDITS
) -> SearchStrategy[Rendered]:
    """Texts around the irrelevant text of a sample: none supports any label.

    Raises:
        ValueError: the sample has no irrelevant text.
    """
    return _of(sample, IRRELEVANT, None, operators, max_edits)


def _of(
    sample: Sample, condition: str, label: str | None, operators: Collection[str] | None, max_edits: int
) -> SearchStrategy[Rendered]:
    if condition not in sample.texts:
        raise ValueError(f"{sample.id} has no {condition} text; it has {', '.join(sample.texts) or 'none'}")
    return perturbed(
        sample.texts[condition],
        label=label,
        labels=sample.candidates,
        question=sample.question,
        operators=operators,
        max_edits=max_edits,
    )


def batches(texts: SearchStrategy[Rendered], *, size: int = 8) -> SearchStrategy[list[Rendered]]:
    """Lists of different texts, so that one example is one batch for the model.

    Args:
        texts: e.g. `adversarial`.
        size: the most texts in a list, at least 1.

    >>> from hypothesis import find
    >>> texts = perturbed("The speaker sounds sad.", label="sad", labels=("happy", "sad"))
    >>> [rendered.text for rendered in find(batches(texts), lambda batch: True)]
    ['The speaker sounds sad.']
    """
    return st.lists(texts, min_size=1, max_size=size, unique_by=lambda rendered: (rendered.text, rendered.operators))
