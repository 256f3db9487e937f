"""The hunt on a clip of the run: its texts become questions to the run's model, in the adversarial case."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Case, Sample
from pytest_mcr.core.perturb import Rendered, render_variant
from pytest_mcr.core.prompts import Template
from pytest_mcr.errors import AudioError
from pytest_mcr.models.oracle_memory import Told
from pytest_mcr.models.protocol import Response
from pytest_mcr.run.answers import Answer
from pytest_mcr.run.ask import ask_together, failed
from pytest_mcr.run.findings import Finding
from pytest_mcr.run.hunt import hunt
from pytest_mcr.run.hunted import Hunted, Seen
from pytest_mcr.run.observe import observe
from pytest_mcr.run.questions import Question, branch_question
from pytest_mcr.run.subject import Subject

SUITE = "hunt"


class Hunter:
    """Asks one clip's adversarial case with other texts.

    Args:
        subject: the model.
        sample: with an adversarial text.
        template: of the prompts.
    """

    def __init__(self, subject: Subject, sample: Sample, template: Template) -> None:
        self._subject = subject
        self._case = Case(sample, ADVERSARIAL)
        self._template = template
        self._asked = 0

    def search(self, *, model_calls: int, seconds: float | None, seed: int, known: Sequence[Finding] = ()) -> Hunted:
        """Hunt; see `hunt` for the arguments.

        Raises:
            StopRunError: the model cannot be used or trusted.
            PerturbError: an operator broke its guard: our bug.
        """
        question = branch_question(self._case, "A", self._template)
        [answer] = self._subject.answers([question])
        fingerprint = str(self._subject.model.fingerprint())
        return hunt(
            self._case.sample,
            self.ask,
            alone=self._seen(question, answer, NEUTRAL),
            fingerprint=fingerprint,
            model_calls=model_calls,
            seconds=seconds,
            seed=seed,
            known=[finding for finding in known if finding.fingerprint == fingerprint],
            again=self.ask_afresh,
        )

    def ask(self, texts: Sequence[Rendered]) -> list[Seen]:
        """Ask in one batch, through the cache."""
        questions = [self._question(text) for text in texts]
        answers = self._subject.answers(questions)
        return [self._seen(q, answer, ADVERSARIAL) for q, answer in zip(questions, answers, strict=True)]

    def ask_afresh(self, texts: Sequence[Rendered]) -> list[Seen]:
        """Ask the model itself, whatever the cache holds."""
        questions = [self._question(text) for text in texts]
        try:
            audio = self._subject.clip(self._case.sample.audio)
        except AudioError as error:
            responses = [failed(str(error))] * len(questions)
        else:
            requests = [question.request(audio, self._subject.tokens) for question in questions]
            responses = ask_together(self._subject.model, requests)
        return [self._read(q, response, ADVERSARIAL, None) for q, response in zip(questions, responses, strict=True)]

    def _question(self, text: Rendered) -> Question:
        self._asked += 1
        name = f"{self._case.id}::{SUITE}.{self._asked}"
        prompt = render_variant(self._template, self._case.sample, text)
        told = Told(text.text, text.claims) if text.operators else None
        return Question(name, self._case, ADVERSARIAL, prompt, told=told)

    def _seen(self, question: Question, answer: Answer, condition: str) -> Seen:
        return self._read(question, answer.response, condition, answer.digest)

    def _read(self, question: Question, response: Response, condition: str, digest: str | None) -> Seen:
        by_score = self._subject.settings.answer == "score"
        cluster = digest or self._case.sample.audio
        found = observe(
            question.case, condition, question.prompt, response, cluster, 0.0, cached=False, by_score=by_score
        )
        return Seen(found.answer, found.scores, found.error)
