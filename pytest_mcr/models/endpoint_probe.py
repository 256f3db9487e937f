"""What each server can do, tried out once when the model is loaded and never read off a server's name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pytest_mcr.data.audio import noise
from pytest_mcr.errors import ModelError
from pytest_mcr.models.endpoint_body import UNPENALIZED, chat, encode
from pytest_mcr.models.endpoint_call import Caller, CallError
from pytest_mcr.models.endpoint_http import HttpError, Wire
from pytest_mcr.models.endpoint_key import ApiKey
from pytest_mcr.models.endpoint_loop import together
from pytest_mcr.models.endpoint_reply import Reply, model_ids
from pytest_mcr.models.endpoint_scores import OF_LABEL, WITH_LOGPROBS, ScoresError, Scoring, learn
from pytest_mcr.models.endpoint_servers import Servers
from pytest_mcr.models.endpoint_target import Target

REACH: Final = 10.0
"""Seconds that a server has to show that it is there."""
PROMPT: Final = "Is this noise? Answer with one word, yes or no."
TOKENS: Final = 64
UNKNOWN_FIELD: Final = (400, 422)
"""Statuses with which servers refuse a field that they do not know."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What one server showed.

    Attributes:
        extras: fields beyond the standard that it takes with a question.
        scoring: how labels are scored, None where they are not.
        why: why they are not, empty where they are.
        says: what it says about the model and itself; recorded, never trusted.
    """

    extras: Mapping[str, object]
    scoring: Scoring | None
    why: str
    says: Mapping[str, object]


async def reach(target: Target, key: ApiKey, wire: Wire) -> None:
    """Ask every server which models it has, only to see that it is there and takes the key.

    Raises:
        ModelError: one of them cannot be reached, or refuses the key.
    """

    async def one(url: str) -> None:
        try:
            got = await wire.models(url, REACH)
        except HttpError as error:
            raise ModelError(f"openai: {url}: {error}; start the server, or correct the URL") from None
        if got.status in (401, 403):
            raise ModelError(f"openai: {url}: HTTP {got.status}; {key.advice(url)}")

    await together(map(one, target.urls))


async def probe(target: Target, key: ApiKey, wire: Wire) -> list[Findings]:
    """Ask every server a question about a second of noise, in the ways that a run will ask.

    Raises:
        ModelError: one of them does not answer, or gives no scores where they are demanded.
    """
    return await together(_probe_one(target, key, wire, url) for url in target.urls)


async def _probe_one(target: Target, key: ApiKey, wire: Wire, url: str) -> Findings:
    caller = Caller(target, key, wire, Servers([url], target.budget, time.monotonic))
    rate = target.rate or 16_000
    clip = encode(noise(1.0, rate, 0))

    async def ask(extras: Mapping[str, object], label: str | None = None) -> Reply:
        room = TOKENS if label is None else 1
        return await caller.ask(lambda: chat(target, clip, PROMPT, room, extras=extras, label=label), url)

    try:
        plain = await ask({})
        extras = UNPENALIZED if await _takes(ask, UNPENALIZED) else {}
        scoring, why = (None, "scores=none") if target.scores == "none" else await _scoring(ask, extras)
    except CallError as error:
        raise ModelError(f"openai: {error}") from None
    if scoring is None and target.scores == "prompt_logprobs":
        raise ModelError(f"openai: {url}: gives no scores: {why}; drop scores=prompt_logprobs to measure without")
    return Findings(extras, scoring, why, await _says(wire, target, url, plain))


async def _takes(ask: Any, extras: Mapping[str, object]) -> bool:
    try:
        await ask(extras)
    except CallError as error:
        if error.status in UNKNOWN_FIELD:
            return False
        raise
    return True


async def _scoring(ask: Any, extras: Mapping[str, object]) -> tuple[Scoring | None, str]:
    try:
        question = await ask({**extras, **WITH_LOGPROBS})
        if not question.text.strip():
            raise ScoresError("its answer at load was empty, so nothing can be compared")
        label = await ask({**extras, **OF_LABEL}, question.text)
        return learn(question, label), ""
    except ScoresError as error:
        return None, str(error)
    except CallError as error:
        if error.status in UNKNOWN_FIELD:
            return None, "it refuses the fields that ask for them"
        raise


async def _says(wire: Wire, target: Target, url: str, plain: Reply) -> dict[str, object]:
    says: dict[str, object] = {"url": url}
    fingerprint = plain.body.get("system_fingerprint")
    if isinstance(fingerprint, str):
        says["system_fingerprint"] = fingerprint
    try:
        entries = model_ids((await wire.models(url, REACH)).content)
    except HttpError:
        entries = []
    entry = next((entry for entry in entries if entry["id"] in (target.model, target.served)), {})
    known = {name: entry.get(name) for name in ("id", "root", "owned_by", "max_model_len")}
    return says | {name: value for name, value in known.items() if isinstance(value, (str, int))}
