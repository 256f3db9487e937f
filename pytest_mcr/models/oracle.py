"""``oracle:NAME``: planted models whose verdict and metrics are known in closed form, without weights.

An oracle is told the dataset clip by clip (`Oracle.learn`), hears by (digest, question) and reads the text line off
the prompt. On audio it does not know, or silence, it answers uniformly by digest, so that it passes a canary; deaf,
mute and constant are the ones that must fail it. Everything is drawn by sha256: the same request, the same answer,
in any order, batch and process.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pytest_mcr.core.case import Sample
from pytest_mcr.models.oracle_kinds import PHRASE, PLANTED, settings
from pytest_mcr.models.oracle_memory import SOUNDS, Heard, Memory, Told, draw
from pytest_mcr.models.protocol import Request, Response


def check(name: str, options: Mapping[str, str]) -> None:
    """Check an oracle's name and options.

    Raises:
        ModelError: unknown name, unknown option, or a value out of range.
    """
    settings(name, options)


class Oracle:
    """A planted model.

    Args:
        name: one of `pytest_mcr.models.oracle_kinds.PLANTED`.
        options: percent-decoded options of the spec.

    Raises:
        ModelError: unknown name, unknown option, or a value out of range.

    Attributes:
        cacheable: False, because answers depend on what was learnt and not on the request and fingerprint alone.
    """

    cacheable = False

    def __init__(self, name: str, options: Mapping[str, str]) -> None:
        self._settings = settings(name, options)
        self._memory = Memory()
        self._answered = 0  # known requests, for crasher?after=
        self.name = f"oracle:{name}"
        self.traits: Mapping[str, object] = MappingProxyType(
            {"family": "oracle", "behaviour": name, "promise": PLANTED[name].promise, **options}
        )

    def fingerprint(self) -> str:
        """Name and options. The gold answers it was told are not in it, which is why oracles are not `cacheable`."""
        chosen = self._settings
        return f"oracle/1:{chosen.name}?" + "&".join(f"{key}={value}" for key, value in sorted(chosen.given.items()))

    def learn(self, sample: Sample, digest: str) -> None:
        """Be told that a decoded clip is this sample's; the engine does so before it asks."""
        self._memory.learn(sample, digest)

    def learn_text(self, sample: Sample, prompt: str, condition: str, told: Told | None) -> None:
        """Be told what the text in a prompt is: a condition's, and what the dominance suite made of it."""
        self._memory.learn_text(sample, prompt, condition, told)

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Answer as planted."""
        heard = [self._memory.recall(request) for request in requests]
        responses = [self._respond(request, case) for request, case in zip(requests, heard, strict=True)]
        if self._settings.name == "short" and any(case is not None for case in heard):
            return responses[:-1]
        if self._settings.name == "shifted" and all(case is not None for case in heard):
            return responses[-1:] + responses[:-1]
        return responses

    def _respond(self, request: Request, heard: Heard | None) -> Response:
        chosen = self._settings
        if chosen.name == "slow":
            time.sleep(chosen.seconds)
        if chosen.name == "crasher":
            self._crash(heard)
        if chosen.name == "mute":
            return Response("", None)
        label, text = self._decide(request, heard)
        return Response(text, self._scores(request, heard, label))

    def _decide(self, request: Request, heard: Heard | None) -> tuple[str, str]:
        """The label it leans to, and what it says."""
        chosen, candidates = self._settings, request.candidates
        if chosen.name == "constant":
            label = candidates[0] if candidates else PHRASE
            return label, label
        say = PLANTED[chosen.name].say
        if heard is None and PLANTED[chosen.name].reads:
            read = self._memory.read(request)
            if read is not None:  # only the text is there to be followed: whoever does not has to guess
                label, text = say(read, chosen, 0.0)
                if label == read.claimed or label != read.gold:
                    return label, text
        if chosen.name == "deaf" or heard is None:
            label = self._guess(request)
            return label, label
        assert request.audio is not None
        return say(heard, chosen, draw(chosen.seed, "say", request.audio.digest, request.prompt))

    def _guess(self, request: Request) -> str:
        if request.candidates:
            lean = self._lean(request)
            return max(request.candidates, key=lambda label: lean[label])
        return SOUNDS[int(draw(self._settings.seed, "open", self._evidence(request)) * len(SOUNDS))]

    def _evidence(self, request: Request) -> str:
        """What an answer may depend on: the prompt for deaf, else the clip."""
        if self._settings.name == "deaf":
            return request.prompt
        return request.audio.digest if request.audio is not None else "silence"

    def _lean(self, request: Request) -> dict[str, float]:
        """Log-probabilities in nats of a guess: independent uniform weights, so that the best label is uniform."""
        seed, evidence = self._settings.seed, self._evidence(request)
        weights = {label: 6.0 * draw(seed, "guess", evidence, label) for label in request.candidates}
        total = math.log(sum(math.exp(weight) for weight in weights.values()))
        return {label: weight - total for label, weight in weights.items()}

    def _scores(self, request: Request, heard: Heard | None, label: str) -> Mapping[str, float] | None:
        """The answered label gets ``confidence``, the others share the rest."""
        candidates = request.candidates
        if not (request.want_scores and candidates and self._settings.scores):
            return None
        if self._settings.name == "nan" and heard is not None:
            return dict.fromkeys(candidates, math.nan)
        reads = PLANTED[self._settings.name].reads and self._memory.read(request) is not None
        if self._settings.name == "deaf" or (heard is None and not reads and self._settings.name != "constant"):
            return self._lean(request) if hears(request) else dict.fromkeys(candidates, -math.log(len(candidates)))
        if len(candidates) == 1 or label not in candidates:
            return dict.fromkeys(candidates, -math.log(len(candidates)))
        rest = (1.0 - self._settings.confidence) / (len(candidates) - 1)
        return {name: math.log(self._settings.confidence if name == label else rest) for name in candidates}

    def _crash(self, heard: Heard | None) -> None:
        chosen = self._settings
        if chosen.how != "all":
            if heard is None or (chosen.case and chosen.case not in (heard.case_id, heard.sample.id)):
                return
            self._answered += 1
            if self._answered <= chosen.after:
                return
        where = heard.case_id if heard is not None else "audio it does not know"
        if chosen.how == "exit":
            os._exit(70)  # as a segmentation fault would end it: no exception, no clean-up
        raise RuntimeError(f"oracle:crasher was told to fail at {where}")


def hears(request: Request) -> bool:
    """Whether anything but silence is played."""
    return request.audio is not None and bool(request.audio.samples.any())


if __name__ == "__main__":  # the same oracle as a child process, for exec:
    import sys

    from pytest_mcr.models.oracle_worker import main

    raise SystemExit(main(sys.argv[1:]))
