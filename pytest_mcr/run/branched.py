"""A case with its three other branches: the questions, and the case of a calibration head that their answers make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.case import CONDITIONS, NEUTRAL, Case, Observation, Sample
from pytest_mcr.core.dominance_design import Stratum
from pytest_mcr.core.features import BranchScores
from pytest_mcr.core.head_cases import HeadCase
from pytest_mcr.core.perturb import render_variant
from pytest_mcr.core.prompts import Template, normalize, render_text
from pytest_mcr.models.oracle_memory import Told
from pytest_mcr.run.answers import Answer
from pytest_mcr.run.observe import observe
from pytest_mcr.run.questions import Question, branch_question, case_question
from pytest_mcr.run.varied import TEXT_OF, edited

SUITE: Final = "head"
NO_SCORES: Final = "the model gave no scores over a closed candidate set"


@dataclass(frozen=True, slots=True)
class Branched:
    """The four questions of a case; questions of one sample share ids where they are the same.

    Attributes:
        operator: that edited the text, with its level; empty for the text as the data has it.
    """

    case: Case
    operator: str
    joint: Question
    audio: Question
    text: Question
    silence: Question

    @property
    def questions(self) -> tuple[Question, ...]:
        """All four."""
        return self.joint, self.audio, self.text, self.silence


def branched(case: Case, template: Template) -> Branched:
    """The questions of a case. Under ``neutral`` there is no text: J is A, and T is 0."""
    neutral = Case(case.sample, NEUTRAL)
    silence = branch_question(neutral, "0", template)
    text = silence if case.condition == NEUTRAL else branch_question(case, "T", template)
    return Branched(case, "", case_question(case, template), case_question(neutral, template), text, silence)


def base_cases(sample: Sample, template: Template) -> list[Branched]:
    """A sample's cases under every condition that it has."""
    return [branched(Case(sample, condition), template) for condition in CONDITIONS if condition in sample.conditions]


def edited_cases(sample: Sample, template: Template, strata: Sequence[Stratum], seed: int) -> list[Branched]:
    """The cases of a sample under edited texts that claim what the base text claims.

    An edit that changes nothing, denies the claim or orders an answer is left out: what it makes of a conflict is
    another question.
    """
    found = []
    for number, stratum in enumerate(strata):
        condition = TEXT_OF[stratum.base]
        if condition not in sample.texts:
            continue
        rendered = edited(sample, condition, stratum, seed)
        prompt = render_variant(template, sample, rendered)
        if rendered.claims != "same" or prompt == render_text(template, sample, sample.texts[condition]):
            continue
        case, told = Case(sample, condition), Told(rendered.text, rendered.claims)
        base = branched(case, template)
        joint = Question(f"{case.id}::{SUITE}.{2 * number}", case, condition, prompt, told=told)
        text = Question(f"{case.id}::{SUITE}.{2 * number + 1}", case, condition, prompt, "silence", told)
        operator = f"{stratum.operator}:{stratum.level}"
        found.append(Branched(case, operator, joint, base.audio, text, base.silence))
    return found


def unique(cases: Sequence[Branched]) -> list[Question]:
    """The questions of several cases, each once, in order."""
    return list({question.id: question for case in cases for question in case.questions}.values())


def head_case(asked: Branched, given: Mapping[str, Answer], *, by_score: bool) -> HeadCase | str:
    """The case that four answers make, or why there is none.

    Args:
        asked: its questions.
        given: answers by question id.
        by_score: answers are the best-scored candidates.
    """
    seen = {
        name: _seen(getattr(asked, name), given, by_score=by_score) for name in ("joint", "audio", "text", "silence")
    }
    error = next((one.error for one in seen.values() if one.error is not None), None)
    if error is not None:
        return error
    if any(one.scores is None or len(one.scores) < 2 for one in seen.values()):
        return NO_SCORES
    try:
        scores = BranchScores(*(one.scores or {} for one in seen.values()))
    except ValueError as unusable:
        return str(unusable)
    sample, joint = asked.case.sample, seen["joint"]
    return HeadCase(
        sample=sample.id,
        task=sample.task,
        cluster=joint.cluster,
        digest=given[asked.joint.id].digest or sample.audio,
        condition=asked.case.condition,
        operator=asked.operator,
        gold=sample.gold,
        answer=joint.answer,
        audio_answer=seen["audio"].answer,
        scores=scores,
        text="" if asked.case.condition == NEUTRAL else normalize(sample.texts[asked.case.condition]),
    )


def _seen(question: Question, given: Mapping[str, Answer], *, by_score: bool) -> Observation:
    answer = given[question.id]
    return observe(
        question.case,
        question.condition,
        question.prompt,
        answer.response,
        answer.digest or question.case.sample.audio,
        0.0,
        cached=answer.cached,
        by_score=by_score,
    )
