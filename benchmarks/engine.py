"""The engine under test as a run loads it, and what can be counted on a model from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.rows import UnmeasuredError
from pytest_mcr.models.protocol import Audio, Model, Request, Response
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import parse_spec

if TYPE_CHECKING:
    from pytest_mcr.models.hf import HfModel

_CALLS = count()


def let_waiting_threads_sleep() -> None:
    """Set what a run sets before torch is imported, so that both sides of every comparison have it."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


def load_engine(spec: str, *, threads: int) -> HfModel:
    """A local model on the CPU in float32, through the same door as ``--mcr-model``."""
    here = Path.cwd()
    model: Any = load(
        parse_spec(spec, invocation_dir=here), invocation_dir=here, device="cpu", dtype="float32", threads=threads
    )
    return model  # type: ignore[no-any-return]


def ask(model: Model, requests: Sequence[Request]) -> list[Response]:
    """Ask about clips that the model has never heard, and refuse to time errors.

    Every call gives the clips new names, so that nothing that was kept of an earlier call can be used.

    Raises:
        UnmeasuredError: an answer is an error.
    """
    return refuse_errors(model.respond(unheard(requests)))


def refuse_errors(responses: Sequence[Response]) -> list[Response]:
    """The same responses.

    Raises:
        UnmeasuredError: one is an error.
    """
    wrong = [response.error for response in responses if response.error is not None]
    if wrong:
        raise UnmeasuredError(f"{len(wrong)} of {len(responses)} answers are errors, e.g. {wrong[0]}")
    return list(responses)


def unheard(requests: Sequence[Request]) -> list[Request]:
    """The same requests with digests that were never used; requests that share a clip still do."""
    serial = next(_CALLS)
    clips: dict[str, Audio] = {}
    for audio in (request.audio for request in requests if request.audio is not None):
        clips.setdefault(audio.digest, replace(audio, digest=f"{audio.digest} in call {serial}"))
    return [replace(one, audio=clips[one.audio.digest]) if one.audio is not None else one for one in requests]


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass of the language model.

    Attributes:
        rows: of the batch.
        tokens: positions a row that were run, padding included.
        past: positions already in the cache.
    """

    rows: int
    tokens: int
    past: int


@contextmanager
def counted(model: Any) -> Iterator[list[Pass]]:
    """Every forward pass of a model's language part, as long as the context lasts."""
    passes: list[Pass] = []

    def note(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        fed: Any = given.get("inputs_embeds")
        if fed is None:
            fed = args[0] if args else given["input_ids"]
        cache = given.get("past_key_values")
        past = 0 if cache is None else int(cache.get_seq_length())
        passes.append(Pass(int(fed.shape[0]), int(fed.shape[1]), past))

    hook = model.get_decoder().register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield passes
    finally:
        hook.remove()


def tokens_of(passes: Sequence[Pass]) -> int:
    """Positions run, padding included."""
    return sum(one.rows * one.tokens for one in passes)


def torch_model(model: HfModel) -> Any:
    """The model of transformers inside the engine."""
    checkpoint = model._checkpoint
    assert checkpoint is not None
    return checkpoint.model
