"""DoLa's scores of a local model: logits of every layer where each token of a candidate comes next.

Each candidate runs with its whole prompt once, and all layers are read in that pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pytest_mcr.core.dola import bucket, label_score
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.protocol import Audio
from pytest_mcr.probes.body import Body, UnfitError, tensors
from pytest_mcr.probes.trials import lens_refusal

Way = tuple[str, float]
"""Name of the bucket, and the mask's alpha."""


class EarlyExits:
    """Scores candidates by DoLa.

    Args:
        model: local.

    Raises:
        UnfitError: its decoder has no list of blocks.
    """

    def __init__(self, model: HfModel) -> None:
        self._model = model
        self._body = Body(model.checkpoint)
        self._tried = False
        self._refusal: str | None = None

    @torch.inference_mode()
    def scores(
        self, audio: Audio, prompt: str, candidates: Sequence[str], ways: Sequence[Way]
    ) -> list[dict[str, float]]:
        """A score a candidate for each way, in nats.

        Args:
            audio: a clip that the model can hear.
            prompt: the user turn's text.
            candidates: labels.
            ways: buckets and masks.

        Raises:
            UnfitError: inner layers of this model cannot be read, a bucket has none, or memory does not suffice.
            DeliveryError: the audio did not become placeholders and features.
            ArithmeticError: logits are not numbers.
        """
        checkpoint = self._model.checkpoint
        encoded = self._model.inputs.encode(audio, [prompt])
        [ids] = encoded.ids
        self._try(tensors(ids, encoded.audio, checkpoint))
        buckets = [self._layers(name) for name, _ in ways]
        found: list[dict[str, float]] = [{} for _ in ways]
        for label in candidates:
            tokens = [*self._label(label), checkpoint.turn_end]
            logits = self._logits(tensors([*ids, *tokens[:-1]], encoded.audio, checkpoint), len(tokens))
            for scores, layers, (_, mask) in zip(found, buckets, ways, strict=True):
                scores[label] = label_score(_array(logits[-1]), _array(logits[layers]), tokens, mask)
        return found

    def _try(self, prompt: dict[str, Any]) -> None:
        if not self._tried:
            self._tried, self._refusal = True, lens_refusal(self._body, prompt)
        if self._refusal is not None:
            raise UnfitError(self._refusal)

    def _logits(self, prompt: dict[str, Any], last: int) -> torch.Tensor:
        """Shape (layers + 1, last, vocabulary)."""
        try:
            look = self._body.look(prompt, every=True, last=last)
        except torch.OutOfMemoryError as error:
            raise UnfitError("the logits of all its layers do not fit in memory") from error
        return look.logits.reshape(self._body.depth + 1, last, -1)

    def _layers(self, name: str) -> list[int]:
        model = self._body.model
        head, words = model.get_output_embeddings(), model.get_input_embeddings()
        tied = head is not None and words is not None and head.weight is words.weight
        layers = bucket(name, self._body.depth, tied=tied)
        if not layers:
            raise UnfitError(f"the bucket {name} of its {self._body.depth} blocks is empty; type the other bucket")
        return layers

    def _label(self, label: str) -> list[int]:
        tokenizer = self._model.checkpoint.processor.tokenizer
        return [int(token) for token in tokenizer(label, add_special_tokens=False)["input_ids"]]


def _array(logits: torch.Tensor) -> Any:
    return logits.double().cpu().numpy()
