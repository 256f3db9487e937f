"""The lines of ``pytest-mcr/1``: what is written to a child, and what its lines mean; no pipe is touched here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pytest_mcr.models.protocol import Request, Response

PROTOCOL: Final = "pytest-mcr/1"
EXAMPLE: Final = '{"protocol": "pytest-mcr/1", "name": "my-model", "fingerprint": "weights and code version"}'
RATES: Final = (1_000, 768_000)
SHOWN: Final = 120
"""Characters of a foreign line that a message repeats."""
LONGEST_REPORT: Final = 1000
"""Characters of a child's own error that are kept."""


class LineError(ValueError):
    """A line that is not what the protocol expects; the message says what was read."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A child's first line.

    Attributes:
        sample_rate: Hz that it wants audio in, None for each clip's own rate.
    """

    name: str
    fingerprint: str
    sample_rate: int | None = None


def request_line(request: Request, path: str | None) -> bytes:
    """A request as one line of ASCII JSON, with the path of its audio."""
    record = {
        "id": request.id,
        "audio": path,
        "digest": None if request.audio is None else request.audio.digest,
        "prompt": request.prompt,
        "candidates": list(request.candidates),
        "max_new_tokens": request.max_new_tokens,
        "want_scores": request.want_scores,
    }
    return json.dumps(record).encode("ascii") + b"\n"


def read_hello(line: bytes) -> Hello:
    """Check a child's first line.

    Raises:
        LineError: it is no hello of this protocol.
    """
    record = _record(line)
    if record is None:
        raise LineError(f"its first line on stdout is {shown(line)}, expected {EXAMPLE}; print all else to stderr")
    protocol = record.get("protocol")
    if protocol != PROTOCOL:
        said = f"protocol {quoted(protocol)}" if "protocol" in record else "no protocol"
        raise LineError(f"its first line has {said}, expected {PROTOCOL!r}: {shown(line)}")
    for key in ("name", "fingerprint"):
        value = record.get(key)
        if not isinstance(value, str) or not value.strip():
            raise LineError(f"its first line has no {key!r} (a string that is not empty): {shown(line)}")
    rate = record.get("sample_rate")
    if rate is not None and (type(rate) is not int or not RATES[0] <= rate <= RATES[1]):
        raise LineError(f"its first line has sample_rate {quoted(rate)}, expected whole Hz, {RATES[0]} to {RATES[1]}")
    return Hello(printable(record["name"]), record["fingerprint"], rate)


def read_id(line: bytes) -> tuple[str, dict[str, Any]]:
    """The id of an answer, and its record.

    Raises:
        LineError: the line cannot be attributed to any request.
    """
    record = _record(line)
    if record is None:
        raise LineError(
            f"wrote a line on stdout that is no JSON object: {shown(line)}; stdout belongs to the protocol, "
            "print to stderr (a library may print, too: see the template worker)"
        )
    name = record.get("id")
    if not isinstance(name, str):
        raise LineError(f'wrote an answer without "id": {shown(line)}; repeat the id of the request')
    return name, record


def read_answer(record: Mapping[str, Any], candidates: Sequence[str]) -> Response:
    """The answer in a record.

    Args:
        record: from `read_id`.
        candidates: of the request.

    Raises:
        LineError: it holds no usable answer.
    """
    error = record.get("error")
    if error is not None:
        words = printable(" ".join(str(error).split())[:LONGEST_REPORT])
        raise LineError(f"reported: {words or 'an error without words'}")
    if "text" not in record:
        raise LineError(
            f'gave an answer without "text" ({", ".join(sorted(record))[:SHOWN]}); expected "text" or "error"'
        )
    text, scores = record["text"], record.get("scores")
    if text is None and scores is None:
        raise LineError('gave an answer with "text": null and no scores; expected a string')
    if text is not None and not isinstance(text, str):
        raise LineError(f'gave "text" as {quoted(text)}; expected a string')
    found = None if scores is None else _scores(scores, candidates)
    return Response(text, found, lengths=_lengths(record.get("lengths"), found))


def shown(line: bytes) -> str:
    """A foreign line for a message: printable, quoted, cut."""
    return quoted(line.decode("utf-8", "replace").strip())


def quoted(value: object) -> str:
    """A foreign value for a message: as Python shows it, cut."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 4]}...{text[-1]}"


def printable(text: str) -> str:
    """A foreign text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # a line of ten thousand brackets is no answer either
        return None
    return record if isinstance(record, dict) else None


def _scores(value: object, candidates: Sequence[str]) -> dict[str, float]:
    if not isinstance(value, dict):
        raise LineError(f'gave "scores" as a {type(value).__name__}; expected an object of candidate: nats')
    for label, score in value.items():
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not _finite(score):
            raise LineError(
                f"gave {quoted(score)} as score of {quoted(label)}; expected a finite log-probability in nats"
            )
    absent = [label for label in candidates if label not in value]
    if absent:
        raise LineError(f'left {absent[0]!r} out of "scores"; expected every candidate, or no "scores" at all')
    surplus = [label for label in value if candidates and label not in candidates]
    if surplus:
        raise LineError(
            f"gave a score of {quoted(surplus[0])}, which is no candidate; expected {', '.join(candidates)}"
        )
    return {label: float(score) for label, score in value.items()}


def _lengths(value: object, scores: Mapping[str, float] | None) -> dict[str, int] | None:
    if value is None:
        return None
    if scores is None:
        raise LineError('gave "lengths" without "scores"; expected both, or neither')
    if not isinstance(value, dict) or set(value) != set(scores):
        raise LineError(
            f'gave "lengths" as {quoted(value)}; expected an object of tokens by label, the labels of "scores"'
        )
    for label, count in value.items():
        if type(count) is not int or count < 1:
            raise LineError(f"gave {quoted(count)} as length of {quoted(label)}; expected tokens, 1 or more")
    return value


def _finite(score: float) -> bool:
    try:
        return math.isfinite(score)
    except OverflowError:  # a whole number beyond any float
        return False
