"""The engine of one process: it holds the model, computes chunks of cases and remembers the current one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_mcr.core.case import NEUTRAL, PLACEBO, Case, Observation
from pytest_mcr.core.prompts import TEMPLATES, Template
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.models.protocol import Model, Response
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.answers import Answer, Prepared
from pytest_mcr.run.awareness import Awareness
from pytest_mcr.run.batch_audit import Compared, audit_subset, compare
from pytest_mcr.run.chunks import chunk_size
from pytest_mcr.run.deadline import Deadline
from pytest_mcr.run.design import design
from pytest_mcr.run.dominance import Dominance
from pytest_mcr.run.mitigation import Mitigation
from pytest_mcr.run.observe import observe
from pytest_mcr.run.process import Process
from pytest_mcr.run.questions import Question, branch_question, case_question, placebo_question
from pytest_mcr.run.recording import recorded, require_complete
from pytest_mcr.run.repeat_audit import repeated_cases
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.stated import missing_confidence, per_token, stated_of
from pytest_mcr.run.subject import Subject
from pytest_mcr.run.subsets import placebo_id, placebo_subset

if TYPE_CHECKING:
    from pytest_mcr.core.calibrated_arm import Calibrated
    from pytest_mcr.run.calibrated import Calibration

Key = tuple[str, str]
"""Sample id and condition."""


@dataclass(slots=True)
class Result:
    """What a case gave: its observation; for a neutral case in the placebo subset the control's; its audit.

    Attributes:
        calibrated: what a calibration head makes of it (``--mcr-calibration``).
    """

    observation: Observation
    placebo: Observation | None = None
    audit: Compared | None = None
    calibrated: Calibrated | None = None


class Run:
    """Answers cases, chunk by chunk; loads the model and runs the canary when the first answer is needed.

    Args:
        settings: the run's options.
        dataset: the chosen design, before any selection by pytest.
        spec: the model, already checked.
        device: overrides ``settings.device`` when a scheduler hands out devices.
        threads: CPU threads of a local model, None for torch's own choice.

    Attributes:
        dominance: the suite that varies texts.
        awareness: the suite that probes hidden states.
        mitigation: the suite that compares repairs.
        deadline: what ``--mcr-time-limit`` sets.
    """

    def __init__(
        self, settings: Settings, dataset: Dataset, spec: Spec, device: str | None = None, threads: int | None = None
    ) -> None:
        self.settings = settings
        self.deadline = Deadline(settings.time_limit)
        self.dataset = dataset
        self.samples = {sample.id: sample for sample in dataset.samples}
        self.chunk_size = chunk_size(spec)
        self.cases = design(dataset.samples, settings.conditions)
        self.template: Template = TEMPLATES[settings.template]
        self.placebos = placebo_subset(dataset.samples, settings.seed)
        self.audited = audit_subset(self.cases, settings.seed)
        self.repeated = repeated_cases(settings, spec, self.cases)
        self._subject = Subject(settings, dataset, spec, device or settings.device, threads)
        self.dominance = Dominance(settings, dataset, spec, self._subject)
        self.awareness = Awareness(settings, dataset, spec, self._subject, self.deadline)
        self.mitigation = Mitigation(settings, dataset, spec, self._subject)
        self.calibration = calibration_of(settings, spec, dataset)
        self._chunks: dict[Key, Sequence[Key]] = {}
        self._upcoming: Callable[[Sequence[Key]], Sequence[Key] | None] = lambda chunk: None
        self._results: dict[Key, Result] = {}
        self._asked: set[Key] = set()  # errors of the current chunk that were handed out
        self._scored: dict[str, bool] = {}  # tasks seen: whether an answer had scores
        self._stated = stated_of(settings, self._subject)
        self._complete = False  # a recording was found to hold all
        self._thread = ThreadPoolExecutor(1, "mcr-prepare")
        self._ahead: tuple[Sequence[Key], Future[Prepared]] | None = None

    def plan(
        self,
        chunks: Sequence[Sequence[Key]],
        upcoming: Callable[[Sequence[Key]], Sequence[Key] | None] | None = None,
    ) -> None:
        """Say which cases are computed together; a case outside of every chunk is computed alone.

        Args:
            chunks: in the order of the tests.
            upcoming: guesses the chunk after a given one, which is prepared in a thread while that one is computed;
                a wrong guess costs the preparation. None: the chunks come in order.
        """
        self._chunks = {case: chunk for chunk in chunks for case in chunk}
        after = {id(chunk): following for chunk, following in pairwise(chunks)}
        self._upcoming = upcoming or (lambda chunk: after.get(id(chunk)))

    def chunk_of(self, key: Key) -> Sequence[Key] | None:
        """The chunk that a case is computed in, None for a case outside of the plan."""
        return self._chunks.get(key)

    @property
    def model(self) -> Model:
        """The loaded model, proven to hear in this process.

        Raises:
            StopRunError: the model cannot be loaded (exit 4), or failed the canary (exit 8).
        """
        self._subject.prove()
        return self._subject.model

    def take_news(self) -> Process | None:
        """Facts about this process, if they changed since they were last taken."""
        return self._subject.take_news()

    def result(self, sample_id: str, condition: str) -> Result:
        """The result of a case; computes its whole chunk at the first call.

        An error that is asked for again (a test that is rerun) is computed again, alone.

        Raises:
            StopRunError: the model cannot be used or trusted.
        """
        key = (sample_id, condition)
        if key not in self._results:
            self._results, self._asked = {}, set()  # the chunk before is over: memory stays flat
            self._results = self._compute(self._chunks.get(key, (key,)))
        elif key in self._asked:
            self._results |= self._compute((key,))
        result = self._results[key]
        if result.observation.error is not None:
            self._asked.add(key)
        self._remember(result.observation)
        return result

    def unscored(self, task: str) -> str | None:
        """Why the answers of a task have no scores, None where they do; asks one case where none was seen here.

        Raises:
            StopRunError: the model cannot be used or trusted.
        """
        first = next(case for case in self.cases if case.sample.task == task)
        if not first.sample.candidates and self._stated is None:
            return f"{task} is open-ended: there are no candidates to score"
        if task not in self._scored:
            key = (first.sample.id, first.condition)
            self._remember(self._compute((key,))[key].observation)
        return None if self._scored.get(task, True) else missing_confidence(self.settings)

    def _remember(self, seen: Observation) -> None:
        if seen.error is None:
            self._scored[seen.task] = self._scored.get(seen.task, False) or seen.confidence is not None

    def ask(self, sample_id: str, condition: str, branch: str, silence: str = "silence") -> Response:
        """Ask a case in one of the four branches, through the cache.

        Args:
            sample_id: of the case.
            condition: of the case.
            branch: J (clip and text), A (clip), T (text over silence) or 0 (silence).
            silence: what T and 0 are given: ``silence`` of the clip's length, or ``none`` for no audio at all.

        Raises:
            StopRunError: the model cannot be used or trusted.
            OptionError: no such branch or silence.
        """
        question = branch_question(Case(self.samples[sample_id], condition), branch, self.template, silence)
        return self._subject.answers([question])[0].response

    def close(self) -> None:
        """Let the model go."""
        self._thread.shutdown(cancel_futures=True)
        self._results = {}
        self._subject.close()

    def _compute(self, chunk: Sequence[Key]) -> dict[Key, Result]:
        self._require_recorded()
        if self.calibration is not None:
            self.calibration.look_into(self._subject)
        started = time.perf_counter()
        prepared = self._prepared(chunk)
        self._prepare_next(chunk)
        answers = self._subject.finish(prepared, waited=time.perf_counter() - started)
        given = {question.id: answer for question, answer in zip(prepared.questions, answers, strict=True)}
        seconds = (time.perf_counter() - started) / len(chunk)
        return self._sure({key: self._result(self._case(key), given, seconds) for key in chunk})

    def _sure(self, results: dict[Key, Result]) -> dict[Key, Result]:
        """The same results, with the confidence that the model was asked for where it was to be asked."""
        if self._stated is not None:
            asked = self._stated.ask({key: result.observation for key, result in results.items()}, self._case)
            for key, observation in asked.items():
                results[key].observation = observation
        return results

    def _prepared(self, chunk: Sequence[Key]) -> Prepared:
        """A chunk ready for the model: from the thread if the guess was right, else made now."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == chunk:
            return ahead[1].result()
        return self._subject.prepare(self._questions(chunk), self._audited(chunk))

    def _prepare_next(self, chunk: Sequence[Key]) -> None:
        following = self._upcoming(chunk)
        if following is not None:
            job = self._thread.submit(self._subject.prepare, self._questions(following), self._audited(following))
            self._ahead = (following, job)

    def _questions(self, chunk: Sequence[Key]) -> list[Question]:
        asked = []
        for key in chunk:
            case = self._case(key)
            asked.append(case_question(case, self.template))
            if self._wants_placebo(case):
                asked.append(placebo_question(case, self.template))
            if self.calibration is not None:
                asked += self.calibration.questions(case)
        return list({question.id: question for question in asked}.values())

    def _audited(self, chunk: Sequence[Key]) -> frozenset[str]:
        wanted = self.audited if self._subject.has_plain_path else self.repeated
        return wanted & {self._case(key).id for key in chunk}

    def _case(self, key: Key) -> Case:
        return Case(self.samples[key[0]], key[1])

    def _wants_placebo(self, case: Case) -> bool:
        if case.condition != NEUTRAL or case.sample.id not in self.placebos:
            return False
        has = recorded(self._subject.model)  # recorded answers may not hold the control
        return has is None or bool(has(placebo_id(case)))

    def _require_recorded(self) -> None:
        """A recording has to hold every selected case: numbers over the rest would be about another set."""
        if not self._complete:
            self._complete = True
            require_complete(self._subject.model, [self._case(key).id for key in self._chunks])

    def _result(self, case: Case, given: dict[str, Answer], seconds: float) -> Result:
        answer = given[case.id]
        observation = self._see(case, case.condition, answer.response, answer, seconds)
        control = given.get(placebo_id(case))
        placebo = None if control is None else self._see(case, PLACEBO, control.response, control, seconds)
        audit = None
        if answer.plain is not None:
            second = self._see(case, case.condition, answer.plain, answer, seconds)
            audit = compare(observation, second, again=not self._subject.has_plain_path)
        return Result(observation, placebo, audit, self._calibrated(case, observation, given))

    def _calibrated(self, case: Case, seen: Observation, given: dict[str, Answer]) -> Calibrated | None:
        if self.calibration is None or self._subject.process is None:
            return None
        self.calibration.note(self._subject.process)
        return self.calibration.apply(case, seen, given, self._subject)

    def _see(self, case: Case, condition: str, response: Response, answer: Answer, seconds: float) -> Observation:
        question = placebo_question(case, self.template) if condition == PLACEBO else case_question(case, self.template)
        return observe(
            case, condition, question.prompt, response, answer.digest or case.sample.audio, seconds,
            cached=answer.cached, by_score=self.settings.answer == "score", per_token=per_token(self.settings),
        )  # fmt: skip


def calibration_of(settings: Settings, spec: Spec, dataset: Dataset) -> Calibration | None:
    """The calibration head asked for.

    Raises:
        OptionError: its file is no head, or belongs to another template or answer mode.
    """
    if settings.calibration is None:
        return None
    from pytest_mcr.run.calibrated import Calibration  # its statistics are imported only where they are asked for

    return Calibration(settings.calibration, settings, spec, dataset.digest)
