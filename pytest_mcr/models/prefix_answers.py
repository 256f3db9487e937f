"""From requests to responses: what a loaded model says to a batch, from shared prefixes or whole prompts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch

from pytest_mcr.core.repair_steps import next_token
from pytest_mcr.errors import ResponseError
from pytest_mcr.models.hf_ahead import Key
from pytest_mcr.models.hf_batches import BatchLimit
from pytest_mcr.models.hf_contrast import lock_step
from pytest_mcr.models.hf_decode import Decoder
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_lanes import replica
from pytest_mcr.models.hf_load import Checkpoint
from pytest_mcr.models.prefix import Clip, Engine, clip_of
from pytest_mcr.models.prefix_probe import Capability, Probe, probed_network
from pytest_mcr.models.prefix_stages import Stages
from pytest_mcr.models.prefix_walk import Ask, Told
from pytest_mcr.models.prefix_work import Share, Topic
from pytest_mcr.models.protocol import Contrasted, Request, Response

DRAFTS: Final = 8
"""Labels that go along unscored, as drafts of the text, at most."""
MOST: Final = 256
"""Prompts beyond which a larger batch makes no GPU busier."""


class Answerer:
    """Answers batches of requests, in one lane.

    Args:
        checkpoint: loaded model and processor.
        inputs: of the same.
        generation: as for `HfModel`.
        other: of another lane, whose findings about the model and whose kept prefixes are taken over; None to try out
            what the model can do.

    Attributes:
        stages: where the time goes.
        decoder: the plain path.
        found: how the model continues prefixes.
        engine: the shared-prefix engine; None for a model that cannot continue from a prefix.
    """

    decoder: Decoder
    found: Capability
    engine: Engine | None

    def __init__(self, checkpoint: Checkpoint, inputs: Inputs, generation: str, other: Answerer | None = None) -> None:
        self._checkpoint = checkpoint
        self._device = checkpoint.device
        self._dtype = checkpoint.dtype
        self._audio_token = checkpoint.audio_token_id
        self._tokenizer = checkpoint.processor.tokenizer
        self._inputs = inputs
        self._generation = generation
        self._label_ids = functools.cache(self._tokenize_label)
        self.stages = Stages(checkpoint.device)
        model = checkpoint.model
        network = other.decoder.network.on(model) if other else probed_network(model, inputs, self._joined)
        self.decoder = Decoder(network, checkpoint.stops, checkpoint.turn_end, checkpoint.pad)
        self.found = other.found if other else self._probe()
        shelf = other.engine.shelf if other and other.engine else None
        self.engine = Engine(self.decoder, self._joined, self.found.way, self.stages, shelf) if self.found.way else None

    def beside(self) -> Answerer:
        """One for another lane: the same weights, with modules, processor and clock of its own."""
        inputs = self._inputs.twin()
        checkpoint = replace(self._checkpoint, model=replica(self._checkpoint.model), processor=inputs.processor)
        return Answerer(checkpoint, inputs, self._generation, self)

    def _probe(self) -> Capability:
        return Probe(self.decoder, self._inputs, self._joined, self._audio_token, self._label_ids).capability()

    @property
    def way(self) -> str:
        """``tree``, ``rows`` or ``plain``."""
        return "plain" if self.engine is None else self.engine.way

    @property
    def kept(self) -> set[Key]:
        """Clips whose prefix is at hand."""
        return set() if self.engine is None else self.engine.shelf.keys()

    def answer(self, requests: Sequence[Request], batch: Sequence[Share]) -> dict[int, Response]:
        """Answers of a batch, by the requests' places: from shared prefixes as far as prompts share one.

        Args:
            requests: of the call.
            batch: which of them.
        """
        continued: list[tuple[list[int], Clip]] = []
        whole: list[int] = []
        for topic, numbers in batch:
            places = [topic.places[number] for number in numbers]
            clip = self._clip(requests, topic)
            if clip is not None and clip.continues:
                continued.append((places, clip.part(numbers)))
            else:
                whole += places
        answers = dict(zip(whole, self.answer_whole([requests[place] for place in whole]), strict=True))
        if self.engine is not None and continued:
            told = self.engine.answer([clip for _, clip in continued])
            for (places, _), line in zip(continued, told, strict=True):
                answers.update(zip(places, self._responses([requests[at] for at in places], line), strict=True))
        return answers

    def answer_whole(self, requests: Sequence[Request]) -> list[Response]:
        """Answers of a batch by the plain path.

        Args:
            requests: about one clip, about clips that may share a batch, or without a clip.
        """
        if not requests:
            return []
        asks = [self._ask([], request, drafts=False) for request in requests]
        with self.stages("features"):
            inputs = self._joined([self._inputs.build(requests)])
        with self.stages("prefill"):
            prefilled = self.decoder.prefill(inputs)
        with self.stages("suffix"):
            scores = self.decoder.score(prefilled, [ask.labels for ask in asks])
        with self.stages("decode"):
            words = self.decoder.greedy(prefilled, [ask.limit for ask in asks])
        return self._responses(requests, list(map(Told, words, scores)))

    def answer_contrasted(self, request: Contrasted) -> Response:
        """An answer written by a rule, both branches by the plain path."""
        branches = dict(zip(request.arm.branches, (request, request.other), strict=True))
        with self.stages("features"):
            inputs = {name: self._joined([self._inputs.build([one])]) for name, one in branches.items()}
        with self.stages("prefill"):
            prefilled = {name: self.decoder.prefill(tensors) for name, tensors in inputs.items()}
        with self.stages("decode"):
            choose = functools.partial(next_token, request.arm)
            words = lock_step(self.decoder, prefilled, request.max_new_tokens, choose)
        return Response(self._texts([words])[0])

    def fit(self, request: Request, limit: BatchLimit) -> None:
        """Find the largest batch of prompts such as this one that fits.

        Args:
            request: the longest to come.
            limit: told what was found.

        Raises:
            torch.OutOfMemoryError: not even one fits.
        """
        clip = self._clip([request], Topic(request.audio, [0]))
        if clip is not None and clip.continues:
            # All of the text counts as the prompt's own, as if it had nothing in common with the others.
            limit.fit(functools.partial(self._attempt, replace(clip, shared=max(1, clip.least))), MOST)

    def forget(self) -> None:
        """Free what can be computed again."""
        if self.engine is not None:
            self.engine.shelf.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _attempt(self, clip: Clip, prompts: int) -> None:
        """Run as many prompts: each on a clip of its own where clips share batches, else all on one."""
        assert self.engine is not None
        [ask] = clip.asks
        start, words = clip.shared, self._tokenizer.vocab_size
        try:
            if self._inputs.shares_batches:
                self.engine.answer([clip] * prompts)
            else:
                different = [[*ask.ids[:start], number % words, *ask.ids[start:]] for number in range(prompts)]
                self.engine.answer([replace(clip, asks=[replace(ask, ids=ids) for ids in different])])
        finally:
            self.forget()

    def _clip(self, requests: Sequence[Request], topic: Topic) -> Clip | None:
        """The prompts of a clip as tokens, all that the call has; None where there is no engine to use them."""
        if self.engine is not None and topic.clip is None:
            with self.stages("features"):
                asked = [requests[place] for place in topic.places]
                encoded = self._inputs.encode(topic.audio, [request.prompt for request in asked])
            drafts = self.engine.way == "tree"
            asks = [self._ask(ids, request, drafts=drafts) for ids, request in zip(encoded.ids, asked, strict=True)]
            topic.clip = clip_of(topic.key, asks, encoded.audio, self._audio_token)
        return topic.clip

    def _ask(self, ids: list[int], request: Request, *, drafts: bool) -> Ask:
        useful = request.want_scores or (drafts and len(request.candidates) <= DRAFTS)
        labels = [self._label_ids(label) for label in request.candidates] if useful else []
        return Ask(ids, labels, request.max_new_tokens if self._generation == "greedy" else 0)

    def _tokenize_label(self, label: str) -> list[int]:
        """A label's tokens as the model would write them right after the generation prompt.

        The label is tokenised alone: the prompt ends in a complete token (a newline or a special token), so that the
        first word of an answer carries no space.
        """
        ids = [int(token) for token in self._tokenizer(label, add_special_tokens=False)["input_ids"]]
        if not ids:
            raise ResponseError(f"candidate {label!r} has no tokens; expected a label with letters")
        return ids

    def _responses(self, requests: Sequence[Request], told: Sequence[Told]) -> list[Response]:
        with self.stages("decode"):
            words = [one.words for one in told]
            if self._generation == "model":
                words = [self._generate(request) for request in requests]
            texts = self._texts(words)
        responses = []
        for request, text, one in zip(requests, texts, told, strict=True):
            scored = request.want_scores and request.candidates
            scores = dict(zip(request.candidates, one.scores, strict=True)) if scored else None
            lengths = {label: len(self._label_ids(label)) + 1 for label in request.candidates} if scored else None
            responses.append(Response(text, scores, lengths=lengths))
        return responses

    def _texts(self, words: Sequence[Sequence[int]]) -> list[str]:
        decoded = self._tokenizer.batch_decode(words, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return [str(text) for text in decoded]

    def _generate(self, request: Request) -> list[int]:
        """One row by the checkpoint's own generation config; alone, so that sampling depends on the request only."""
        inputs = self._joined([self._inputs.build([request])])
        with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(int(inputs["input_ids"].sum()))
            ids = self.decoder.network.model.generate(**inputs, max_new_tokens=request.max_new_tokens)
        return [int(token) for token in ids[0, inputs["input_ids"].shape[1] :]]

    def _joined(self, parts: Sequence[Tensors]) -> Tensors:
        """Tensors of several clips as one batch, on the device, numbers of the model's dtype."""
        joined = self._inputs.join(parts)
        if self._device.type == "cuda":  # from pinned memory the copy runs beside the computation
            joined = {name: value.pin_memory() for name, value in joined.items()}
        return {
            name: value.to(self._device, self._dtype if value.is_floating_point() else None, non_blocking=True)
            for name, value in joined.items()
        }
