"""A planted oracle as a child process: ``python -m pytest_mcr.models.oracle NAME --data PATH``.

It speaks ``pytest-mcr/1`` and gives the answers of ``oracle:NAME``. An oracle hears by the digest of the decoded clip,
which the 16-bit file does not have any more, so it takes the digest from the request, as any worker may.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import soundfile

from pytest_mcr.command_line import Parser
from pytest_mcr.data.audio import decode
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.release import load
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import AudioError, McrError
from pytest_mcr.models.oracle import Oracle
from pytest_mcr.models.process_lines import PROTOCOL
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.models.spec import parse_spec


def main(arguments: Sequence[str]) -> int:
    """Serve until stdin ends.

    Returns:
        The exit status: 0, or 4 with one line on stderr for a bad oracle or dataset.
    """
    parser = Parser(prog="python -m pytest_mcr.models.oracle", description=__doc__)
    parser.add_argument("name", help="listener, text-follower, noisy?p=0.2, ...")
    parser.add_argument("--data", type=Path, help="a folder in the release layout (default: the mini benchmark)")
    given = parser.parse_args(arguments)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what else prints must not reach the protocol
    try:
        spec = parse_spec(f"oracle:{given.name}", invocation_dir=Path.cwd())
        oracle = Oracle(spec.rest, spec.options)
        dataset = load(given.data or fixture("mini-mcr"))
    except McrError as error:
        print(error, file=sys.stderr)
        return 4
    _teach(oracle, dataset)
    fingerprint = f"{oracle.fingerprint()} {dataset.digest}"
    _write(answers, {"protocol": PROTOCOL, "name": oracle.name, "fingerprint": fingerprint})
    serve(oracle, sys.stdin, answers)
    return 0


def serve(oracle: Oracle, lines: Iterable[str], answers: TextIO) -> None:
    """Answer one request a line."""
    for line in lines:
        request = _request(json.loads(line))
        for response in oracle.respond([request]):  # none, where the oracle is planted to leave the last one out
            record: dict[str, Any] = {"id": request.id, "text": response.text}
            _write(answers, record if response.scores is None else {**record, "scores": dict(response.scores)})


def _teach(oracle: Oracle, dataset: Dataset) -> None:
    for sample in dataset.samples:
        try:
            oracle.learn(sample, decode(dataset.path(sample)).digest)
        except AudioError:
            continue  # never played either


def _request(record: dict[str, Any]) -> Request:
    audio = None
    if record["audio"] is not None:
        samples, rate = soundfile.read(record["audio"], dtype="float32")
        audio = Audio(samples, rate, record["digest"])
    return Request(
        id=record["id"],
        audio=audio,
        prompt=record["prompt"],
        candidates=tuple(record["candidates"]),
        max_new_tokens=record["max_new_tokens"],
        want_scores=record["want_scores"],
    )


def _write(answers: TextIO, record: dict[str, Any]) -> None:
    answers.write(json.dumps(record) + "\n")
    answers.flush()
