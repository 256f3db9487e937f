"""One clip of the dominance suite: its branches, its texts, and the texts that the design varies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, Case, Sample
from pytest_mcr.core.dominance_design import Stratum
from pytest_mcr.core.dominance_trials import Probed, Trial
from pytest_mcr.core.perturb import Rendered, apply, base_context, render, render_variant
from pytest_mcr.core.prompts import Template, render_text
from pytest_mcr.models.oracle_memory import Told
from pytest_mcr.run.answers import Answer
from pytest_mcr.run.observe import observe
from pytest_mcr.run.questions import Question, branch_question, case_question
from pytest_mcr.run.subject import Subject

SUITE = "dominance"
TEXT_OF = {"joint": ADVERSARIAL, "faithful": FAITHFUL, "irrelevant": IRRELEVANT}
"""Bases that have a text, and the condition that it is taken from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the trial that its answer makes."""

    trial: Trial
    question: Question


def vary(
    subject: Subject, sample: Sample, template: Template, strata: Sequence[Stratum], seed: int, other: Sample | None
) -> Probed:
    """Ask about a clip of the dominance suite; all prompts in one call, so that they share the clip's prefix.

    Args:
        subject: the model.
        sample: with an adversarial text.
        template: of the prompts.
        strata: the texts of the design.
        seed: of the run.
        other: a sample whose clip has the answer that the adversarial text supports, None where there is none.

    Raises:
        StopRunError: the model cannot be used or trusted.
        PerturbError: an operator broke its guard: our bug.
    """
    asked = [*bases(sample, template), *swapped(sample, other, template), *variants(sample, template, strata, seed)]
    subject.forget()
    answers = subject.answers([one.question for one in asked])
    by_score = subject.settings.answer == "score"
    trials = tuple(seen(one, answer, by_score=by_score) for one, answer in zip(asked, answers, strict=True))
    digest = next((answer.digest for answer in answers if answer.digest is not None), sample.audio)
    return Probed(
        sample.id, sample.task, sample.split_group or digest, sample.gold, sample.text_labels.get(ADVERSARIAL), trials
    )


def bases(sample: Sample, template: Template) -> list[Asked]:
    """The unvaried prompts: the four branches, two of them also without any audio, and the other texts."""
    case = Case(sample, ADVERSARIAL)
    others = [base for base in ("faithful", "irrelevant") if TEXT_OF[base] in sample.texts]
    return [
        Asked(Trial("joint"), case_question(case, template)),
        Asked(Trial("audio"), branch_question(case, "A", template)),
        Asked(Trial("text"), branch_question(case, "T", template)),
        Asked(Trial("silence"), branch_question(case, "0", template)),
        Asked(Trial("text_alone"), branch_question(case, "T", template, "none")),
        Asked(Trial("nothing"), branch_question(case, "0", template, "none")),
        *(Asked(Trial(base), case_question(Case(sample, TEXT_OF[base]), template)) for base in others),
    ]


def swapped(sample: Sample, other: Sample | None, template: Template) -> list[Asked]:
    """The adversarial prompt over another sample's clip, of which its text is true."""
    if other is None:
        return []
    played = replace(sample, id=f"{sample.id} over {other.id}", audio=other.audio, gold=other.gold)
    prompt = render_text(template, sample, sample.texts[ADVERSARIAL])
    told = Told(sample.texts[ADVERSARIAL], "same")
    question = Question(f"{sample.id}-{ADVERSARIAL}::{SUITE}.swapped", Case(played, ADVERSARIAL), ADVERSARIAL, prompt)
    return [Asked(Trial("swapped"), replace(question, told=told))]


def variants(sample: Sample, template: Template, strata: Sequence[Stratum], seed: int) -> list[Asked]:
    """The varied prompts of a design, without those whose text the sample lacks or whose edit changes nothing in it."""
    asked = []
    for number, stratum in enumerate(strata):
        condition = TEXT_OF[stratum.base]
        if condition not in sample.texts:
            continue
        rendered = edited(sample, condition, stratum, seed)
        prompt = render_variant(template, sample, rendered)
        if prompt == render_text(template, sample, sample.texts[condition]):
            continue
        case = Case(sample, condition)
        trial = Trial(stratum.base, stratum.operator, stratum.level, stratum.dose, rendered.claims)
        told = Told(rendered.text, rendered.claims)
        asked.append(Asked(trial, Question(f"{case.id}::{SUITE}.{number}", case, condition, prompt, told=told)))
    return asked


def edited(sample: Sample, condition: str, stratum: Stratum, seed: int) -> Rendered:
    """A text of a sample after one edit.

    Raises:
        PerturbError: the operator broke its guard.
    """
    context = base_context(
        sample.texts[condition], sample.text_labels.get(condition), sample.candidates, sample.question
    )
    # Not of the level: the slips of a milder level are among those of a stronger one.
    drawn = hashlib.sha256(f"{seed}:{sample.id}:{condition}:{stratum.operator}".encode()).digest()
    return render(apply(context, stratum.operator, stratum.level, int.from_bytes(drawn[:4])))


def seen(asked: Asked, answer: Answer, *, by_score: bool) -> Trial:
    """The trial with the model's answer."""
    question, trial = asked.question, asked.trial
    found = observe(
        question.case,
        NEUTRAL if trial.base in ("audio", "silence", "nothing") else question.condition,
        question.prompt,
        answer.response,
        answer.digest or question.case.sample.audio,
        0.0,
        cached=answer.cached,
        by_score=by_score,
    )
    return Trial(
        trial.base, trial.operator, trial.level, trial.dose, trial.claims, found.answer, found.scores, found.error
    )
