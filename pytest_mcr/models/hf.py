"""``hf:REPO``, folders and ``lab``: audio-language models through transformers, in this process.

The plain batched path: a batch of whole prompts is prefilled once; greedy text and candidate scores continue from it.
Run on real classes and processors: Qwen2-Audio and Audio Flamingo 3. Other families take the same generic path.
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

from pytest_mcr.errors import ModelError, ResponseError
from pytest_mcr.models import hf_files
from pytest_mcr.models.hf_decode import Decoder, Prefilled, Tensors
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import Checkpoint, load_checkpoint
from pytest_mcr.models.protocol import Model, Request, Response
from pytest_mcr.models.spec import Spec

ADAPTER_VERSION: Final = 1
BATCH_ROWS: Final = 32
DECODING: Final = (
    "do_sample", "temperature", "top_p", "top_k", "num_beams", "repetition_penalty", "no_repeat_ngram_size",
    "suppress_tokens", "begin_suppress_tokens",
)  # fmt: skip
"""Settings of a checkpoint's generation config that greedy decoding sets aside; recorded in the traits."""


def load(spec: Spec, folder: Path, *, device: str, dtype: str, threads: int | None = None) -> Model:
    """Load a checkpoint as a model.

    Raises:
        ModelError: it cannot be loaded.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    return HfModel(
        load_checkpoint(folder, device=device, dtype=dtype, attention=spec.options.get("attn")),
        folder,
        name=spec.text,
        generation=spec.options.get("generation", "greedy"),
    )


class HfModel:
    """An audio-language model in this process.

    Args:
        checkpoint: loaded model and processor.
        folder: where it came from.
        generation: ``greedy``, the argmax of raw logits whatever the checkpoint's generation config says, or
            ``model``, which keeps that config (a sampling one is seeded by the request).
        rows: most prompts in one forward pass; halved for good when memory runs out.
    """

    def __init__(
        self, checkpoint: Checkpoint, folder: Path, *, name: str, generation: str = "greedy", rows: int = BATCH_ROWS
    ) -> None:
        self.name = name
        self._folder = folder
        self._checkpoint: Checkpoint | None = checkpoint
        self._generation = generation
        self._rows = rows
        self._inputs = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id)
        self._decoder: Decoder | None = Decoder(
            checkpoint.model, checkpoint.family, checkpoint.stops, checkpoint.turn_end, checkpoint.pad
        )
        self._tokenizer = checkpoint.processor.tokenizer
        self.sample_rate = self._inputs.sample_rate
        self.device = str(checkpoint.device)
        self.dtype = str(checkpoint.dtype).removeprefix("torch.")
        self.traits: Mapping[str, object] = MappingProxyType(self._describe(checkpoint))
        self._label_ids = functools.cache(self._tokenize_label)

    def fingerprint(self) -> str:
        """sha256 over every file of the checkpoint, and the settings and versions that can change an answer."""
        settings = (
            ADAPTER_VERSION, self.dtype, self.device.partition(":")[0], self.traits["attention"], self._generation,
            torch.__version__, transformers.__version__, tokenizers.__version__,
        )  # fmt: skip
        text = "\n".join([hf_files.digest(self._folder), *map(str, settings)])
        return f"hf/1:{hashlib.sha256(text.encode()).hexdigest()}"

    def respond(self, requests: Sequence[Request]) -> list[Response]:
        """Answer in batches of like length; a clip that the model cannot hear whole gets an error of its own.

        Raises:
            DeliveryError: the audio did not become placeholders and features.
        """
        answers: dict[int, Response] = {}
        groups: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            refusal = self._inputs.refusal(request.audio)
            if refusal is not None:
                answers[index] = Response(None, None, refusal)
            else:
                groups.setdefault(self._group(request), []).append(index)
        for indices in groups.values():
            indices.sort(key=lambda index: (_length(requests[index]), index))
            ordered = [requests[index] for index in indices]
            answers.update(zip(indices, self._respond_in_batches(ordered), strict=True))
        return [answers[index] for index in range(len(requests))]

    def close(self) -> None:
        """Free the weights."""
        self._checkpoint = self._decoder = None
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def _group(self, request: Request) -> str:
        """Rows that may share a batch: without audio, of one clip, or of any clips where the window is fixed."""
        if request.audio is None:
            return "text"
        return "audio" if self._inputs.shares_batches else request.audio.digest

    def _respond_in_batches(self, requests: list[Request]) -> list[Response]:
        answers: list[Response] = []
        while len(answers) < len(requests):
            batch = requests[len(answers) : len(answers) + self._rows]
            try:
                answers += self._respond_batch(batch)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or len(batch) == 1:
                    raise
                self._rows = max(1, len(batch) // 2)
            if self._rows < len(batch) and self.device.startswith("cuda"):
                torch.cuda.empty_cache()
        return answers

    @torch.inference_mode()
    def _respond_batch(self, requests: list[Request]) -> list[Response]:
        decoder = self._loaded()
        inputs = self._to_device(self._inputs.build(requests))
        prefilled = decoder.prefill(inputs)
        labels = [
            [self._label_ids(label) for label in request.candidates] if request.want_scores else []
            for request in requests
        ]
        scores = decoder.score(prefilled, labels)
        texts = self._texts(requests, inputs, prefilled)
        return [
            Response(text, dict(zip(request.candidates, values, strict=True)) if values else None)
            for request, text, values in zip(requests, texts, scores, strict=True)
        ]

    def _texts(self, requests: list[Request], inputs: Tensors, prefilled: Prefilled) -> list[str]:
        limits = [request.max_new_tokens for request in requests]
        if self._generation == "greedy":
            words = self._loaded().greedy(prefilled, limits)
        else:
            words = [self._generate(self._row(request), request.max_new_tokens) for request in requests]
        return [
            str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
            for ids in words
        ]

    def _row(self, request: Request) -> Tensors:
        return self._to_device(self._inputs.build([request]))

    def _generate(self, inputs: Tensors, limit: int) -> list[int]:
        """One row by the checkpoint's own generation config; alone, so that sampling depends on the request only."""
        model = self._loaded().model
        with torch.random.fork_rng(devices=[self.device] if self.device.startswith("cuda") else []):
            torch.manual_seed(int(inputs["input_ids"].sum()))
            ids = model.generate(**inputs, max_new_tokens=limit)
        return [int(token) for token in ids[0, inputs["input_ids"].shape[1] :]]

    def _to_device(self, inputs: Tensors) -> Tensors:
        device = torch.device(self.device)
        dtype = getattr(torch, self.dtype)
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
        }

    def _tokenize_label(self, label: str) -> list[int]:
        """A label's tokens as the model would write them right after the generation prompt.

        The label is tokenised alone: the prompt ends in a complete token (a newline or a special token), so that the
        first word of an answer carries no space.
        """
        ids = [int(token) for token in self._tokenizer(label, add_special_tokens=False)["input_ids"]]
        if not ids:
            raise ResponseError(f"candidate {label!r} has no tokens; expected a label with letters")
        return ids

    def _loaded(self) -> Decoder:
        if self._decoder is None:
            raise ModelError(f"{self.name} was closed")
        return self._decoder

    def _describe(self, checkpoint: Checkpoint) -> dict[str, object]:
        config = checkpoint.model.config
        audio = getattr(config, "audio_config", None)
        own = checkpoint.model.generation_config.to_diff_dict()
        return {
            "family": checkpoint.family,
            "fusion": "audio embeddings in the prompt",
            "encoder": getattr(audio, "model_type", None),
            "parameters": sum(parameter.numel() for parameter in checkpoint.model.parameters()),
            "revision": hf_files.revision_of(self._folder),
            "attention": getattr(config, "_attn_implementation", None),
            "window_seconds": self._inputs.window,
            "end_of_turn": self._tokenizer.convert_ids_to_tokens(checkpoint.turn_end),
            "generation": self._generation,
            "checkpoint_generation": {name: own[name] for name in DECODING if name in own},
        }


def _length(request: Request) -> float:
    """Roughly the tokens of a request: 25 a second of audio, one for four characters."""
    seconds = 0.0 if request.audio is None else len(request.audio.samples) / request.audio.rate
    return 25.0 * seconds + len(request.prompt) / 4.0


def _out_of_memory(error: BaseException) -> bool:
    """CUDA has a type of its own for it, the CPU allocator only a message."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
