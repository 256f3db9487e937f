# mypy: allow-untyped-calls
"""An adapter on every family that can be built here: trained a few steps, saved, loaded again, on in the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pytest_mcr.core.prompts import DISCRETION
from pytest_mcr.data import release
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import load_checkpoint
from pytest_mcr.train.lora_batch import Examples
from pytest_mcr.train.lora_data import Example, Split
from pytest_mcr.train.lora_loop import Plan, Training
from pytest_mcr.train.lora_model import add_adapter, save_adapter
from tests.support import folders
from tests.unit import tiny_families, tiny_standins
from tests.unit.stand_in import StandIn
from tests.unit.tiny_requests import TOLERANCE, ask, clip, drift, gap, loaded

QUICK = ("audioflamingo3", "granite_speech", "qwen3_omni_moe")
FAMILIES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow, id=name)
    for name in (*tiny_families.REAL, *tiny_standins.STAND_INS)
    if name not in ("qwen2_audio", "voxtral")  # test_lora.py; a process of its own
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of a second and more: some families hear no less."""
    root = folders.dataset(tmp_path_factory.mktemp("families") / "data", 2)
    for number, path in enumerate(sorted(root.rglob("*.wav"))):
        samples = np.random.default_rng(number).normal(0, 0.1, 16_000 + 1600 * number)
        soundfile.write(path, samples, 16_000, subtype="PCM_16")
    return root


def built(family: str, folder: Path) -> Path | StandIn:
    if family in tiny_families.REAL:
        return tiny_families.REAL[family](folder)
    return tiny_standins.STAND_INS[family](folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_is_trained_and_loaded_again(family: str, data: Path, tmp_path: Path) -> None:
    made = built(family, tmp_path / "model")
    folder = made.folder if isinstance(made, StandIn) else made
    with made.serving() if isinstance(made, StandIn) else nullcontext():
        checkpoint = load_checkpoint(folder, device="cpu", dtype="auto", attention=None)
        inputs = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id)
        dataset = release.load(data)
        examples = Examples(checkpoint, inputs, dataset.root, DISCRETION)
        config, parameters = add_adapter(checkpoint.model, 4, 0)
        four = [Example(sample, "adversarial") for sample in dataset.samples]
        plan = Plan(epochs=1, steps=6, batch=4, accumulate=1, rate=1e-2, seed=0)
        training = Training(
            checkpoint.model, parameters, examples, Split(four, four), plan, tmp_path, {}, None, lambda _: None
        )
        before = training.dev_loss()
        kept = training.run()
        inputs.close()
        assert training.place.history[-1][2] < before
        save_adapter(tmp_path / "adapter", config, kept, "tiny")
        tuned, base = loaded(folder, f"?adapter={tmp_path / 'adapter'}"), loaded(folder)
        requests = [ask(clip(1, rate=tuned.sample_rate)), ask(clip(2, rate=tuned.sample_rate), "?")]
        assert drift(tuned, requests) < TOLERANCE
        assert min(map(gap, tuned.respond(requests), base.respond(requests))) > 10 * TOLERANCE
        tuned.close()
        base.close()
