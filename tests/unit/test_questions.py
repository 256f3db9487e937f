"""Questions: the four branches take the text, the clip or both away, and nothing else."""

from __future__ import annotations

import pytest

from pytest_mcr.core.case import Case, Sample
from pytest_mcr.core.prompts import TEMPLATES
from pytest_mcr.errors import OptionError
from pytest_mcr.run.questions import branch_question, case_question, placebo_question

TEMPLATE = TEMPLATES["discretion"]
SAMPLE = Sample("VSC-0003", "VSC", "a.wav", "Which?", "cough", {"adversarial": "A man laughs."}, ("cough", "sigh"))
CASE = Case(SAMPLE, "adversarial")
NEUTRAL = case_question(Case(SAMPLE, "neutral"), TEMPLATE)


@pytest.mark.parametrize(
    ("branch", "silence", "text", "sound"),
    [
        ("J", "silence", True, "clip"),
        ("A", "silence", False, "clip"),
        ("T", "silence", True, "silence"),
        ("0", "silence", False, "silence"),
        ("T", "none", True, "none"),
        ("0", "none", False, "none"),
    ],
)
def test_branches(branch: str, silence: str, text: bool, sound: str) -> None:
    question = branch_question(CASE, branch, TEMPLATE, silence)
    assert ("A man laughs." in question.prompt) == text
    assert text or question.prompt == NEUTRAL.prompt
    assert question.sound == sound


def test_every_branch_has_an_id_of_its_own() -> None:
    asked = [branch_question(CASE, branch, TEMPLATE, silence) for branch in "JAT0" for silence in ("silence", "none")]
    assert len({question.id for question in asked}) == 6  # J and A play the clip whatever silence is
    assert {question.id.partition("::")[0] for question in asked} == {"VSC-0003-adversarial"}


def test_j_asks_what_the_case_asks() -> None:
    assert branch_question(CASE, "J", TEMPLATE).prompt == case_question(CASE, TEMPLATE).prompt
    assert placebo_question(Case(SAMPLE, "neutral"), TEMPLATE).prompt != NEUTRAL.prompt


@pytest.mark.parametrize(
    ("branch", "silence", "word"), [("X", "silence", "J, A, T, 0"), ("T", "quiet", "silence, none")]
)
def test_unknown_names(branch: str, silence: str, word: str) -> None:
    with pytest.raises(OptionError, match=word):
        branch_question(CASE, branch, TEMPLATE, silence)
