"""The mitigation suite in one process: what each clip is asked, so that every arm is arithmetic on the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, NEUTRAL, Case, Observation, Sample, Verdict
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.grammar import Gate
from pytest_mcr.core.perturbers import Perturbation
from pytest_mcr.core.prompt_arms import PROMPT_ARMS, conclusion
from pytest_mcr.core.prompts import TEMPLATES, Template, render
from pytest_mcr.core.repair_arms import AS_ASKED, EARLY, PERTURBED, Arm, arms_of, perturbation
from pytest_mcr.core.repair_cases import OPTIONAL, RepairCase, prompt_slot, slot, written_slot
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import OptionError
from pytest_mcr.models.oracle_memory import Told
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.answers import Answer
from pytest_mcr.run.dola import Dola
from pytest_mcr.run.observe import observe
from pytest_mcr.run.questions import Contrast, Question, branch_question, case_question
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject

SUITE: Final = "mitigation"
FLAG: Final = "--mcr-mitigation"
LEAST_TO_TUNE: Final = 20
"""Clips a task that ``--mcr-tune`` needs: ten to choose by, ten to report on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the names under which its answer is kept."""

    question: Question
    slot: str | None = None
    prompt: str | None = None
    written: str | None = None


class Mitigation:
    """Asks about the clips.

    Args:
        settings: the run's options.
        dataset: the chosen samples.
        spec: the model.
        subject: the model, loaded at the first need.
    """

    def __init__(self, settings: Settings, dataset: Dataset, spec: Spec, subject: Subject) -> None:
        self._settings = settings
        self._spec = spec
        self._subject = subject
        self._template = TEMPLATES[settings.template]
        self._arms = arms_of(settings.mitigation)
        self._dola = Dola(self._arms, spec, subject, self._template)
        wanted = CONDITIONS if settings.conditions is None else settings.conditions
        self._conditions = tuple(condition for condition in CONDITIONS if condition in wanted)
        self._samples = {sample.id: sample for sample in dataset.samples if ADVERSARIAL in sample.texts}

    def absent(self) -> str | None:
        """Why the suite cannot run at all."""
        if self._spec.scheme == "replay":
            return "recorded answers hold none of the other branches and prompts"
        if ADVERSARIAL not in self._conditions:
            return "needs the adversarial text, which --mcr-conditions leaves out"
        return None if self._samples else "the data has no adversarial text"

    def ids(self) -> list[str]:
        """The clips, in the order of the data."""
        return list(self._samples)

    def asked(self, sample_id: str) -> RepairCase:
        """Ask about a clip: all prompts in one call, so that they share the clip's prefix.

        Raises:
            StopRunError: the model cannot be used or trusted.
        """
        sample = self._samples[sample_id]
        conditions = tuple(c for c in sample.conditions if c in self._conditions)
        arms = [arm for arm in self._arms if not arm.contrasts or self._subject.contrasts]
        asked = questions(sample, conditions, arms, self._template, self._settings)
        self._subject.forget()
        answers = self._subject.answers([one.question for one in asked])
        by_score = self._settings.answer == "score"
        case = kept(sample, conditions, list(zip(asked, answers, strict=True)), by_score=by_score)
        return self._dola.added(case, sample)


def check_arms(settings: Settings, dataset: Dataset) -> None:
    """Refuse, before anything is asked, arms that the data cannot serve.

    Raises:
        OptionError: ``--mcr-tune`` has too few clips, or a prompt arm meets texts that are whole prompts.
    """
    if SUITE not in settings.suites:
        return
    prompts = [arm.text for arm in arms_of(settings.mitigation) if arm.prompt is not None]
    whole = next((sample for sample in dataset.samples if sample.complete), None)
    if prompts and whole is not None:
        raise OptionError(
            f"{FLAG} {prompts[-1]!r}: the texts of task {whole.task} are whole prompts, which leave no place for "
            f"another instruction; drop the arm, or leave the task out with --mcr-tasks"
        )
    if settings.tune:
        _check_size(settings, dataset)


def check_gate(settings: Settings, gate: Gate) -> None:
    """Refuse a gate on an arm that this run does not have.

    Raises:
        OptionError: names the gate and the flag to type.
    """
    known = [arm.text for arm in arms_of(settings.mitigation)]
    if METRICS[gate.metric].arms and gate.condition not in known:
        raise OptionError(
            f"gate {gate.expr!r}: this run has no arm {gate.condition!r} ({', '.join(known)}); type "
            f"{FLAG} '{gate.condition}'"
        )


def _check_size(settings: Settings, dataset: Dataset) -> None:
    if settings.conditions is not None and not {FAITHFUL, ADVERSARIAL} <= set(settings.conditions):
        raise OptionError("--mcr-tune needs faithful and adversarial texts; add them to --mcr-conditions")
    clips = {(s.task, s.clip) for s in dataset.samples if ADVERSARIAL in s.texts}
    sizes = Counter(task for task, _ in clips)
    for task in dataset.tasks:
        if sizes[task] < LEAST_TO_TUNE:
            raise OptionError(
                f"--mcr-tune needs {LEAST_TO_TUNE} clips of each task, half of them to choose by; {task} has "
                f"{sizes[task]}; give more data or a larger --mcr-limit, leave the task out with --mcr-tasks, or name "
                f"the options yourself: {FLAG} 'gacl?lambda=1&tau=0.5'"
            )


def questions(
    sample: Sample, conditions: Sequence[str], arms: Sequence[Arm], template: Template, settings: Settings
) -> list[Asked]:
    """Everything that a clip has to be asked for these arms, each question once.

    Args:
        sample: with an adversarial text.
        conditions: of the sample.
        arms: of the run.
        template: of the run.
        settings: of the run; an answer has the room that the user asked for, else its template's own.
    """
    scored = [arm for arm in arms if not arm.writes] if sample.candidates else []
    branches = dict.fromkeys(branch for arm in scored for branch in arm.branches if not branch.startswith(EARLY))
    written = [arm for arm in arms if arm.writes]
    prompts = [arm.prompt for arm in arms if arm.prompt is not None]
    own = AS_ASKED if prompts else None
    found: dict[str, Asked] = {}
    for condition in conditions:
        case = Case(sample, condition)
        for number, branch in enumerate(branches, start=len(prompts)):
            place = slot(branch, condition)
            asks_case = (place == "audio" and condition == NEUTRAL) or place == f"joint:{condition}"
            prompt = prompt_slot(own, condition) if own is not None and asks_case else None
            if place not in found or prompt is not None:
                found[place] = Asked(_branch(case, branch, template, settings.seed, number), place, prompt)
        if own is not None and not branches:
            found[prompt_slot(own, condition)] = Asked(case_question(case, template), None, prompt_slot(own, condition))
        for number, name in enumerate(name for name in prompts if name != AS_ASKED):
            question = _prompted(case, name, template, settings.max_new_tokens, number)
            found[question.id] = Asked(question, None, prompt_slot(name, condition))
        for number, arm in enumerate(written, start=len(prompts) + len(branches)):
            question = _written(case, arm, template, settings.seed, number)
            place = next((key for key, one in found.items() if one.question.id == question.id), question.id)
            found[place] = replace(found.get(place, Asked(question)), written=written_slot(arm, condition))
    return list(found.values())


_LETTER: Final = {"joint": "J", "audio": "A", "text": "T", "silence": "0", "text_alone": "T", "nothing": "0"}


def _branch(case: Case, branch: str, template: Template, seed: int, number: int) -> Question:
    """J is the case itself and A its neutral case, so that the cache holds what the benchmark asked."""
    if branch.startswith(PERTURBED):
        return _perturbed(case, template, perturbation(branch, seed), number)
    place = slot(branch, case.condition).partition(":")[0]
    neutral = Case(case.sample, NEUTRAL)
    if place in ("joint", "audio"):
        return case_question(case if place == "joint" else neutral, template)
    silence = "none" if place in OPTIONAL else "silence"
    return branch_question(neutral if _LETTER[place] == "0" else case, _LETTER[place], template, silence)


def _written(case: Case, arm: Arm, template: Template, seed: int, number: int) -> Question:
    """Without a rule it is the case itself, so that the cache holds it."""
    asked = case_question(case, template)
    if not arm.contrasts:
        return asked
    other = _branch(case, arm.branches[1], template, seed, number)
    return replace(asked, id=f"{case.id}::{SUITE}.{number}", closed=False, contrast=Contrast(arm, other))


def _perturbed(case: Case, template: Template, done: Perturbation, number: int) -> Question:
    return Question(
        f"{case.id}::{SUITE}.{number}",
        case,
        case.condition,
        render(template, case.sample, case.condition),
        "perturbed",
        told=_told(case),
        perturbation=done,
    )


def _told(case: Case) -> Told | None:
    text = case.sample.texts.get(case.condition)
    return None if text is None else Told(text, "same")


def _prompted(case: Case, name: str, template: Template, tokens: int | None, number: int) -> Question:
    arm = PROMPT_ARMS[name]
    wording = arm.template(name, template)
    return Question(
        f"{case.id}::{SUITE}.{number}",
        case,
        case.condition,
        render(wording, case.sample, case.condition),
        told=_told(case),
        closed=not arm.concludes,  # what is written before the answer has no candidate to be scored
        tokens=tokens or wording.max_new_tokens,
    )


def kept(
    sample: Sample, conditions: Sequence[str], given: Sequence[tuple[Asked, Answer]], *, by_score: bool
) -> RepairCase:
    """The clip with its answers.

    Args:
        sample: that was asked about.
        conditions: that were asked.
        given: questions and answers.
        by_score: answers are the best-scored candidates; an arm that writes first is read in any case.
    """
    scores: dict[str, dict[str, float] | None] = {}
    answers: dict[str, str | None] = {}
    rights: dict[str, bool] = {}
    errors: dict[str, str] = {}
    cluster = digest = sample.audio
    for one, answer in given:
        seen = _seen(one.question, answer, by_score=by_score and one.question.closed)
        if answer.digest is not None:
            cluster, digest = seen.cluster, answer.digest
        if one.slot is not None and (answer.response.error is not None):
            errors[one.slot] = answer.response.error
        elif one.slot is not None:
            scores[one.slot] = None if answer.response.scores is None else dict(answer.response.scores)
        if one.prompt is not None and seen.error is not None:
            errors[one.prompt] = seen.error
        elif one.prompt is not None:
            answers[one.prompt], rights[one.prompt] = seen.answer, seen.verdict is Verdict.AUDIO
        if one.written is not None:
            text = _seen(one.question, answer, by_score=False)
            if text.error is not None:
                errors[one.written] = text.error
            else:
                answers[one.written], rights[one.written] = text.answer, text.verdict is Verdict.AUDIO
    return RepairCase(
        sample.id, sample.task, sample.split_group or cluster, digest, sample.gold, sample.candidates,
        tuple(conditions), scores, answers, rights, errors,
    )  # fmt: skip


def _seen(question: Question, answer: Answer, *, by_score: bool) -> Observation:
    response, sample = answer.response, question.case.sample
    if not question.closed and question.contrast is None and response.text is not None:
        response = replace(response, text=conclusion(response.text, sample.candidates))
    return observe(
        question.case,
        question.condition,
        question.prompt,
        response,
        answer.digest or sample.audio,
        0.0,
        cached=answer.cached,
        by_score=by_score,
    )
