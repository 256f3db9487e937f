"""The model under test in one process: loaded, proven to hear, asked through the cache, with its time kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from pytest_mcr.core.case import Sample
from pytest_mcr.core.prompts import TEMPLATES
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import AudioError, ModelError, OptionError, StopRunError
from pytest_mcr.models.protocol import Audio, Model, Request
from pytest_mcr.models.resolve import code_digest, load
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.answers import ENGINE, PLAIN, Answer, Answers, Prepared
from pytest_mcr.run.cache import ResponseCache, open_cache
from pytest_mcr.run.clips import Clip, Clips
from pytest_mcr.run.design import design
from pytest_mcr.run.exits import INVALID_EXIT, USAGE_EXIT
from pytest_mcr.run.process import Process, cache_note, engine_note, facts
from pytest_mcr.run.proof import Proof
from pytest_mcr.run.questions import Question, case_question
from pytest_mcr.run.recording import describe, recorded
from pytest_mcr.run.settings import Settings


class Subject:
    """Loads the model at the first need.

    A process that asks its model anything runs the canary first. One that finds every answer in the cache takes the
    canary's finding from there as well, if it was made for the same model on the same clips.

    Args:
        settings: the run's options.
        dataset: the chosen samples.
        spec: the model, already checked.
        device: where it runs.
        threads: CPU threads of a local model, None for torch's own choice.
    """

    def __init__(self, settings: Settings, dataset: Dataset, spec: Spec, device: str, threads: int | None) -> None:
        self.settings = settings
        self.dataset = dataset
        self.spec = spec
        self.device = device
        self.threads = threads
        self._template = TEMPLATES[settings.template]
        self.tokens = settings.max_new_tokens or self._template.max_new_tokens
        self.process: Process | None = None
        self._cache: ResponseCache | None = None
        self._answers: Answers | None = None
        self._stopped: StopRunError | None = None
        self._proven = False  # live, in this process
        self._news = False
        self._began = 0.0

    @property
    def model(self) -> Model:
        """The loaded model.

        Raises:
            StopRunError: it cannot be loaded.
        """
        return self._loaded().model

    @property
    def has_plain_path(self) -> bool:
        """Whether the model can be asked one question at a time by a way of its own."""
        return hasattr(self.model, "respond_plain")

    @property
    def contrasts(self) -> bool:
        """Whether the model can write an answer by a rule on two branches."""
        return bool(getattr(self.model, "contrasts", False))

    def take_news(self) -> Process | None:
        """Facts about this process, if they changed since they were last taken."""
        news, self._news = self._news, False
        return self.process if news else None

    def prepare(self, questions: Sequence[Question], audited: Collection[str]) -> Prepared:
        """Everything about the questions that needs no model; may run in a thread, once the model is loaded."""
        return self._loaded().prepare(questions, audited)

    def finish(self, prepared: Prepared, waited: float) -> list[Answer]:
        """Answer prepared questions.

        Args:
            prepared: from `prepare`.
            waited: seconds that the caller spent on getting it.

        Raises:
            StopRunError: the model cannot be used or trusted.
        """
        answers = self._loaded()
        process = self._facts()
        asks = bool(prepared.open(ENGINE) or prepared.open(PLAIN))
        if process.canary is None and not asks:
            process.canary = self._proof(answers).kept()
        if asks or process.canary is None:
            self.prove()
        self._learn(answers.model, prepared)
        began = time.perf_counter()
        given = answers.finish(prepared)
        self._book(process, waited, began)
        return given

    def note(self, line: str) -> None:
        """Have the summary show a line, once."""
        self._facts().note(line)
        self._news = True

    def forget(self) -> None:
        """Have the model drop what it kept of earlier calls: no answer then depends on the tests before."""
        drop: Callable[[], None] | None = getattr(self.model, "forget", None)
        if drop is not None:
            drop()

    def answers(self, questions: Sequence[Question]) -> list[Answer]:
        """Prepare and answer."""
        self._loaded()  # its time is not the questions'
        started = time.perf_counter()
        prepared = self.prepare(questions, ())
        return self.finish(prepared, time.perf_counter() - started)

    def clip(self, path: str) -> Audio:
        """A clip of the data at the model's rate.

        Raises:
            AudioError: it cannot be decoded.
            StopRunError: the model cannot be loaded.
        """
        return self._loaded().clips.decode(path, None)[0]

    def prove(self) -> None:
        """Run the canary in this process, once.

        Raises:
            StopRunError: the model cannot be loaded (exit 4), or failed the canary (exit 8).
        """
        answers = self._loaded()
        if self._proven:
            return
        process = self._facts()
        started = time.perf_counter()
        process.canary = canary = self._proof(answers).live()
        process.spend("canary", time.perf_counter() - started)
        self._news = True
        if canary.verdict == "fail":
            self._stopped = StopRunError(f"canary: {canary.detail}", INVALID_EXIT)
            raise self._stopped
        self._proven = True
        self._fit(answers)
        self._take_stages(answers.model)  # the canary's own time is no stage of the measurement

    def close(self) -> None:
        """Let the model and the cache go."""
        answers, self._answers = self._answers, None
        if self._cache is not None:
            self._cache.close()
        close = getattr(answers.model, "close", None) if answers is not None else None
        if close is not None:
            close()

    # --- loading ---------------------------------------------------------------------------------------------------

    def _facts(self) -> Process:
        assert self.process is not None
        return self.process

    def _loaded(self) -> Answers:
        if self._stopped is not None:
            raise self._stopped
        if self._answers is None:
            try:
                self._answers = self._load()
            except StopRunError as error:
                self._stopped = error
                raise
        return self._answers

    def _load(self) -> Answers:
        started = time.perf_counter()
        try:
            model = load(
                self.spec,
                invocation_dir=self.settings.invocation_dir,
                device=self.device,
                dtype=self.settings.dtype,
                threads=self.threads,
                batch_size=self.settings.batch_size,
                trust_remote_code=self.settings.trust_remote_code,
            )
        except ModelError as error:
            raise StopRunError(str(error), USAGE_EXIT) from error
        fingerprint = str(model.fingerprint())
        process = self.process = Process(facts(model, fingerprint), plain=hasattr(model, "respond_plain"))
        if recorded(model) is not None:
            describe(process, model, design(self.dataset.samples, self.settings.conditions), self.settings.answer)
        self._cache = self._open_cache(model, process)
        process.spend("load", time.perf_counter() - started)
        traits = dict(getattr(model, "traits", None) or {})
        for note in (engine_note(traits), cache_note(traits) if self.settings.cache is not None else None):
            if note is not None:
                process.note(note)
        self._news = True
        clips = Clips(self.dataset.root, getattr(model, "sample_rate", None), self._cache)
        fingerprint = f"{fingerprint} {code_digest(self.spec)}"  # for the cache; the results hold the model's own
        return Answers(model, fingerprint, clips, self._cache, self.tokens)

    def _open_cache(self, model: Model, process: Process) -> ResponseCache | None:
        cacheable = getattr(model, "cacheable", True) and not getattr(model, "recorded", False)
        if self.settings.cache is None or not cacheable:
            return None
        try:
            return open_cache(self.settings.cache, limit=self.settings.cache_size)
        except OptionError as error:
            process.note(str(error))  # the controller refused a folder that was asked for; this one is the default
            return None

    def _proof(self, answers: Answers) -> Proof:
        seed = self.settings.seed
        return Proof(self.dataset, answers, self._cache, self._template, self.tokens, seed)

    def _learn(self, model: Model, prepared: Prepared) -> None:
        """Planted oracles know the data: they are told which clip is whose."""
        learn: Callable[[Sample, str], None] | None = getattr(model, "learn", None)
        if learn is None:
            return
        for sample in {question.case.sample.id: question.case.sample for question in prepared.questions}.values():
            clip = prepared.clips[sample.audio]
            if isinstance(clip, Clip):
                learn(sample, clip.digest)
        learn_text: Callable[..., None] | None = getattr(model, "learn_text", None)
        if learn_text is not None:
            for question in prepared.questions:
                if question.told is not None:
                    learn_text(question.case.sample, question.prompt, question.condition, question.told)

    def _fit(self, answers: Answers) -> None:
        """Let a model on a GPU find its batch size on the longest that this run may bring."""
        fit: Callable[[Request], None] | None = getattr(answers.model, "fit", None)
        if fit is None or not str(getattr(answers.model, "device", "")).startswith("cuda"):
            return
        cases = design(self.dataset.samples, self.settings.conditions)
        longest = max((case_question(case, self._template) for case in cases), key=lambda asked: len(asked.prompt))
        for path in sorted({sample.audio for sample in self.dataset.samples}, key=answers.clips.size, reverse=True):
            try:
                audio, _ = answers.clips.decode(path, None)
            except AudioError:
                continue
            fit(longest.request(audio, self.tokens))
            return

    # --- time ------------------------------------------------------------------------------------------------------

    def _book(self, process: Process, waited: float, began: float) -> None:
        ended = time.perf_counter()
        stages = self._take_stages(self._loaded().model)
        process.spend("audio", waited + (stages or {}).pop("features", 0.0))
        for stage, seconds in (stages or {"model": ended - began}).items():
            process.spend(stage, seconds)
        for line in getattr(self._loaded().model, "notes", ()):
            process.note(line)
        self._began = self._began or began - waited
        process.seconds["measuring"] = ended - self._began
        if self._cache is not None:
            for line in self._cache.notes:
                process.note(line)
        self._news = True

    def _take_stages(self, model: Model) -> dict[str, float] | None:
        """Seconds by stage since they were last taken, None from a model that does not say."""
        spent: Callable[[], dict[str, float]] | None = getattr(model, "spent", None)
        return None if spent is None else dict(spent())
