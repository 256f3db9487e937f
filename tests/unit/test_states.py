# mypy: allow-untyped-calls
"""Hidden states of a tiny Qwen2-Audio are the model's own, and come back from disk as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_mcr.errors import StatesError
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import Checkpoint, load_checkpoint
from pytest_mcr.probes.awareness_states import silence
from pytest_mcr.probes.body import Body, UnfitError, tensors
from pytest_mcr.probes.states import CHUNK_ROWS, Reader, StateWriter
from tests.unit.tiny import build
from tests.unit.tiny_requests import clip

PROMPT = "Text: A dog is barking. Question: Is there a dog?"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = build(tmp_path_factory.mktemp("tiny") / "deep", layers=3)
    return load_checkpoint(folder, device="cpu", dtype="float32", attention=None)


@pytest.fixture(scope="module")
def inputs(checkpoint: Checkpoint) -> Iterator[Inputs]:
    made = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id)
    yield made
    made.close()


def test_they_are_the_models_own_and_the_head_is_not_run(checkpoint: Checkpoint, inputs: Inputs) -> None:
    encoded = inputs.encode(clip(0), [PROMPT])
    prompt = tensors(encoded.ids[0], encoded.audio, checkpoint)
    with torch.inference_mode():
        own = checkpoint.model(**prompt, use_cache=False, output_hidden_states=True).hidden_states
    heads: list[object] = []
    body = Body(checkpoint)
    handle = checkpoint.model.get_output_embeddings().register_forward_hook(lambda *_: heads.append(1))
    try:
        found = Reader(body, [0, 1, 2]).read(prompt)
        last = Reader(body, [3]).read(prompt)
    finally:
        handle.remove()
    assert not heads
    for layer in (0, 1, 2):
        torch.testing.assert_close(found[layer], own[layer][0, -1])
    normed = body.decoder.norm(last)  # transformers gives the last layer after the final norm
    torch.testing.assert_close(normed[0], own[3][0, -1])


def test_the_clip_counts_and_silence_is_another(checkpoint: Checkpoint, inputs: Inputs) -> None:
    reader = Reader(Body(checkpoint), [3])
    states = []
    for audio in (clip(0), clip(1), silence(clip(0))):
        encoded = inputs.encode(audio, [PROMPT])
        states.append(reader.read(tensors(encoded.ids[0], encoded.audio, checkpoint)))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert float((states[one] - states[other]).abs().max()) > 1e-2
    assert silence(clip(0)).samples.shape == clip(0).samples.shape


def test_a_block_with_other_states_is_refused(checkpoint: Checkpoint, inputs: Inputs) -> None:
    encoded = inputs.encode(clip(0), [PROMPT])
    prompt = tensors(encoded.ids[0], encoded.audio, checkpoint)
    body = Body(checkpoint)
    handle = body.blocks[1].register_forward_hook(lambda *given: given[2].expand(2, -1, -1))
    try:
        with pytest.raises(UnfitError, match=r"states of shape \(2, "):
            Reader(body, [2]).read(prompt)
    finally:
        handle.remove()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_disk_gives_back_what_it_was_given(tmp_path: Path, dtype: torch.dtype) -> None:
    rows = CHUNK_ROWS + 44
    given = torch.randn(rows, 2, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    writer = StateWriter(tmp_path / "states", (4, 9))
    for row in given:
        writer.add(row)
    states = writer.close()
    assert len(states) == rows
    assert len(list((tmp_path / "states").iterdir())) == 2
    for place, layer in enumerate((4, 9)):
        np.testing.assert_array_equal(states.layer(layer), given[:, place].float().numpy())
    np.testing.assert_array_equal(states.layer(9, 250, 260), given[250:260, 1].float().numpy())


def test_one_bad_row_is_found_where_it_is_read_only(tmp_path: Path) -> None:
    writer = StateWriter(tmp_path, (1,))
    for number in range(10):
        writer.add(torch.full((1, 4), torch.inf if number == 7 else 1.0))
    states = writer.close()
    assert states.layer(1, 0, 7).shape == (7, 4)
    with pytest.raises(StatesError, match="1 of 10 states of layer 1 are not finite"):
        states.layer(1)
