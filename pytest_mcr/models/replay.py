"""``replay:FILE``: recorded answers, as JSON lines, CSV, or a former run's ``cases.jsonl``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from pytest_mcr.core.prompts import normalize
from pytest_mcr.errors import ModelError
from pytest_mcr.models.choices import Choice
from pytest_mcr.models.protocol import Request, Response
from pytest_mcr.models.replay_csv import SUFFIXES, read_csv
from pytest_mcr.models.replay_former import former_run
from pytest_mcr.models.replay_lines import read_lines
from pytest_mcr.models.replay_record import Recorded

OPTIONS: Final[Mapping[str, Choice]] = MappingProxyType({})
"""Options of ``replay:``: none."""
Number = TypeVar("Number", int, float)
SHOWN: Final = 60
"""Characters of a prompt that a message shows."""


class Replay:
    """Answers from a file of recorded answers.

    Attributes:
        recorded: no audio is played, so the canary does not apply and other suites than the recorded are skipped.
        former: the run that recorded the answers, None where the file does not come from one.
    """

    recorded = True

    def __init__(self, path: Path) -> None:
        """Read the whole file.

        Raises:
            ModelError: the file is missing, or one of its lines is no answer.
        """
        self._answers = read(path)
        self._digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._where = path.name
        self.former = former_run(path)
        self.name = f"replay:{path.name}"
        given = [answer.response for answer in self._answers.values()]
        self.traits: Mapping[str, object] = MappingProxyType(
            {
                "family": "replay",
                "answers": len(given),
                "texts": sum(response.text is not None for response in given),
                "scored": sum(response.scores is not None for response in given),
                "errors": sum(response.error is not None for response in given),
                "recorded_by": None if self.former is None else self.former.to_json(),
                **({} if self.former is None else self.former.asked),
            }
        )

    def fingerprint(self) -> str:
        """The digest of the file."""
        return f"replay/1:{self._digest}"

    def ids(self) -> list[str]:
        """The request ids that have an answer, in the order of the file."""
        return list(self._answers)

    def has(self, request_id: str) -> bool:
        """Whether an answer to this request was recorded."""
        return request_id in self._answers

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Look the answers up by request id.

        One that was not recorded is an error, and so is one that was recorded with another prompt.
        """
        return [self._respond(request) for request in requests]

    def _respond(self, request: Request) -> Response:
        answer = self._answers.get(request.id)
        if answer is None:
            return Response(None, None, f"{self._where} holds no answer for {request.id}")
        response = answer.response
        if response.error is None and answer.prompt is not None and answer.prompt != request.prompt:
            return Response(None, None, f"{self._where}: {_difference(request, answer.prompt)}")
        if response.scores is None:
            return response
        lengths = response.lengths and _relabel(response.lengths, request.candidates)
        return Response(response.text, _relabel(response.scores, request.candidates), response.error, lengths)


def read(path: Path) -> dict[str, Recorded]:
    """Read recorded answers by id; a file called ``.csv`` or ``.tsv`` is a table, any other JSON lines.

    Raises:
        ModelError: one line that names the file, and the line of what is wrong.
    """
    try:
        return read_csv(path) if path.suffix.lower() in SUFFIXES else read_lines(path)
    except OSError as error:
        raise ModelError(
            f"replay:{path}: {error.strerror}; expected JSON lines or a .csv with id and text, or a run's cases.jsonl"
        ) from None


def _difference(request: Request, recorded: str) -> str:
    """Where the prompt of this run and the recorded one part."""
    pairs = zip(request.prompt, recorded, strict=False)
    same = next((place for place, (now, then) in enumerate(pairs) if now != then), None)
    place = min(len(request.prompt), len(recorded)) if same is None else same
    start = max(0, place - SHOWN // 3)
    then, now = (repr(text[start : start + SHOWN]) for text in (recorded, request.prompt))
    return f"{request.id} was recorded with another prompt: {then} then, {now} now (character {place})"


def _relabel(scores: Mapping[str, Number], candidates: Sequence[str]) -> Mapping[str, Number]:
    """Spell the labels as the candidates are spelled; labels that are no candidates stay, for the engine to refuse."""
    spelled = {normalize(candidate): candidate for candidate in candidates}
    return {spelled.get(normalize(label), label): score for label, score in scores.items()}
