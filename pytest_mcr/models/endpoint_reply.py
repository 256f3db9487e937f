"""What a server's reply to a chat completion says; whatever is not plainly an answer is a `ReplyError`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

ENDED: Final = ("stop", "length", "eos_token", "stop_sequence")
"""Reasons to finish with which the text is what the model said; ``length`` means that it was cut, as a local model's
answer is."""
QUOTED: Final = 200
"""Characters of a server's words that an error quotes."""


class ReplyError(Exception):
    """A reply that holds no answer.

    Attributes:
        passing: it may not come again, so another try is worth it.
    """

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    Attributes:
        text: of the answer.
        finish: why it ended, as the server says.
        body: the whole reply; what is beyond the standard in it is not checked.
        choice: the one choice.
    """

    text: str
    finish: str
    body: Mapping[str, Any]
    choice: Mapping[str, Any]


def read_reply(data: bytes, asked: str, served: str) -> Reply:
    """Read the body of a reply with status 200.

    Args:
        data: the body.
        asked: model of the request.
        served: name that the reply must carry; ``@REVISION`` may follow it, as transformers writes it.

    Raises:
        ReplyError: no JSON, not the shape of a chat completion, another model's answer, no text, a refusal, a text
            that was filtered.
    """
    body = _object(data)
    if "error" in body and "choices" not in body:
        raise ReplyError(f"the reply is an error: {words(data)}", passing=True)
    _same_model(body.get("model"), asked, served)
    choices = body.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        count = len(choices) if isinstance(choices, list) else "no"
        raise ReplyError(f"the reply has {count} choices; expected one", passing=True)
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ReplyError("the reply has no message", passing=True)
    return Reply(_text(message, choice.get("finish_reason")), str(choice["finish_reason"]), body, choice)


def words(data: bytes) -> str:
    """A server's error in one short line: the message of an OpenAI-style error, else the beginning of the body."""
    text = data[: 64 * QUOTED].decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = str(_message_of(json.loads(text)) or text)
    line = " ".join(text.split())
    return line if len(line) <= QUOTED else f"{line[:QUOTED]}..."


def _message_of(body: object) -> object:
    """Where servers put the words of an error: ``error.message``, ``message`` or ``detail``."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    inner = error.get("message") if isinstance(error, dict) else error
    return inner or body.get("message") or body.get("detail")


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise ReplyError(f"the reply is not JSON: {words(data)!r}", passing=True) from None
    if not isinstance(body, dict):
        raise ReplyError(f"the reply is a JSON {type(body).__name__}; expected an object", passing=True)
    return body


def _same_model(name: object, asked: str, served: str) -> None:
    """A proxy that quietly serves another model would be measured under the wrong name."""
    if name == served or (isinstance(name, str) and name.startswith(f"{served}@")):
        return
    raise ReplyError(
        f"asked for model {asked!r}, the reply is from {name!r}; name that model after the #, or add served={name} to "
        "the options if it is the same by another name",
        passing=False,
    )


def _text(message: Mapping[str, Any], finish: object) -> str:
    refusal, content = message.get("refusal"), message.get("content")
    if finish == "content_filter":
        raise ReplyError("the server filtered the answer (finish_reason content_filter)", passing=False)
    if refusal:
        raise ReplyError(f"the server refused: {words(str(refusal).encode())}", passing=False)
    if finish not in ENDED:
        raise ReplyError(f"finish_reason is {finish!r}; expected {' or '.join(ENDED[:2])}", passing=True)
    if not isinstance(content, str):
        kind = "null" if content is None else f"a {type(content).__name__}"
        raise ReplyError(f"the reply's content is {kind}; expected a text", passing=True)
    return content


def model_ids(data: bytes) -> Sequence[Mapping[str, Any]]:
    """The entries of ``GET /models`` that have an id; empty where the body is something else."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return []
    entries = body.get("data") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
