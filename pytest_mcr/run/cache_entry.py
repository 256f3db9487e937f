"""Entries of the response cache as bytes, each with a checksum: SQLite has none of its own for what it stores."""

from __future__ import annotations

import hashlib
import json
from typing import Literal, NamedTuple

from pytest_mcr.models.protocol import Response

Kind = Literal["answer", "clip", "proof"]


class Entry(NamedTuple):
    """One row, in the order of the table's columns."""

    key: bytes
    body: bytes
    checksum: bytes


def entry(kind: Kind, key: str, body: bytes) -> Entry:
    """A row to be stored."""
    name = stored_key(kind, key)
    return Entry(name, body, checksum(name, body))


def stored_key(kind: Kind, key: str) -> bytes:
    """Key with its kind, so that one table can hold them all and none is taken for another."""
    return f"{kind}:".encode("ascii") + packed_text(key)


def checksum(key: bytes, body: bytes) -> bytes:
    """Sha256 over both, with the key's length between them, so that no byte can change sides."""
    return hashlib.sha256(b"%d:%b%b" % (len(key), key, body)).digest()


def packed(response: Response) -> bytes:
    """Text, scores and counts of tokens of a response.

    Raises:
        ValueError: the response is an error; a later run has to ask again.
    """
    if response.error is not None:
        raise ValueError(f"an error is no answer and is never stored: {response.error}")
    scores = response.scores
    plain = None if scores is None else {label: float(value) for label, value in scores.items()}
    lengths = None if response.lengths is None else {label: int(count) for label, count in response.lengths.items()}
    return packed_text(json.dumps([response.text, plain, lengths], ensure_ascii=False, separators=(",", ":")))


def unpacked(body: bytes) -> Response:
    """The response that `packed` was given: every float and character, and the order of the labels."""
    text, scores, lengths = json.loads(unpacked_text(body))
    return Response(text, scores, lengths=lengths)


def packed_text(text: str) -> bytes:
    """Any string, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def unpacked_text(body: bytes) -> str:
    """The string that `packed_text` was given."""
    return body.decode("utf-8", "surrogatepass")
