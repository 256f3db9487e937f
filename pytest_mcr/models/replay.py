"""``replay:FILE``: recorded answers, as JSON lines of ``{"id", "text", "scores"?}`` or our own ``cases.jsonl``."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from pytest_mcr.core.prompts import normalize
from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Request, Response


class Replay:
    """Answers from a file of recorded answers.

    Attributes:
        recorded: no audio is played, so the canary does not apply and other suites than the recorded are skipped.
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
        self.name = f"replay:{path.name}"
        self.traits: Mapping[str, object] = MappingProxyType({"family": "replay", "answers": len(self._answers)})

    def fingerprint(self) -> str:
        """The digest of the file."""
        return f"replay/1:{self._digest}"

    def has(self, request_id: str) -> bool:
        """Whether an answer to this request was recorded."""
        return request_id in self._answers

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Look the answers up by request id; one that was not recorded is an error."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Request) -> Response:
        answer = self._answers.get(request.id)
        if answer is None:
            return Response(None, None, f"{self._where} holds no answer for {request.id}")
        if answer.scores is None:
            return answer
        return Response(answer.text, _relabel(answer.scores, request.candidates), answer.error)


def read(path: Path) -> dict[str, Response]:
    """Read recorded answers by id.

    Raises:
        ModelError: one line with file and line number: not there, not UTF-8, not JSON (also a torn last line), no
            id, an id twice, neither text nor scores nor error, or a score that is not a finite number.
    """
    answers: dict[str, Response] = {}
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                where = f"{path}:{number}"
                record = _parse(line, where)
                key = _key(record, where)
                if key in seen:
                    raise ModelError(f"{where}: {key} was already answered in line {seen[key]}; keep one of them")
                seen[key] = number
                answers[key] = _response(record, where)
    except OSError as error:
        raise ModelError(f"replay:{path}: {error.strerror}; expected a file of JSON lines with id and text") from None
    if not answers:
        raise ModelError(f'{path}: no answers; expected JSON lines such as {{"id": "AQA-0000-neutral", "text": "yes"}}')
    return answers


def _parse(line: bytes, where: str) -> dict[str, Any]:
    def no_constant(name: str) -> NoReturn:
        raise ModelError(f"{where}: {name} is not a number; expected finite scores, or none")

    try:
        record = json.loads(line.decode("utf-8-sig"), parse_constant=no_constant)
    except UnicodeDecodeError:
        raise ModelError(f"{where}: not UTF-8") from None
    except ValueError as error:
        raise ModelError(f"{where}: not a whole JSON object ({error}); is the line torn?") from None
    if not isinstance(record, dict):
        raise ModelError(f"{where}: a {type(record).__name__}; expected an object with id and text")
    return record


def _key(record: dict[str, Any], where: str) -> str:
    key = record.get("id")
    if not isinstance(key, str) or not key:
        raise ModelError(f'{where}: no "id"; expected the case id, e.g. AQA-0000-neutral')
    return key


def _response(record: dict[str, Any], where: str) -> Response:
    error = record.get("error")
    if error:
        return Response(None, None, str(error))
    text = record["text"] if "text" in record else record.get("raw")
    scores = _scores(record.get("scores"), where)
    if text is None and scores is None:
        raise ModelError(f'{where}: neither "text" (or "raw") nor "scores"; expected the answer\'s text')
    if text is not None and not isinstance(text, str):
        raise ModelError(f"{where}: the text is a {type(text).__name__}; expected a string")
    return Response(text, scores)


def _scores(value: object, where: str) -> Mapping[str, float] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ModelError(f"{where}: scores is a {type(value).__name__}; expected an object of label: nats")
    for label, score in value.items():
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score):
            raise ModelError(f"{where}: score of {label!r} is {score!r}; expected a finite number of nats")
    return {label: float(score) for label, score in value.items()}


def _relabel(scores: Mapping[str, float], candidates: Sequence[str]) -> Mapping[str, float]:
    """Spell the labels as the candidates are spelled; labels that are no candidates stay, for the engine to refuse."""
    spelled = {normalize(candidate): candidate for candidate in candidates}
    return {spelled.get(normalize(label), label): score for label, score in scores.items()}
