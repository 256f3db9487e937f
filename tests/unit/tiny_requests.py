# mypy: allow-untyped-calls
"""Requests to tiny checkpoints, and what must come back, by definition rather than by our own code."""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_decode import Decoder
from pytest_mcr.models.hf_processor import TEXT
from pytest_mcr.models.prefix import Engine
from pytest_mcr.models.protocol import Audio, Request, Response
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import parse_spec

LABELS = ("yes", "no", "maybe so")
TOLERANCE = 1e-4  # nats, float32


def loaded(folder: Path, options: str = "", *, threads: int = 1, **chosen: Any) -> HfModel:
    spec = parse_spec(f"{folder}{options}", invocation_dir=folder)
    model = load(spec, invocation_dir=folder, device="cpu", threads=threads, **chosen)
    assert isinstance(model, HfModel)
    return model


def clip(seed: int, seconds: float = 1.5, rate: int = 16_000) -> Audio:
    samples = (0.1 * np.random.default_rng(seed).normal(size=round(rate * seconds))).astype(np.float32)
    return Audio(samples, rate, hashlib.sha256(samples.tobytes()).hexdigest())


def ask(
    audio: Audio | None, prompt: str = "Is there a dog?", labels: tuple[str, ...] = LABELS, tokens: int = 6
) -> Request:
    return Request("an id", audio, prompt, labels, tokens, want_scores=bool(labels))


def mixed() -> list[Request]:
    """Prompts and clips of different lengths, with and without audio, limits and label counts that differ."""
    prompts = ["Is there a dog?", "Text: A dog is barking in the yard.\nIs there a dog? Answer with yes or no.", "?"]
    return [
        ask(
            None if n == 4 else clip(n // 3, 0.7 + 0.9 * (n % 3)),
            prompts[n % 3],
            LABELS[: 1 + n % 3] if n != 5 else (),
            2 + n % 5,
        )
        for n in range(9)
    ]


def text_of(response: Response) -> str:
    assert response.error is None
    assert response.text is not None
    return response.text


def scores_of(response: Response) -> dict[str, float]:
    return dict(response.scores or {})


def gap(one: Response, two: Response) -> float:
    first, second = scores_of(one), scores_of(two)
    assert set(first) == set(second)
    return max((abs(first[label] - second[label]) for label in first), default=0.0)


def decoder_of(model: HfModel) -> Decoder:
    """The plain path of a model."""
    return model._loaded().decoder


def engine_of(model: HfModel) -> Engine:
    """The engine of a model."""
    engine = model._loaded().engine
    assert engine is not None
    return engine


def force(model: HfModel, way: str) -> None:
    """Have a model continue in a way that it would not choose."""
    if way == "plain":
        model._loaded().engine = None
    else:
        engine_of(model).way = "rows" if way == "rows" else "tree"


@dataclass(frozen=True)
class Pass:
    """A forward pass of the language model: rows, tokens a row, and positions that were in the cache before."""

    rows: int
    tokens: int
    past: int


@contextmanager
def passes(real: Any) -> Iterator[list[Pass]]:
    """Every forward pass of a transformers model's language part, as long as the context lasts."""
    seen: list[Pass] = []

    def note(_: Any, __: Any, given: dict[str, Any]) -> None:
        rows, tokens, _ = given["inputs_embeds"].shape
        cache = given["past_key_values"]
        seen.append(Pass(rows, tokens, 0 if cache is None else cache.get_seq_length()))

    hook = real.get_decoder().register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def tight(real: Any, rows: int) -> Iterator[None]:
    """A machine whose memory holds a forward pass of so many rows."""

    def check(_: Any, __: Any, given: dict[str, Any]) -> None:
        if len(given["inputs_embeds"]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = real.get_decoder().register_forward_pre_hook(check, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def drift(model: HfModel, requests: list[Request]) -> float:
    """How far a model's answers are from its own plain path's, in nats; infinite where a text differs."""
    pairs = list(zip(model.respond(requests), model.respond_plain(requests), strict=True))
    same = all((one.text, one.error) == (two.text, two.error) for one, two in pairs)
    return max((gap(one, two) for one, two in pairs), default=0.0) if same else math.inf


def plain(model: HfModel) -> Any:
    checkpoint = model._checkpoint
    assert checkpoint is not None
    return checkpoint


@torch.inference_mode()
def brute_force(model: HfModel, request: Request) -> dict[str, float]:
    """One whole forward pass a label, batch of one, no padding, no cache: the definition of a score."""
    checkpoint = plain(model)
    tokenizer = checkpoint.processor.tokenizer
    inputs = model._inputs.build([request])
    prompt = inputs.pop("input_ids")
    del inputs["attention_mask"]
    kinds: dict[str, torch.Tensor] = {name: inputs.pop(name) for name in TEXT if name in inputs}
    found = {}
    for label in request.candidates:
        tail = [*tokenizer(label, add_special_tokens=False)["input_ids"], checkpoint.turn_end]
        ids = torch.cat([prompt, torch.tensor([tail])], 1)
        longer: dict[str, torch.Tensor] = {
            name: torch.nn.functional.pad(kind, (0, len(tail))) for name, kind in kinds.items()
        }
        given: dict[str, Any] = {**inputs, **longer, "attention_mask": torch.ones_like(ids)}
        logits = checkpoint.model(input_ids=ids, **given).logits[0].float()
        chances = logits.log_softmax(-1)[prompt.shape[1] - 1 :]
        found[label] = sum(float(chances[place, token]) for place, token in enumerate(tail))
    return found


def generated(model: HfModel, request: Request, **chosen: Any) -> str:
    """What transformers' own `generate` says."""
    checkpoint = plain(model)
    inputs = model._inputs.build([request])
    ids = checkpoint.model.generate(**inputs, max_new_tokens=request.max_new_tokens, **chosen)
    return str(checkpoint.processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
