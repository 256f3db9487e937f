"""Asking for confidence where ``--mcr-confidence`` wants it drawn or in words: after a chunk's answers, about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_mcr.core.answers import read_answer
from pytest_mcr.core.case import Case, Observation
from pytest_mcr.core.stated import (
    NO_LENGTHS,
    PER_TOKEN,
    SAMPLE,
    SCORES,
    VERBAL,
    Method,
    agreement,
    parse_method,
    read_percent,
    second_question,
)
from pytest_mcr.errors import AudioError, OptionError, StopRunError
from pytest_mcr.models.protocol import Request
from pytest_mcr.models.resolve import kind
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.ask import ask_sampled
from pytest_mcr.run.exits import USAGE_EXIT
from pytest_mcr.run.questions import Question
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject

Key = tuple[str, str]
"""Sample id and condition."""
NO_CANDIDATE_SCORES: Final = "the model gives no scores of the candidates"
CANNOT_SAMPLE: Final = (
    "a model of your own can, with a method respond_sampled(requests) that draws; else leave --mcr-confidence out"
)


def check_stated(spec: Spec, settings: Settings) -> None:
    """Refuse a way to confidence that this kind of model cannot go, before anything is loaded.

    Raises:
        OptionError: one line that says why and what to do.
    """
    method = parse_method(settings.confidence)
    if method.name == SAMPLE and kind(spec) != "custom":
        raise OptionError(f"--mcr-confidence {method}: {kind(spec)} models draw no answers; {CANNOT_SAMPLE}")
    if method.name == VERBAL and kind(spec) in ("replay", "oracle"):
        raise OptionError(
            f"--mcr-confidence verbal: {kind(spec)} models cannot be asked how sure they are; leave the flag out"
        )


@dataclass(frozen=True, slots=True)
class Stated:
    """Replaces the confidence of observations by one that the model was asked for.

    Where a second question fails or its reply cannot be read, the case keeps its answer and has no confidence.
    """

    method: Method
    subject: Subject

    def ask(self, seen: Mapping[Key, Observation], case_of: Callable[[Key], Case]) -> dict[Key, Observation]:
        """Ask about every answer; flagged, unparsed and failed cases have none and stay as they are.

        Args:
            seen: what the cases gave, by sample and condition.
            case_of: finds a case.

        Raises:
            StopRunError: the model cannot be used: it cannot draw answers, or the way to it is broken.
        """
        keys = [key for key, one in seen.items() if one.answer is not None]
        way = self._drawn if self.method.name == SAMPLE else self._in_words
        found = way([(case_of(key), seen[key]) for key in keys]) if keys else []
        sure = dict(zip(keys, found, strict=True))
        return {key: replace(one, confidence=sure.get(key)) for key, one in seen.items()}

    def _in_words(self, cases: Sequence[tuple[Case, Observation]]) -> list[float | None]:
        questions = [
            Question(
                f"{case.id}::confidence.0", case, case.condition, second_question(one.prompt, str(one.answer)),
                closed=False,
            )
            for case, one in cases
        ]  # fmt: skip
        return [
            None if answer.response.error or answer.response.text is None else read_percent(answer.response.text)
            for answer in self.subject.answers(questions)
        ]

    def _drawn(self, cases: Sequence[tuple[Case, Observation]]) -> list[float | None]:
        model = self.subject.model
        if not hasattr(model, "respond_sampled"):
            raise StopRunError(
                f"--mcr-confidence {self.method}: model {model.name!r} draws no answers; {CANNOT_SAMPLE}", USAGE_EXIT
            )
        labels: list[list[str | None]] = [[] for _ in cases]
        failed: set[int] = set()
        for turn in range(self.method.count):
            requests = [self._request(case, one, turn) for case, one in cases]
            there = [place for place, request in enumerate(requests) if request is not None]
            answers = ask_sampled(model, [request for request in requests if request is not None])
            for place, response in zip(there, answers, strict=True):
                case, one = cases[place]
                if response.error or response.text is None:
                    failed.add(place)
                labels[place].append(_label(case, one, response.text or ""))
            failed |= set(range(len(cases))).difference(there)
        return [
            None if place in failed else agreement(str(one.answer), labels[place])
            for place, (_, one) in enumerate(cases)
        ]

    def _request(self, case: Case, one: Observation, turn: int) -> Request | None:
        try:
            audio = self.subject.clip(case.sample.audio)
        except AudioError:
            return None
        question = Question(f"{case.id}::confidence.{turn}", case, case.condition, one.prompt)
        return replace(question.request(audio, self.subject.tokens), want_scores=False)


def _label(case: Case, one: Observation, text: str) -> str | None:
    sample = case.sample
    return read_answer(
        text, candidates=sample.candidates, gold=sample.gold, text_label=one.text_label, prompt=one.prompt
    ).answer


def stated_of(settings: Settings, subject: Subject) -> Stated | None:
    """The way to confidence that was asked for, None for the scores."""
    method = parse_method(settings.confidence)
    return None if method.name in (SCORES, PER_TOKEN) else Stated(method, subject)


def per_token(settings: Settings) -> bool:
    """Whether confidence is that of scores divided by their tokens."""
    return settings.confidence == PER_TOKEN


def missing_confidence(settings: Settings) -> str:
    """Why a task has no confidence at all."""
    method = parse_method(settings.confidence).name
    return {SCORES: NO_CANDIDATE_SCORES, PER_TOKEN: NO_LENGTHS}.get(method, "no confidence was stated")
