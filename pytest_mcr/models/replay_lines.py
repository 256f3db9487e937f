"""Recorded answers as JSON lines of ``{"id", "text", "scores"?, "lengths"?}``, or a former run's ``cases.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Response
from pytest_mcr.models.replay_record import EXAMPLE, Answers, Recorded, checked_lengths, checked_scores


def read_lines(path: Path) -> dict[str, Recorded]:
    """Read answers by id.

    Raises:
        ModelError: one line with file and line number: not UTF-8, not JSON (also a torn last line), no id, an id
            twice, neither text nor scores nor error, or a score that is not a finite number.
        OSError: the file cannot be read.
    """
    answers = Answers()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{path}:{number}"
                record = _parse(line, where, first=not answers.found)
                answers.add(_key(record, where), _recorded(record, where), where, number)
    if not answers.found:
        raise ModelError(
            f'{path}: no answers; expected JSON lines such as {{"id": "{EXAMPLE}", "text": "yes"}}, or the cases.jsonl '
            f"of a run that asked the benchmark's cases (--mcr-suite with bench)"
        )
    return answers.found


def _parse(line: bytes, where: str, *, first: bool) -> dict[str, Any]:
    def no_constant(name: str) -> NoReturn:
        raise ModelError(f"{where}: {name} is not a number; expected finite scores, or none")

    try:
        record = json.loads(line.decode("utf-8-sig"), parse_constant=no_constant)
    except UnicodeDecodeError:
        raise ModelError(f"{where}: not UTF-8") from None
    except (ValueError, RecursionError) as error:
        advice = "is it CSV? then name it .csv" if first else "is the line torn?"
        raise ModelError(f"{where}: not a whole JSON object ({error}); {advice}") from None
    if not isinstance(record, dict):
        raise ModelError(f"{where}: a {type(record).__name__}; expected an object with id and text")
    return record


def _key(record: dict[str, Any], where: str) -> str:
    key = record.get("id")
    if not isinstance(key, str) or not key:
        raise ModelError(f'{where}: no "id"; expected the case id, e.g. {EXAMPLE}')
    return key


def _recorded(record: dict[str, Any], where: str) -> Recorded:
    prompt = record.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise ModelError(f"{where}: the prompt is a {type(prompt).__name__}; expected a string")
    error = record.get("error")
    if error:
        return Recorded(Response(None, None, str(error)), prompt)
    text = record["text"] if "text" in record else record.get("raw")
    scores = record.get("scores")
    if text is None and scores is None:
        raise ModelError(f'{where}: neither "text" (or "raw") nor "scores"; expected the answer\'s text')
    if text is not None and not isinstance(text, str):
        raise ModelError(f"{where}: the text is a {type(text).__name__}; expected a string")
    if scores is not None and not isinstance(scores, dict):
        raise ModelError(f"{where}: scores is a {type(scores).__name__}; expected an object of label: nats")
    found = None if scores is None else checked_scores(scores, where)
    lengths = record.get("lengths")
    if lengths is not None and not isinstance(lengths, dict):
        raise ModelError(f"{where}: lengths is a {type(lengths).__name__}; expected an object of label: tokens")
    counts = None if lengths is None else checked_lengths(lengths, found, where)
    return Recorded(Response(text, found, lengths=counts), prompt)
