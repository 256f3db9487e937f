"""``openai:``: a model behind one or more OpenAI-compatible servers (vLLM, ``transformers serve``, hosted ones).

What the servers can do is tried at load (`endpoint_probe`). A question that gets no answer within the limits is an
error of its case; what a server says about its failure is never an answer.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pytest_mcr.errors import ModelError
from pytest_mcr.models.endpoint_body import chat, encode
from pytest_mcr.models.endpoint_call import Caller, CallError
from pytest_mcr.models.endpoint_http import Wire
from pytest_mcr.models.endpoint_key import ApiKey, key_of_environment
from pytest_mcr.models.endpoint_loop import LoopThread, together
from pytest_mcr.models.endpoint_probe import Findings, probe, reach
from pytest_mcr.models.endpoint_reply import Reply
from pytest_mcr.models.endpoint_scores import OF_LABEL, WITH_IDS, ScoresError
from pytest_mcr.models.endpoint_servers import Servers
from pytest_mcr.models.endpoint_target import Target, parse_target
from pytest_mcr.models.protocol import Audio, Model, Request, Response
from pytest_mcr.models.spec import Spec

ADAPTER_VERSION: Final = 1


def check_servers(spec: Spec) -> None:
    """See that every server is there and takes the key, in at most ten seconds.

    Raises:
        ModelError: a bad spec, or a server that is not.
    """
    target, key = parse_target(spec), key_of_environment()
    loop = LoopThread()
    wire = Wire(target, key)
    try:
        loop.run(reach(target, key, wire))
    finally:
        loop.close(wire.close)


def load(spec: Spec) -> Model:
    """Connect to the servers and try out what they can do.

    Raises:
        ModelError: a bad spec, or a server that does not answer a question.
    """
    target, key = parse_target(spec), key_of_environment()
    loop = LoopThread()
    wire = Wire(target, key)
    try:
        return Endpoint(target, key, loop, wire, loop.run(probe(target, key, wire)))
    except BaseException:
        loop.close(wire.close)
        raise


class Endpoint:
    """A model behind servers.

    Args:
        target: where it is, and the limits.
        key: of the API.
        loop: where requests are made; closed with the model.
        wire: connections; closed with the model.
        findings: what each server showed, in the order of the target's URLs.

    Attributes:
        cacheable: whether the user said what identifies the weights; a server cannot be asked for that.
    """

    def __init__(self, target: Target, key: ApiKey, loop: LoopThread, wire: Wire, findings: Sequence[Findings]) -> None:
        self.name = f"openai:{target.model}"
        self.sample_rate = target.rate
        self.cacheable = target.revision is not None
        self._target = target
        self._loop = loop
        self._wire = wire
        self._closed = False
        self._caller = Caller(target, key, wire, Servers(target.urls, target.budget, time.monotonic))
        # What one server lacks is asked of none: an answer must not depend on where its clip was sent.
        alike = len({json.dumps(dict(one.extras), sort_keys=True) for one in findings}) == 1
        self._extras: Mapping[str, object] = findings[0].extras if alike else {}
        endings = {one.scoring for one in findings}
        self._scoring = endings.pop() if len(endings) == 1 else None
        self.traits: Mapping[str, object] = MappingProxyType(self._describe(findings))

    def fingerprint(self) -> str:
        """sha256 over the revision that the user gave, else the URLs; the model's name; and all that is sent.

        Weights behind a server cannot be identified by asking it.
        """
        target = self._target
        identity = ["revision", target.revision] if target.revision is not None else ["urls", *sorted(target.urls)]
        sent = (target.model, target.served, target.system, target.limit, dict(self._extras), target.rate)
        scores = None if self._scoring is None else [self._scoring.end, *self._scoring.trailer]
        text = json.dumps([ADAPTER_VERSION, identity, sent, scores], sort_keys=True)
        return f"openai/1:{hashlib.sha256(text.encode()).hexdigest()}"

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Ask everything at once, within the limits; a question without an answer gets an error.

        Any thread may call this, whether or not it runs an event loop.
        """
        if self._closed:
            raise ModelError(f"{self.name} was closed")
        return self._loop.run(self._respond(requests))

    def close(self) -> None:
        """Close connections and end the thread."""
        self._closed = True
        self._loop.close(self._wire.close)

    async def _respond(self, requests: Sequence[Request]) -> list[Response]:
        clips: dict[tuple[str, int], str] = {}  # a clip is encoded once for all its questions
        order = turns(requests)
        given = await together(self._answer(requests[place], clips) for place in order)
        answers = dict(zip(order, given, strict=True))
        return [answers[place] for place in range(len(requests))]

    async def _answer(self, request: Request, clips: dict[tuple[str, int], str]) -> Response:
        labels = request.candidates if request.want_scores and self._scoring is not None else ()
        extras = {**self._extras, **(WITH_IDS if labels else {})}
        try:
            reply = await self._ask(request, clips, request.max_new_tokens, extras)
            if not labels:
                return Response(reply.text)
            scores, lengths = await self._scores(request, clips, reply)
            return Response(reply.text, scores, lengths=lengths)
        except CallError as error:
            return Response(None, None, f"openai: {error}")
        except ScoresError as error:
            return Response(None, None, f"openai: no scores: {error}; add ?scores=none to measure without them")

    async def _scores(
        self, request: Request, clips: dict[tuple[str, int], str], question: Reply
    ) -> tuple[dict[str, float], dict[str, int]]:
        """Sums of log p, and tokens that they are over."""
        assert self._scoring is not None
        extras = {**self._extras, **OF_LABEL}
        replies = await together(self._ask(request, clips, 1, extras, label) for label in request.candidates)
        scored = dict(zip(request.candidates, replies, strict=True))
        return (
            {label: self._scoring.score(question, reply) for label, reply in scored.items()},
            {label: self._scoring.length(question, reply) for label, reply in scored.items()},
        )

    async def _ask(
        self,
        request: Request,
        clips: dict[tuple[str, int], str],
        tokens: int,
        extras: Mapping[str, object],
        label: str | None = None,
    ) -> Reply:
        audio, prompt = request.audio, request.prompt
        place = prompt if audio is None else audio.digest
        return await self._caller.ask(
            lambda: chat(self._target, _clip(audio, clips), prompt, tokens, extras=extras, label=label), place
        )

    def _describe(self, findings: Sequence[Findings]) -> dict[str, object]:
        target = self._target
        missing = next((one for one in findings if one.scoring is None), None)
        if self._scoring is not None:
            scores = "prompt_logprobs"
        elif missing is not None:
            scores = f"none: {missing.why}" + (f" ({missing.says['url']})" if len(findings) > 1 else "")
        else:
            scores = "none: the servers end a turn in different ways"
        return {
            "family": "endpoint",
            "servers": [dict(one.says) for one in findings],
            "revision": target.revision,
            "system": target.system,
            "scores": scores,
            "repetition_penalty": 1.0 if self._extras else "the server's own",
            "concurrency": target.concurrency,
        }


def turns(requests: Sequence[Request]) -> list[int]:
    """Places of the requests in the order to send them: the first question of every clip, then the second, and so on.

    When the second arrives, the server has mostly computed the clip, and finds it in its prefix cache.
    """
    seen: Counter[str | None] = Counter()
    turn = []
    for request in requests:
        digest = None if request.audio is None else request.audio.digest
        turn.append(seen[digest])
        seen[digest] += 1
    return sorted(range(len(requests)), key=turn.__getitem__)


def _clip(audio: Audio | None, clips: dict[tuple[str, int], str]) -> str | None:
    if audio is None:
        return None
    key = (audio.digest, audio.rate)
    if key not in clips:
        clips[key] = encode(audio)
    return clips[key]
