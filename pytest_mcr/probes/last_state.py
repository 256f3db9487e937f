"""The one hidden state that the probe of a calibration head reads: branch J's at the last position."""

from __future__ import annotations

import numpy as np
import torch

from pytest_mcr.core.head_probe import State
from pytest_mcr.errors import StatesError
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.protocol import Audio, Model
from pytest_mcr.probes.body import Body, UnfitError, tensors
from pytest_mcr.probes.layers import at_depth
from pytest_mcr.probes.states import Reader


class StateReader:
    """Reads the states of one layer.

    Args:
        model: that answers the questions.
        depth: relative depth, in (0, 1]; 1 is the last block.
        layer: in place of a depth.

    Raises:
        UnfitError: the model is not in this process, or its inside has no such states.

    Attributes:
        layer: that is read, 0 the embeddings.
    """

    def __init__(self, model: Model, *, depth: float | None = None, layer: int | None = None) -> None:
        if not isinstance(model, HfModel):
            raise UnfitError(f"{model.name}: only a model in this process shows its hidden states")
        body = Body(model.checkpoint)
        self.layer = at_depth(depth or 0.0, body.depth) if layer is None else layer
        if self.layer > body.depth:
            raise UnfitError(f"the model has no layer {self.layer}; its last one is {body.depth}")
        self._model = model
        self._reader = Reader(body, [self.layer])

    def read(self, audio: Audio, prompt: str) -> State:
        """The state after a prompt, shape (width,).

        Raises:
            StatesError: it is not finite, or the clip cannot be played.
            UnfitError: the states of the blocks are no (1, tokens, width) tensors.
            DeliveryError: the audio did not become placeholders and features.
        """
        refusal = self._model.inputs.refusal(audio)
        if refusal is not None:
            raise StatesError(refusal)
        encoded = self._model.inputs.encode(audio, [prompt])
        [ids] = encoded.ids
        state = self._reader.read(tensors(ids, encoded.audio, self._model.checkpoint))[0]
        if not bool(torch.isfinite(state).all()):
            raise StatesError(f"the hidden state of layer {self.layer} is not finite")
        found: State = state.float().numpy().astype(np.float32)
        return found
