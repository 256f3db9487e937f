"""What a model is to this project: plain inputs, plain outputs, no knowledge of any dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_mcr.core.repair_arms import Arm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A decoded clip.

    Attributes:
        samples: float32, mono, shape (n,), in [-1, 1].
        rate: Hz; the file's own rate, or the model's ``sample_rate`` where it declares one.
        digest: sha256 hex of the decoded mono float32 little-endian samples and their rate, before resampling.
    """

    samples: NDArray[np.float32]
    rate: int
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One question to a model.

    Attributes:
        id: the case id; a variant appends ``::<suite>.<n>``; a canary's starts with ``canary::``.
        audio: None for a text-only request.
        prompt: the user turn's text, without audio placeholders.
        candidates: the closed answer set; empty when open-ended.
        want_scores: ask for ``Response.scores`` if the model can give them.
    """

    id: str
    audio: Audio | None
    prompt: str
    candidates: tuple[str, ...]
    max_new_tokens: int
    want_scores: bool


@dataclass(frozen=True, slots=True, eq=False)
class Contrasted(Request):
    """A request whose answer is written by a rule: the request itself is J, and another branch is decoded beside it.

    Attributes:
        other: the other branch; its limit and candidates play no part.
        arm: of two branches, in free generation.
    """

    other: Request
    arm: Arm


@dataclass(frozen=True, slots=True)
class Response:
    """A model's answer to one request.

    Attributes:
        text: the greedy answer; None only with ``error``, or when the model gives scores alone.
        scores: by candidate, the sum of log p in nats over the label's tokens and the end-of-turn token; None where
            the model gives none. Never invented.
        error: one line, when this request could not be answered.
        lengths: by candidate, the tokens that its score is summed over, the end-of-turn token among them; None where
            the model does not say. Only with ``scores``.
    """

    text: str | None
    scores: Mapping[str, float] | None = None
    error: str | None = None
    lengths: Mapping[str, int] | None = None


@runtime_checkable
class Model(Protocol):
    """Anything that answers requests.

    Optional attributes, used where they are present: ``sample_rate`` (Hz it wants audio in), ``traits`` (mapping of
    facts recorded in the results), ``close()`` (called once at the end), ``cacheable`` (False keeps its answers out of
    the response cache, for a model whose fingerprint cannot tell all that its answers depend on), ``notes`` (lines that
    the summary shows, such as a restart).

    A model that computes in batches may also have ``respond_plain(requests)``, the same answers one request at a time,
    which the batch-invariance audit compares; ``prefetch(audio)``, called in another thread with clips that it will
    hear next; ``spent()``, seconds by stage (``features``, ``prefill``, ``suffix``, ``decode``) since the last call;
    ``fit(request)``, called once on a GPU with the longest request to come, to choose a batch size by; and
    ``forget()``, which drops what was kept of earlier calls.

    A model that can draw answers may have ``respond_sampled(requests)``: as ``respond``, at a temperature of its own,
    for ``--mcr-confidence sample:K``. A case is asked K times under different ids; an answer should depend on the
    request and its id alone, so that every run draws the same.

    A model that sees its own next-token distributions may have ``contrasts`` (True) and, for the repair arms with
    ``decode=generate``, ``respond_contrasted(requests)``: text by a rule on two branches.
    """

    name: str

    def fingerprint(self) -> str:
        """Identify weights, code and settings; equal fingerprints must mean equal answers."""
        ...

    def respond(self, requests: Sequence[Request]) -> Sequence[Response]:
        """Answer the requests: one response each, in the same order."""
        ...
