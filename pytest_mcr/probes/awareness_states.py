"""Reads the hidden states of the crossed design: branches J and T of every pair, branch A of every clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from pytest_mcr.core.case import NEUTRAL
from pytest_mcr.core.crossing import Pair
from pytest_mcr.core.prompts import Template, render, render_text
from pytest_mcr.data.audio import digest
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.protocol import Audio
from pytest_mcr.probes.awareness import Stores
from pytest_mcr.probes.body import Body, tensors
from pytest_mcr.probes.states import Reader, StateWriter


def read_states(
    model: HfModel,
    pairs: Sequence[Pair],
    layers: Sequence[int],
    folder: Path,
    *,
    clip: Callable[[str], Audio],
    template: Template,
    check: Callable[[], None] = lambda: None,
) -> Stores:
    """Read the states of all pairs, one clip at a time.

    Args:
        model: local.
        pairs: those of a clip together; its clips can be decoded and heard.
        layers: ascending.
        folder: for the states.
        clip: gives a clip of the data at the model's rate.
        template: of the prompts.
        check: called before each clip, and later before the probes of a layer; raises where there is no time.

    Raises:
        UnfitError: the model's inside has no such states.
        DeliveryError: the audio did not become placeholders and features.
    """
    reader = Reader(Body(model.checkpoint), layers)
    joint, text, audio = (StateWriter(folder / branch, layers) for branch in ("joint", "text", "audio"))
    for _, own in groupby(pairs, key=lambda pair: pair.sample.id):
        check()
        group = list(own)
        sample = group[0].sample
        heard = clip(sample.audio)
        prompts = [render_text(template, pair.sample, pair.text) for pair in group]
        *joined, alone = _states(model, reader, heard, [*prompts, render(template, sample, NEUTRAL)])
        audio.add(alone)
        for states in joined:
            joint.add(states)
        for states in _states(model, reader, silence(heard), prompts):
            text.add(states)
    return Stores(joint.close(), text.close(), audio.close(), check)


def silence(audio: Audio) -> Audio:
    """Silence of a clip's length."""
    samples = np.zeros(len(audio.samples), np.float32)
    return Audio(samples, audio.rate, digest(samples, audio.rate))


def _states(model: HfModel, reader: Reader, audio: Audio, prompts: Sequence[str]) -> list[torch.Tensor]:
    encoded = model.inputs.encode(audio, prompts)
    return [reader.read(tensors(ids, encoded.audio, model.checkpoint)) for ids in encoded.ids]
