"""Answers to questions: from the cache where it holds them, else from the model, which then fills the cache.

`Answers.prepare` hashes, looks up, decodes and extracts features; it may run in a thread while the model computes the
chunk before. `Answers.finish` asks the model what is left, and commits a chunk's answers in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from pytest_mcr.core.repair_arms import STEPS_VERSION
from pytest_mcr.data.audio import digest as digest_of
from pytest_mcr.data.perturb_audio import perturbed
from pytest_mcr.errors import AudioError
from pytest_mcr.models.protocol import Audio, Contrasted, Model, Request, Response
from pytest_mcr.run.ask import ask_contrasted, ask_each, ask_together, failed
from pytest_mcr.run.cache import ResponseCache
from pytest_mcr.run.cache_key import answer_key
from pytest_mcr.run.clips import Clip, Clips
from pytest_mcr.run.questions import Question

Way = Literal["engine", "plain"]
ENGINE: Final = "engine"
PLAIN: Final = "plain"
"""The two ways to an answer: the model's own batches, and one question at a time."""
WAYS: Final[tuple[Way, ...]] = (ENGINE, PLAIN)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and where it came from.

    Attributes:
        digest: of the clip's decoded audio, None where it cannot be decoded.
        plain: the same question through the plain path, for the audited ones; from a model that has none, asked again.
    """

    response: Response
    cached: bool
    digest: str | None
    plain: Response | None = None


@dataclass(slots=True)
class Prepared:
    """Questions with everything that can be known without the model.

    Attributes:
        clips: by path; an error where a clip cannot be decoded.
        audio: decoded clips that the model is to hear, by path, at its rate.
        keys: of the answers, by (question id, way); empty without a cache.
        known: answers that the cache holds, by key.
        audited: ids of the questions that are also asked one by one.
    """

    questions: Sequence[Question]
    audited: Collection[str]
    clips: dict[str, Clip | AudioError] = field(default_factory=dict)
    audio: dict[str, Audio] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    known: dict[str, Response] = field(default_factory=dict)

    def answer(self, question: Question, way: Way) -> Response | None:
        """What is known of a question: the cached answer, or why its clip cannot be played."""
        clip = self.clips[question.case.sample.audio]
        if isinstance(clip, AudioError):
            return failed(str(clip))
        return self.known.get(self.keys.get((question.id, way), ""))

    def open(self, way: Way) -> list[Question]:
        """Questions that the model has to be asked."""
        asked = self.questions if way == ENGINE else [q for q in self.questions if q.id in self.audited]
        return [question for question in asked if self.answer(question, way) is None]


class Answers:
    """Answers questions with one model over one dataset.

    Args:
        model: already loaded.
        fingerprint: of the model.
        clips: of the dataset, at the model's rate.
        cache: None for none.
        tokens: room for an answer.
    """

    def __init__(self, model: Model, fingerprint: str, clips: Clips, cache: ResponseCache | None, tokens: int) -> None:
        self.model = model
        self.fingerprint = fingerprint
        self.clips = clips
        self._cache = cache
        self._tokens = tokens
        self._ways: tuple[Way, ...] = WAYS if hasattr(model, "respond_plain") else WAYS[:1]
        """What is kept: a second answer by the only way there is must not come from the cache."""

    def prepare(self, questions: Sequence[Question], audited: Collection[str] = ()) -> Prepared:
        """Look everything up and decode what the model will have to hear."""
        prepared = Prepared(questions, audited)
        paths = list(dict.fromkeys(question.case.sample.audio for question in questions))
        files = {path: self.clips.key(path) for path in paths}
        for path, key in files.items():
            clip = self.clips.recall(key)
            if clip is None:
                self._decode(prepared, path, key)
            else:
                prepared.clips[path] = clip
        self._look_up(prepared)
        for question in (*prepared.open(ENGINE), *prepared.open(PLAIN)):
            path = question.case.sample.audio
            if path not in prepared.audio:
                self._decode(prepared, path, files[path])
        self._prefetch(prepared)
        return prepared

    def finish(self, prepared: Prepared) -> list[Answer]:
        """Ask the model what is not known yet.

        Returns:
            One answer a question, in order.

        Raises:
            StopRunError: audio did not reach the model.
        """
        fresh: dict[tuple[str, str], Response] = {}
        for way in WAYS:
            questions = prepared.open(way)
            ask = ask_each if way == PLAIN and way in self._ways else ask_together
            own = [question for question in questions if question.contrast is None]
            responses = ask(self.model, [self._request(prepared, question) for question in own])
            fresh |= {(question.id, way): answer for question, answer in zip(own, responses, strict=True)}
            fresh |= self._written(prepared, questions, way)
        self._keep(prepared, fresh)
        return [self._answer(prepared, fresh, question) for question in prepared.questions]

    def _written(self, prepared: Prepared, questions: Sequence[Question], way: Way) -> dict[tuple[str, str], Response]:
        """Answers of those that are written by a rule."""
        ids, requests = [], []
        for question in questions:
            if question.contrast is not None:
                own, beside = self._request(prepared, question), question.contrast.other
                ids.append((question.id, way))
                requests.append(
                    Contrasted(
                        own.id, own.audio, own.prompt, own.candidates, own.max_new_tokens, own.want_scores,
                        other=self._request(prepared, beside), arm=question.contrast.arm,
                    )
                )  # fmt: skip
        return dict(zip(ids, ask_contrasted(self.model, requests) if requests else [], strict=True))

    def _request(self, prepared: Prepared, question: Question) -> Request:
        return question.request(self._played(prepared, question), self._tokens)

    def _answer(self, prepared: Prepared, fresh: dict[tuple[str, str], Response], question: Question) -> Answer:
        clip = prepared.clips[question.case.sample.audio]
        given = fresh.get((question.id, ENGINE))
        response = given or prepared.answer(question, ENGINE)
        assert response is not None
        plain = None
        if question.id in prepared.audited:
            plain = fresh.get((question.id, PLAIN)) or prepared.answer(question, PLAIN)
        known = given is None and isinstance(clip, Clip)
        return Answer(response, known, clip.digest if isinstance(clip, Clip) else None, plain)

    def _decode(self, prepared: Prepared, path: str, key: str | None) -> None:
        try:
            prepared.audio[path], prepared.clips[path] = self.clips.decode(path, key)
        except AudioError as error:
            prepared.clips[path] = error

    def _look_up(self, prepared: Prepared) -> None:
        if self._cache is None:
            return
        for question in prepared.questions:
            for way in self._ways if question.id in prepared.audited else WAYS[:1]:
                clip = prepared.clips[question.case.sample.audio]
                if isinstance(clip, Clip):
                    prepared.keys[question.id, way] = self._key(question, clip, way)
        prepared.known = self._cache.get(list(prepared.keys.values()))

    def _key(self, question: Question, clip: Clip, way: Way) -> str:
        rate = self.clips.rate or clip.rate
        changed = f"{clip.digest} under {question.perturbation}"
        digests = {"clip": clip.digest, "perturbed": changed, "silence": f"silence at {rate} Hz", "none": None}
        path: str = way
        if question.contrast is not None:
            beside = self._key(question.contrast.other, clip, way)
            path = f"{way} {STEPS_VERSION} {dict(question.contrast.arm.options)} beside {beside}"
        return answer_key(
            fingerprint=self.fingerprint,
            digest=digests[question.sound],
            sample_rate=self.clips.rate if question.sound in ("clip", "perturbed") else None,
            samples=clip.played(rate) if question.sound == "silence" else None,
            prompt=question.prompt,
            candidates=question.candidates,
            max_new_tokens=question.tokens or self._tokens,
            want_scores=bool(question.candidates),
            path=path,
        )

    def _played(self, prepared: Prepared, question: Question) -> Audio | None:
        clip = prepared.audio[question.case.sample.audio]
        if question.sound == "clip":
            return clip
        if question.sound == "none":
            return None
        if question.perturbation is not None:
            return perturbed(clip, question.perturbation)
        silent = np.zeros(len(clip.samples), np.float32)
        return Audio(silent, clip.rate, digest_of(silent, clip.rate))

    def _prefetch(self, prepared: Prepared) -> None:
        """Let the model extract features ahead, if it can."""
        prefetch = getattr(self.model, "prefetch", None)
        if prefetch is not None:
            for path in dict.fromkeys(q.case.sample.audio for q in prepared.open(ENGINE) if q.sound == "clip"):
                if path in prepared.audio:
                    prefetch(prepared.audio[path])

    def _keep(self, prepared: Prepared, fresh: dict[tuple[str, str], Response]) -> None:
        """Errors are never kept: they may not come again."""
        if self._cache is None or not fresh:
            return
        clips = {clip.key: clip.to_text() for clip in prepared.clips.values() if isinstance(clip, Clip) and clip.key}
        good = {name: response for name, response in fresh.items() if response.error is None}
        answers = {prepared.keys[name]: response for name, response in good.items() if name[1] in self._ways}
        self._cache.put(clips, answers)
