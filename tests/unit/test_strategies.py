"""The public strategies: their examples run, they shrink to the mildest text, and they need no model library."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import pytest_mcr.strategies
from pytest_mcr.core.case import Sample
from pytest_mcr.core.perturb import OPERATORS, Rendered, render
from pytest_mcr.strategies import adversarial, batches, context, irrelevant, perturbed

LABELS = ("angry", "calm", "happy", "sad")
TEXTS = {"adversarial": "The speaker sounds sad.", "irrelevant": "The shop is closed."}
SAMPLE = Sample("SER-0000", "SER", "a.wav", "Which emotion?", "happy", TEXTS, LABELS, {"adversarial": "sad"})
SILENT = settings(database=None, max_examples=2000)


def test_the_examples_of_the_docstrings_run() -> None:
    found = doctest.testmod(pytest_mcr.strategies)
    assert found.failed == 0
    assert found.attempted > 10


@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"relevance", "unicode"}))
def test_a_property_that_one_operator_breaks_shrinks_to_its_mildest_level(operator: str) -> None:
    base = TEXTS["adversarial"] + " The room is small."
    texts = perturbed(base, label="sad", labels=LABELS, question="Which emotion?", operators=(operator, "space"))
    breaks = find(texts, lambda r: any(edit.startswith(f"{operator}:") for edit in r.operators), settings=SILENT)
    assert len(breaks.operators) == 1
    assert breaks.operators[0].partition(":")[2] in OPERATORS[operator].levels[1:3]


@settings(deadline=None, max_examples=40)
@given(adversarial(SAMPLE, max_edits=2), irrelevant(SAMPLE), batches(irrelevant(SAMPLE), size=3))
def test_what_is_drawn(varied: Rendered, other: Rendered, batch: list[Rendered]) -> None:
    assert len(varied.operators) <= 2
    assert (varied.label, other.label) == ("sad", None)
    assert other.claims == "same"
    assert 1 <= len(batch) <= 3
    assert len({(one.text, one.operators) for one in batch}) == len(batch)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_only_the_given_operators_are_used(data: st.DataObject) -> None:
    trees = context("The speaker sounds sad.", label="sad", labels=LABELS, operators=("hedge", "case"))
    tree = data.draw(trees)
    assert {edit.operator for edit in tree.edits} <= {"hedge", "case"}
    assert render(tree).claims == "same"


def test_no_edit_gives_the_base_text() -> None:
    assert find(perturbed("A dog.", label=None, labels=(), max_edits=0), lambda _: True) == Rendered("A dog.")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: perturbed("A.", label=None, labels=(), operators=("cases",)), "unknown operator 'cases'"),
        (lambda: perturbed("A.", label="x", labels=("y",)), "label 'x' is none of the labels"),
        (lambda: perturbed("A.", label=None, labels=(), max_edits=-1), "max_edits is -1; expected at least 0"),
        (lambda: adversarial(Sample("S-0000", "S", "a", "q", "b", {"adversarial": "x"})), "give it as text_labels"),
        (lambda: irrelevant(Sample("S-0000", "S", "a", "q", "b", {})), "has no irrelevant text; it has none"),
    ],
)
def test_bad_arguments(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()  # type: ignore[operator]


def test_strategies_load_no_model_library() -> None:
    heavy = "{'torch', 'transformers', 'rich', 'numpy', 'soundfile', 'pytest'}"
    code = f"import sys, pytest_mcr.strategies; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_the_example_of_the_documentation_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dominance.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", page, re.S)
    *lines, last = code.strip().splitlines()
    shown, _, expected = last.partition("  # ")
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    assert eval(shown, names) == eval(expected)
