"""What a clip is asked for rules in free generation, and how the answers are kept and told apart in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mcr.core.case import CONDITIONS, Sample
from pytest_mcr.core.prompts import DISCRETION
from pytest_mcr.core.repair_arms import arms_of, parse_arm
from pytest_mcr.core.repair_cases import NO_SCORES, NOT_WRITTEN, RepairCase
from pytest_mcr.models.protocol import Response
from pytest_mcr.run.answers import Answer
from pytest_mcr.run.mitigation import Asked, kept, questions
from pytest_mcr.run.settings import Settings

SAMPLE = Sample(
    "SER-0000", "SER", "a.wav", "Which emotion is heard?", "happy",
    {"faithful": "A happy voice.", "adversarial": "A sad voice.", "irrelevant": "The museum opens at nine."},
    ("happy", "sad"),
)  # fmt: skip
SETTINGS = Settings(
    invocation_dir=Path(), model="lab", data=None, tasks=None, conditions=None, limit=None, suites=("mitigation",),
    profile="report", gates=None, add_gates=(), mrs_alpha=0.8, seed=0, prevalence=0.05, max_errors=0.01,
    max_unparsed=0.05, answer="generate", max_new_tokens=None, template="discretion", device="cpu", dtype="auto",
    cache=None, cache_size=0, batch_size=None, time_limit=None, out=None,
)  # fmt: skip
OPEN = replace(SAMPLE, candidates=())
GACL, AAD, OWN = "gacl?decode=generate", "aad?without=none&decode=generate", "joint?decode=generate"


def asked(sample: Sample, *arms: str) -> list[Asked]:
    return questions(sample, CONDITIONS, arms_of(arms), DISCRETION, SETTINGS)


def written(sample: Sample, *arms: str) -> list[Asked]:
    return [one for one in asked(sample, *arms) if one.question.contrast is not None]


def test_the_models_own_text_is_that_of_the_cases_themselves() -> None:
    found = asked(SAMPLE, GACL)
    ids = [one.question.id for one in found]
    assert len(ids) == len(set(ids)) == 8  # four cases, each also written by the rule
    own = {one.written: one.question.id for one in found if one.question.contrast is None}
    assert own == {f"written {OWN}:{condition}": f"SER-0000-{condition}" for condition in CONDITIONS}
    assert all(one.slot is not None for one in found if one.question.contrast is None)


@pytest.mark.parametrize("sample", [SAMPLE, OPEN], ids=["closed", "open"])
def test_a_rule_takes_the_same_prompt_beside_another_branch(sample: Sample) -> None:
    cases = {one.question.condition: one.question for one in asked(sample, GACL) if one.question.contrast is None}
    for arm, sound in ((GACL, "clip"), (AAD, "none")):
        for one in written(sample, arm):
            assert one.question.contrast is not None
            other = one.question.contrast.other
            assert one.written == f"written {arm}:{one.question.condition}"
            assert one.question.prompt == cases[one.question.condition].prompt
            assert one.question.request(None, 16).candidates == ()
            assert (other.sound, other.prompt) == (
                sound,
                cases["neutral"].prompt if arm == GACL else one.question.prompt,
            )
    assert len(written(sample, GACL, AAD)) == 8


def answers(found: Sequence[Asked]) -> list[tuple[Asked, Answer]]:
    texts = {True: "happy", False: "sad"}
    return [(one, Answer(Response(texts[one.question.contrast is not None]), False, "digest")) for one in found]


def case(sample: Sample, found: Sequence[Asked], *, by_score: bool = False) -> RepairCase:
    return kept(sample, CONDITIONS, answers(found), by_score=by_score)


@pytest.mark.parametrize("by_score", [False, True])
def test_answers_are_read_as_text(by_score: bool) -> None:
    made = case(SAMPLE, asked(SAMPLE, GACL), by_score=by_score)
    made = RepairCase.from_json(made.to_json())
    for condition in CONDITIONS:
        assert made.given(parse_arm(GACL), condition).right
        assert made.given(parse_arm(OWN), condition).answer == "sad"
        assert made.given(parse_arm("gacl"), condition).missing == NO_SCORES
        assert made.given(parse_arm(AAD), condition).missing == NOT_WRITTEN
    assert made.failures == []


def test_an_answer_that_failed_is_an_error() -> None:
    found = asked(SAMPLE, GACL)
    given = [(one, Answer(Response(None, None, "no"), False, "digest")) for one in found]
    made = kept(SAMPLE, CONDITIONS, given, by_score=False)
    assert made.given(parse_arm(GACL), "adversarial").missing == "no"
    assert "no" in made.failures
