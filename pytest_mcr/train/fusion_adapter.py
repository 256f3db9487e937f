"""A model of the fusion ablation as the plugin asks it.

``pytest --mcr-model 'pytest_mcr.train.fusion_adapter:model?folder=FOLDER'``
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Audio, Request, Response
from pytest_mcr.train.fusion_data import Teacher
from pytest_mcr.train.fusion_ears import Ears
from pytest_mcr.train.fusion_model import LONGEST, WEIGHTS, FusionModel, load, parameters

ROWS: Final = 64
"""Of a forward pass."""
REMEMBERED: Final = 64
"""Clips whose heard frames are kept: a sample's conditions come one after the other."""
CODE: Final = 1
"""To be raised when the same weights would answer otherwise."""


class FusionAdapter:
    """Answers with a trained model: greedy text, and log p of each candidate.

    Args:
        folder: of the model.
        network: as read from there.
        told: of its training.
        scores: whether candidates are scored, which takes longer than the answer.

    Attributes:
        folder: of the model.
    """

    def __init__(self, folder: Path, network: FusionModel, told: Mapping[str, Any], *, scores: bool = True) -> None:
        self.folder = folder
        self._scored = scores
        self._ears = Ears()
        self._teacher = Teacher(self._ears.tokenizer, self._ears.width)
        self._network = network
        self._heard: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        self.sample_rate = self._ears.rate
        self.name = f"fusion-{folder.parent.name}-{folder.name}"
        self.traits = {
            "family": "fusion-ablation", "fusion": network.fusion, "parameters": parameters(network),
            **{key: told[key] for key in ("arm", "seed", "conflict_samples") if key in told},
        }  # fmt: skip

    def fingerprint(self) -> str:
        """Weights, ears and this code."""
        return f"fusion/{CODE}:{self._weights}:{self._ears.digest}:{'scored' if self._scored else 'text'}"

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Answer, `ROWS` at a time."""
        return [answer for part in parts(requests) for answer in self._respond(part)]

    def respond_plain(self, requests: Sequence[Request]) -> list[Response]:
        """The same answers, one request at a time."""
        return [self._respond([request])[0] for request in requests]

    @torch.inference_mode()
    def gates(self, requests: Sequence[Request]) -> list[tuple[float, float]]:
        """Gate and conflict signal of a gated model where its answer begins, means over the layers.

        Raises:
            TypeError: the model has no gate.
        """
        found: list[tuple[float, float]] = []
        for part in parts(requests):
            prompts = [self._teacher.prompt(request.prompt) for request in part]
            self._network(self._teacher.batch(prompts, [[]] * len(part), [self._hear(one.audio) for one in part]))
            gate, signal = self._network.gates()
            found += [
                (gate[row, len(prompt) - 1].item(), signal[row, len(prompt) - 1].item())
                for row, prompt in enumerate(prompts)
            ]
        return found

    def _hear(self, audio: Audio | None) -> torch.Tensor:
        if audio is None:
            return torch.zeros(0, self._ears.width)
        if audio.digest not in self._heard:
            self._heard[audio.digest] = self._ears.heard(self._ears.mels(audio.samples))
            if len(self._heard) > REMEMBERED:
                self._heard.popitem(last=False)
        self._heard.move_to_end(audio.digest)
        return self._heard[audio.digest]

    @torch.inference_mode()
    def _respond(self, requests: Sequence[Request]) -> list[Response]:
        prompts = [self._teacher.prompt(request.prompt) for request in requests]
        errors = [self._refusal(*pair) for pair in zip(requests, prompts, strict=True)]
        able = [number for number, error in enumerate(errors) if error is None]
        heard = {n: self._hear(requests[n].audio) for n in able}
        texts = self._write([prompts[n] for n in able], [heard[n] for n in able], [requests[n] for n in able])
        written = dict(zip(able, texts, strict=True))
        return [
            Response(written[n], self._scores(prompts[n], heard[n], request))
            if n in written
            else Response(None, error=errors[n])
            for n, request in enumerate(requests)
        ]

    def _refusal(self, request: Request, prompt: list[int]) -> str | None:
        if len(prompt) + request.max_new_tokens > LONGEST:
            return f"a prompt of {len(prompt)} tokens; expected at most {LONGEST} with the answer"
        return None if request.audio is None else self._ears.refusal(len(request.audio.samples))

    def _write(
        self, prompts: Sequence[list[int]], heard: Sequence[torch.Tensor], requests: Sequence[Request]
    ) -> list[str]:
        """Greedy texts."""
        begun: list[list[int]] = [[] for _ in prompts]
        open_rows = [n for n, request in enumerate(requests) if request.max_new_tokens > 0]
        while open_rows:
            logits = self._next(
                [prompts[n] for n in open_rows], [begun[n] for n in open_rows], [heard[n] for n in open_rows]
            )
            for n, token in zip(open_rows, logits.argmax(-1).tolist(), strict=True):
                begun[n].append(token)
            open_rows = [
                n for n in open_rows
                if begun[n][-1] != self._teacher.end and len(begun[n]) < requests[n].max_new_tokens
            ]  # fmt: skip
        return [self._ears.tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in begun]

    def _next(
        self, prompts: Sequence[list[int]], begun: Sequence[list[int]], heard: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Logits of the next token, shape (rows, vocabulary)."""
        states = self._network(self._teacher.batch(prompts, begun, heard))
        last = torch.tensor([len(prompt) + len(more) - 1 for prompt, more in zip(prompts, begun, strict=True)])
        return self._network.logits(states[torch.arange(len(last)), last])

    def _scores(self, prompt: list[int], heard: torch.Tensor, request: Request) -> dict[str, float] | None:
        """Sum of log p in nats over each candidate's tokens and the end of the turn."""
        candidates = request.candidates
        if not (self._scored and request.want_scores and candidates):
            return None
        answers = [self._teacher.answer(candidate) for candidate in candidates]
        count = len(answers)
        batch = self._teacher.batch([prompt] * count, [answer[:-1] for answer in answers], [heard] * count)
        logs = self._network.logits(self._network(batch)[:, len(prompt) - 1 :]).log_softmax(-1)
        return {
            candidate: sum(logs[row, step, token].item() for step, token in enumerate(answer))
            for row, (candidate, answer) in enumerate(zip(candidates, answers, strict=True))
        }


def parts(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    """The requests, `ROWS` at a time."""
    for start in range(0, len(requests), ROWS):
        yield requests[start : start + ROWS]


def model(options: Mapping[str, str]) -> FusionAdapter:
    """Load a trained model of the ablation.

    Args:
        options: ``folder``, relative to the working directory, and ``scores``, ``yes`` or ``no``.

    Raises:
        ModelError: no folder is named, another option is, or it does not hold such a model.
    """
    scores = options.get("scores", "yes")
    if not {"folder"} <= set(options) <= {"folder", "scores"} or scores not in ("yes", "no"):
        given = "&".join(f"{key}={value}" for key, value in options.items()) or "nothing"
        raise ModelError(
            f"a model of the fusion ablation takes folder=DIR and scores=yes|no, {given} given; type: "
            "--mcr-model 'pytest_mcr.train.fusion_adapter:model?folder=OUT/seed-0/concat-none'"
        )
    folder = Path(options["folder"])
    return FusionAdapter(folder.absolute(), *load(folder), scores=scores == "yes")
