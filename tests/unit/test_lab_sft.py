"""The shipped adapter: small, described by its card, what its command makes, and better against false texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, NEUTRAL
from pytest_mcr.core.prompts import DISCRETION, render
from pytest_mcr.data import release
from pytest_mcr.data.audio import decode
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models import hf_files
from pytest_mcr.models.protocol import Request
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.train.lora import main
from pytest_mcr.train.lora_card import adapter_card
from pytest_mcr.train.lora_model import PREFIX, digest_of

FOLDER = fixture("lab-sft")
FACTS: dict[str, Any] = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_it_is_small_and_as_its_record_says() -> None:
    names = {"adapter_config.json", "adapter_model.safetensors", "training.json", "README.md"}
    assert {path.name for path in FOLDER.iterdir()} == names
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
    weights = load_file(FOLDER / "adapter_model.safetensors")
    assert sum(value.numel() for value in weights.values()) == FACTS["parameters"]
    assert digest_of({name.removeprefix(PREFIX): value for name, value in weights.items()}) == FACTS["weights"]
    assert hf_files.weights_digest(fixture("lab-model")) == FACTS["base_weights"]
    with safe_open(str(FOLDER / "adapter_model.safetensors"), framework="pt") as file:
        assert all("audio_tower" not in name and "lora_" in name for name in file.keys())  # noqa: SIM118


def test_the_card_says_what_must_be_said() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert card.startswith(adapter_card(FACTS))
    for phrase in ("CC0-1.0", "held-out clips", "faithful samples", "Never claimed", "blocked by", "paired"):
        assert phrase in card, phrase


def test_it_hears_against_a_false_text() -> None:
    """On a few clips of every task; the whole benchmark is judged through the plugin."""
    model = load(parse_spec("lab-sft", invocation_dir=Path.cwd()), invocation_dir=Path.cwd(), device="cpu", threads=1)
    assert getattr(model, "traits", {})["adapter"] == "lab-sft"
    dataset = release.load(fixture("mini-mcr"))
    right = dict.fromkeys((NEUTRAL, FAITHFUL, ADVERSARIAL), 0)
    chosen = [sample for sample in dataset.samples if int(sample.id[-4:]) < 10]
    for condition in right:
        requests = [
            Request(
                sample.id, decode(dataset.root / sample.audio), render(DISCRETION, sample, condition),
                sample.candidates, 8, False,
            )
            for sample in chosen
        ]  # fmt: skip
        answers = [one.text for one in model.respond(requests)]
        right[condition] = sum(said == sample.gold for said, sample in zip(answers, chosen, strict=True))
    assert right[NEUTRAL] >= 26
    assert right[FAITHFUL] >= 24
    assert right[ADVERSARIAL] >= 24


@pytest.mark.slow
def test_its_command_makes_it_again(tmp_path: Path) -> None:
    """Another CPU rounds otherwise, so not to the byte: the same examples, steps and losses."""
    assert main(["--model", "lab", "--data", "synthetic", "--out", str(tmp_path / "again")]) == 0
    again = json.loads((tmp_path / "again" / "training.json").read_text(encoding="utf-8"))
    vary = {"weights", "history", "versions", "kept_step"}
    assert {key: again[key] for key in again.keys() - vary} == {key: FACTS[key] for key in FACTS.keys() - vary}
    for (step, loss, dev), (known_step, known_loss, known_dev) in zip(again["history"], FACTS["history"], strict=True):
        assert step == known_step
        assert loss == pytest.approx(known_loss, rel=0.2)
        assert dev == pytest.approx(known_dev, rel=0.2)
