"""The lab model's shipped weights and the mini benchmark: small, described, and behaving as their cards say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
)

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, NEUTRAL
from pytest_mcr.core.prompts import DISCRETION, PAPER
from pytest_mcr.data.synth import RATE
from pytest_mcr.train.lab_eval import answers, read_samples

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture(scope="module")
def shipped() -> tuple[Any, Any]:
    folder = FIXTURES / "lab-model"
    model = AutoModelForMultimodalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]


def test_shipped_weights_are_small_and_as_described(shipped: tuple[Any, Any]) -> None:
    model, processor = shipped
    assert isinstance(model, Qwen2AudioForConditionalGeneration)
    assert isinstance(processor, Qwen2AudioProcessor)
    assert 1_500_000 < sum(weights.numel() for weights in model.parameters()) < 2_500_000
    assert processor.feature_extractor.chunk_length == 8
    with safe_open(str(FIXTURES / "lab-model" / "model.safetensors"), framework="pt") as file:
        names = list(file.keys())
        assert {file.get_slice(name).get_dtype() for name in names} == {"BF16"}
    sizes = [path.stat().st_size for name in ("lab-model", "mini-mcr") for path in (FIXTURES / name).rglob("*")]
    assert sum(sizes) < 14_000_000


def test_shipped_model_hears_and_believes_text(shipped: tuple[Any, Any]) -> None:
    """On a few samples of every task; the whole benchmark is judged through the plugin."""
    model, processor = shipped
    for task, samples in read_samples(FIXTURES / "mini-mcr").items():
        few = samples[:16]
        right = {
            condition: np.mean([
                said == sample.gold
                for said, sample in zip(answers(model, processor, few, condition, DISCRETION), few, strict=True)
            ])
            for condition in (NEUTRAL, FAITHFUL, ADVERSARIAL)
        }  # fmt: skip
        assert right[NEUTRAL] >= 0.75, task
        assert right[FAITHFUL] >= 0.85, task
        assert right[ADVERSARIAL] <= 0.35, task


def test_shipped_model_answers_recordings_it_never_heard(shipped: tuple[Any, Any], tmp_path: Path) -> None:
    """Silence, full-scale noise and a very short click: an answer, no crash."""
    model, processor = shipped
    samples = read_samples(FIXTURES / "mini-mcr")["VSC"][:3]
    noises = [np.zeros(2 * RATE), np.random.default_rng(0).uniform(-1, 1, 8 * RATE), np.eye(1, 800)[0]]
    changed = []
    for number, (sample, noise) in enumerate(zip(samples, noises, strict=True)):
        soundfile.write(tmp_path / f"{number}.wav", noise, RATE)
        changed.append(replace(sample, audio=str(tmp_path / f"{number}.wav")))
    assert all(text.strip() for text in answers(model, processor, changed, NEUTRAL, PAPER))


def test_cards_say_what_must_be_said() -> None:
    card = (FIXTURES / "lab-model" / "README.md").read_text(encoding="utf-8")
    for phrase in (
        *("CC0-1.0", "always true", "joint", "mismatched", "K =", "chance", "Held out", "Unseen synonyms"),
        *("In grammar", "demonstrations", "Never claimed", "synthetic prosody"),
    ):
        assert phrase in card, phrase
    card = (FIXTURES / "mini-mcr" / "README.md").read_text(encoding="utf-8")
    for phrase in ("CC0-1.0", "seed", "Never claimed", "not MCR-BENCH"):
        assert phrase in card, phrase
