"""``hf:REPO``, folders and ``lab``: audio-language models through transformers, in this process.

A clip's common prefix is run once, and all prompts and labels continue from it (`prefix`); where a model does not take
that, whole prompts run as they are (`hf_decode`). Which way it is, is tried at load.
Every family takes this path; which ones were run is listed in ``docs/adapters/families.md``.
"""

from __future__ import annotations

import functools
import gc
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import tokenizers
import torch
import transformers

from pytest_mcr.errors import ModelError
from pytest_mcr.models import adapter_files, hf_files
from pytest_mcr.models.hf_batches import CPU_TOKENS, BatchLimit
from pytest_mcr.models.hf_chat import PLAIN, Chat, chat_of
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_lanes import Lanes, lanes_for
from pytest_mcr.models.hf_load import Checkpoint, load_checkpoint
from pytest_mcr.models.hf_remote import code_run
from pytest_mcr.models.hf_traits import DECODING, engine_traits
from pytest_mcr.models.prefix import ENGINE_VERSION
from pytest_mcr.models.prefix_answers import Answerer
from pytest_mcr.models.prefix_work import Recurring, Share, Work
from pytest_mcr.models.protocol import Audio, Contrasted, Model, Request, Response
from pytest_mcr.models.spec import Spec

ADAPTER_VERSION: Final = 2


def load(
    spec: Spec,
    folder: Path,
    *,
    adapter: Path | None = None,
    device: str,
    dtype: str,
    threads: int | None = None,
    batch_size: int | None = None,
    trust_remote_code: bool = False,
) -> Model:
    """Load a checkpoint as a model.

    Args:
        spec: as given.
        folder: of the checkpoint.
        adapter: as for `load_checkpoint`.
        device: as for `load_checkpoint`.
        dtype: as for `load_checkpoint`.
        threads: CPU threads; None leaves torch's choice.
        batch_size: prompts in a forward pass; None for the largest that fits.
        trust_remote_code: as for `load_checkpoint`.

    Raises:
        ModelError: it cannot be loaded.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    return HfModel(
        load_checkpoint(
            folder,
            device=device,
            dtype=dtype,
            attention=spec.options.get("attn"),
            trust_remote_code=trust_remote_code,
            adapter=adapter,
        ),
        folder,
        adapter=adapter,
        name=spec.text,
        generation=spec.options.get("generation", "greedy"),
        batch_size=batch_size,
        chat=chat_of(spec.options),
    )


class HfModel:
    """An audio-language model in this process.

    Args:
        checkpoint: loaded model and processor.
        folder: where it came from.
        adapter: where its LoRA adapter came from, None without one of its own folder.
        generation: ``greedy``, the argmax of raw logits whatever the checkpoint's generation config says, or
            ``model``, which keeps that config (a sampling one is seeded by the request).
        batch_size: most prompts in a forward pass, None to find out; halved for good when memory runs out.
        chat: the turns around clip and prompt.

    Raises:
        ModelError: the chat template does not write the turns that were asked for.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        folder: Path,
        *,
        name: str,
        adapter: Path | None = None,
        generation: str = "greedy",
        batch_size: int | None = None,
        chat: Chat = PLAIN,
    ) -> None:
        self.name = name
        self.device = str(checkpoint.device)
        self.dtype = str(checkpoint.dtype).removeprefix("torch.")
        self._folder = folder
        self._adapter = adapter
        self._trained = frozenset[str]() if adapter is None else adapter_files.trained_clips(adapter)
        self._checkpoint: Checkpoint | None = checkpoint
        self._generation = generation
        self._chat = chat
        self._code = code_run(checkpoint.model, checkpoint.model.config, checkpoint.processor)
        self._limit = BatchLimit(batch_size)
        self._recurring = Recurring()
        self._inputs = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id, chat)
        self.sample_rate = self._inputs.sample_rate
        answerer = Answerer(checkpoint, self._inputs, generation)
        # A checkpoint's own sampling draws from the one generator of the process: side by side it could not be seeded.
        count = 1 if generation == "model" else lanes_for(checkpoint.model, checkpoint.device, torch.get_num_threads())
        if count > 1:
            torch.set_num_threads(1)
        self._lanes = Lanes(count, begin=functools.partial(torch.set_num_threads, torch.get_num_threads()))
        self._answerers = [answerer, *(answerer.beside() for _ in range(count - 1))]
        self.traits: Mapping[str, object] = MappingProxyType(self._describe(checkpoint, answerer))

    def fingerprint(self) -> str:
        """sha256 over every file of the checkpoint, and the settings and versions that can change an answer."""
        settings = (
            ADAPTER_VERSION, ENGINE_VERSION, self._loaded().way, self.dtype, self.device.partition(":")[0],
            self.traits["attention"], self._generation, *self._chat.settings(),
            *map(":".join, sorted(self._code.items())),
            *([] if self._adapter is None else [f"adapter {adapter_files.adapter_digest(self._adapter)}"]),
            torch.__version__, transformers.__version__, tokenizers.__version__,
        )  # fmt: skip
        text = "\n".join([hf_files.digest(self._folder), *map(str, settings)])
        return f"hf/1:{hashlib.sha256(text.encode()).hexdigest()}"

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Answer clip by clip, in batches of like length; a clip that the model cannot hear whole gets an error.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
            torch.OutOfMemoryError: a single prompt does not fit.
        """
        answerer = self._loaded()
        answers = self._refused(requests)
        work = Work(requests, [place for place in range(len(requests)) if place not in answers])

        def answer(lane: int, batch: Sequence[Share]) -> None:
            with torch.inference_mode():  # a thread's own state
                answers.update(self._answerers[lane].answer(requests, batch))

        work.run(
            answer,
            self._limit,
            self._lanes,
            shares_batches=self._inputs.shares_batches,
            tokens=CPU_TOKENS if self.device == "cpu" else None,
            apart=self._recurring.note(work.topics) | answerer.kept,
            forget=answerer.forget,
        )
        return [answers[place] for place in range(len(requests))]

    @torch.inference_mode()
    def respond_plain(self, requests: Sequence[Request]) -> list[Response]:
        """Answer one by one: the whole prompt through the processor, prefilled alone. The engine's reference.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        answerer = self._loaded()
        answers = self._refused(requests)
        for place, request in enumerate(requests):
            if place not in answers:
                [answers[place]] = answerer.answer_whole([request])
        return [answers[place] for place in range(len(requests))]

    @property
    def contrasts(self) -> bool:
        """Whether `respond_contrasted` writes as this model does: greedily."""
        return self._generation == "greedy"

    @torch.inference_mode()
    def respond_contrasted(self, requests: Sequence[Contrasted]) -> list[Response]:
        """Answer one by one, each written by its rule on two branches (`hf_contrast`).

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        answerer = self._loaded()
        refused = self._refused([one.other for one in requests]) | self._refused(requests)
        return [refused.get(place) or answerer.answer_contrasted(one) for place, one in enumerate(requests)]

    def prefetch(self, audio: Audio) -> None:
        """Have a clip's features extracted by another thread, for the next `respond`; returns at once."""
        self._inputs.prefetch(audio)

    def forget(self) -> None:
        """Drop the prefixes of earlier calls, so that the next answers depend, to the bit, on their own call alone."""
        self._loaded().forget()
        self._recurring = Recurring()

    def spent(self) -> dict[str, float]:
        """Seconds by stage (``features``, ``prefill``, ``suffix``, ``decode``) since this was last called.

        Of several lanes the mean: a lane that had nothing to do was idle.
        """
        taken = [answerer.stages.take() for answerer in self._answerers]
        stages = dict.fromkeys(stage for one in taken for stage in one)
        return {stage: sum(one.get(stage, 0.0) for one in taken) / len(taken) for stage in stages}

    @torch.inference_mode()
    def fit(self, request: Request) -> None:
        """On a GPU and without a given batch size, find the largest batch of prompts such as this one that fits.

        Args:
            request: the longest to come.

        Raises:
            torch.OutOfMemoryError: not even one fits.
        """
        if self.device.startswith("cuda") and not self._refused([request]):
            self._loaded().fit(request, self._limit)
            self.spent()

    @property
    def checkpoint(self) -> Checkpoint:
        """What was loaded, to look at.

        Raises:
            ModelError: it was closed.
        """
        if self._checkpoint is None:
            raise ModelError(f"{self.name} was closed")
        return self._checkpoint

    @property
    def inputs(self) -> Inputs:
        """What makes tensors of clips and prompts."""
        return self._inputs

    def close(self) -> None:
        """Free the weights."""
        self._lanes.close()
        self._inputs.close()
        self._checkpoint = None
        self._answerers = []
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def _refused(self, requests: Sequence[Request]) -> dict[int, Response]:
        """Errors of those whose clip the model cannot hear, by place."""
        reasons = {place: self._refusal(request.audio) for place, request in enumerate(requests)}
        return {place: Response(None, None, reason) for place, reason in reasons.items() if reason is not None}

    def _refusal(self, audio: Audio | None) -> str | None:
        learned = audio is not None and audio.digest in self._trained
        return adapter_files.LEARNED if learned else self._inputs.refusal(audio)

    def _loaded(self) -> Answerer:
        if not self._answerers:
            raise ModelError(f"{self.name} was closed")
        return self._answerers[0]

    def _describe(self, checkpoint: Checkpoint, answerer: Answerer) -> dict[str, object]:
        config = checkpoint.model.config
        audio = getattr(config, "audio_config", None)
        own = checkpoint.model.generation_config.to_diff_dict()
        return {
            "family": checkpoint.family,
            "fusion": "audio embeddings in the prompt",
            "encoder": getattr(audio, "model_type", None),
            "parameters": sum(parameter.numel() for parameter in checkpoint.model.parameters()),
            "adapter": None if self._adapter is None else self._adapter.name,
            "revision": hf_files.revision_of(self._folder),
            "remote_code": sorted(self._code) or None,
            "attention": getattr(config, "_attn_implementation", None),
            "window_seconds": self._inputs.window,
            "end_of_turn": checkpoint.processor.tokenizer.convert_ids_to_tokens(checkpoint.turn_end),
            "system": self._chat.system,
            "order": self._inputs.order or self._chat.order,
            "generation": self._generation,
            "checkpoint_generation": {name: own[name] for name in DECODING if name in own},
            "engine": engine_traits(answerer, self._inputs, self._lanes.count),
        }
