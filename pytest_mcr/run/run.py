"""The engine of one process: it holds the model, computes chunks of cases and remembers the current one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pytest_mcr.core.case import NEUTRAL, PLACEBO, Case, Observation
from pytest_mcr.core.prompts import TEMPLATES, Template, render
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import AudioError, DeliveryError, ModelError, ModelRaisedError, ResponseError, StopRunError
from pytest_mcr.models.protocol import Audio, Model, Request, Response
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.ask import ask, failed
from pytest_mcr.run.canary import TEXT_ROUNDS, Canary, run_canary
from pytest_mcr.run.design import design
from pytest_mcr.run.exits import INVALID_EXIT, USAGE_EXIT
from pytest_mcr.run.observe import observe
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subsets import placebo_id, placebo_subset, seeded


@dataclass(slots=True)
class Result:
    """What a case gave: its observation and, for a neutral case in the placebo subset, the control's."""

    observation: Observation
    placebo: Observation | None = None


@dataclass(slots=True)
class Process:
    """Facts about the model of one process, known once it is loaded.

    Attributes:
        seconds: wall time of ``load`` and ``canary``.
    """

    model: dict[str, object]
    canary: Canary
    seconds: dict[str, float] = field(default_factory=dict)


class Run:
    """Answers cases, chunk by chunk; loads the model and runs the canary when the first answer is needed.

    Args:
        settings: the run's options.
        dataset: the chosen design, before any selection by pytest.
        spec: the model, already checked.
        device: overrides ``settings.device`` when a scheduler hands out devices.
        threads: CPU threads of a local model, None for torch's own choice.
    """

    def __init__(
        self, settings: Settings, dataset: Dataset, spec: Spec, device: str | None = None, threads: int | None = None
    ) -> None:
        self.settings = settings
        self.dataset = dataset
        self.spec = spec
        self.device = device or settings.device
        self.threads = threads
        self.samples = {sample.id: sample for sample in dataset.samples}
        self.cases = design(dataset.samples, settings.conditions)
        self.template: Template = TEMPLATES[settings.template]
        self.tokens = settings.max_new_tokens or self.template.max_new_tokens
        self.placebos = placebo_subset(dataset.samples, settings.seed)
        self.process: Process | None = None
        self._model: Model | None = None
        self._stopped: StopRunError | None = None
        self._chunks: dict[tuple[str, str], Sequence[tuple[str, str]]] = {}
        self._results: dict[tuple[str, str], Result] = {}
        self._asked: set[tuple[str, str]] = set()  # errors of the current chunk that were handed out

    def plan(self, chunks: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Say which cases are computed together; a case outside of every chunk is computed alone."""
        self._chunks = {case: chunk for chunk in chunks for case in chunk}

    @property
    def model(self) -> Model:
        """The loaded model, proven to hear.

        Raises:
            StopRunError: the model cannot be loaded (exit 4), or failed the canary (exit 8).
        """
        if self._stopped is not None:
            raise self._stopped
        if self._model is None:
            try:
                self._model = self._prepare()
            except StopRunError as error:
                self._stopped = error
                raise
        return self._model

    def _prepare(self) -> Model:
        started = time.perf_counter()
        where, device, dtype = self.settings.invocation_dir, self.device, self.settings.dtype
        try:
            model = load(self.spec, invocation_dir=where, device=device, dtype=dtype, threads=self.threads)
        except ModelError as error:
            raise StopRunError(str(error), USAGE_EXIT) from error
        loaded = time.perf_counter()
        canary = self._canary(model)
        seconds = {"load": loaded - started, "canary": time.perf_counter() - loaded}
        self.process = Process(facts(model), canary, seconds)
        if canary.verdict == "fail":
            raise StopRunError(f"canary: {canary.detail}", INVALID_EXIT)
        self._require_recorded(model)
        return model

    def _require_recorded(self, model: Model) -> None:
        """A recording has to hold every selected case: numbers over the rest would be about another set."""
        has = recorded(model)
        wanted = [Case(self.samples[sample], condition).id for sample, condition in self._chunks]
        absent = [case for case in wanted if has is not None and not has(case)]
        if absent:
            raise StopRunError(
                f"{model.name} holds no answer for {len(absent)} of {len(wanted)} cases, e.g. {absent[0]}; "
                "record them, or choose others with --mcr-tasks and --mcr-conditions",
                INVALID_EXIT,
            )

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
        return result

    def close(self) -> None:
        """Let the model go."""
        close = getattr(self._model, "close", None)
        self._model, self._results = None, {}
        if close is not None:
            close()

    def _canary(self, model: Model) -> Canary:
        closed = next((sample for sample in self.dataset.samples if sample.candidates), None)
        sample = closed or self.dataset.samples[0]
        clips = [] if getattr(model, "recorded", False) else list(self._probe_clips(model))
        return run_canary(model, clips, render(self.template, sample, NEUTRAL), sample.candidates, self.tokens)

    def _probe_clips(self, model: Model) -> Iterator[Audio]:
        """Up to 32 different clips in a seeded order; undecodable ones are left for their own cases to report."""
        paths = {sample.audio for sample in self.dataset.samples}
        digests: set[str] = set()
        for path in sorted(paths, key=lambda path: seeded(self.settings.seed, "canary", path)):
            if len(digests) == TEXT_ROUNDS[-1]:
                return
            try:
                audio = self._decode(path, model)
            except AudioError:
                continue
            if audio.digest not in digests:
                digests.add(audio.digest)
                yield audio

    def _decode(self, path: str, model: Model) -> Audio:
        audio = decode(self.dataset.root / path)
        rate = getattr(model, "sample_rate", None)
        return resample(audio, rate) if rate else audio

    def _compute(self, chunk: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Result]:
        cases = [Case(self.samples[sample], condition) for sample, condition in chunk]
        model = self.model
        started = time.perf_counter()
        clips = self._clips(cases, model)
        asked: list[tuple[Case, str]] = []  # the case, and the condition its prompt is rendered in
        for case in cases:
            if isinstance(clips[case.sample.audio], Audio):
                asked.append((case, case.condition))
                if self._wants_placebo(case, model):
                    asked.append((case, PLACEBO))
        requests = [self._request(case, condition, clips[case.sample.audio]) for case, condition in asked]
        responses = iter(self._ask(model, requests))
        answered = {(case.id, condition): next(responses) for case, condition in asked}
        seconds = (time.perf_counter() - started) / len(cases)
        return {(case.sample.id, case.condition): self._result(case, clips, answered, seconds) for case in cases}

    def _clips(self, cases: Sequence[Case], model: Model) -> dict[str, Audio | AudioError]:
        """Decode each clip of the chunk once."""
        clips: dict[str, Audio | AudioError] = {}
        learn = getattr(model, "learn", None)
        for sample in {case.sample.id: case.sample for case in cases}.values():
            if sample.audio not in clips:
                try:
                    clips[sample.audio] = self._decode(sample.audio, model)
                except AudioError as error:
                    clips[sample.audio] = error
            clip = clips[sample.audio]
            if learn is not None and isinstance(clip, Audio):
                learn(sample, clip.digest)
        return clips

    def _wants_placebo(self, case: Case, model: Model) -> bool:
        if case.condition != NEUTRAL or case.sample.id not in self.placebos:
            return False
        has = recorded(model)  # recorded answers may not hold the control
        return has is None or bool(has(placebo_id(case)))

    def _request(self, case: Case, condition: str, audio: Audio | AudioError) -> Request:
        assert isinstance(audio, Audio)
        return Request(
            id=placebo_id(case) if condition == PLACEBO else case.id,
            audio=audio,
            prompt=render(self.template, case.sample, condition),
            candidates=case.sample.candidates,
            max_new_tokens=self.tokens,
            want_scores=bool(case.sample.candidates),
        )

    def _ask(self, model: Model, requests: Sequence[Request]) -> list[Response]:
        """Ask for a chunk; one that raises is asked again case by case, so that one bad clip fails only its own."""
        if not requests:
            return []
        try:
            return ask(model, requests)
        except DeliveryError as error:
            raise StopRunError(f"audio did not reach the model: {error}", INVALID_EXIT) from error
        except ResponseError as error:
            return [failed(str(error))] * len(requests)
        except ModelRaisedError as error:
            if len(requests) == 1:
                return [failed(str(error))]
            return [answer for request in requests for answer in self._ask(model, [request])]

    def _result(
        self,
        case: Case,
        clips: dict[str, Audio | AudioError],
        answered: dict[tuple[str, str], Response],
        seconds: float,
    ) -> Result:
        clip = clips[case.sample.audio]
        digest = clip.digest if isinstance(clip, Audio) else case.sample.audio
        undecodable = failed(str(clip)) if isinstance(clip, AudioError) else None

        def see(condition: str, response: Response) -> Observation:
            prompt = render(self.template, case.sample, condition)
            return observe(case, condition, prompt, response, digest, seconds, by_score=self.settings.answer == "score")

        placebo = answered.get((case.id, PLACEBO))
        return Result(
            see(case.condition, undecodable or answered[case.id, case.condition]),
            None if placebo is None else see(PLACEBO, placebo),
        )


def recorded(model: Model) -> Callable[[str], bool] | None:
    """Asks a recording whether it holds a request id; None for a model that answers by itself."""
    has: Callable[[str], bool] | None = getattr(model, "has", None) if getattr(model, "recorded", False) else None
    return has


def facts(model: Model) -> dict[str, object]:
    """What the results say about a model."""
    return {
        "name": str(model.name),
        "fingerprint": str(model.fingerprint()),
        "device": getattr(model, "device", None) and str(getattr(model, "device", None)),
        "dtype": getattr(model, "dtype", None) and str(getattr(model, "dtype", None)),
        "traits": dict(getattr(model, "traits", None) or {}),
    }
