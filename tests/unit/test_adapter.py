# mypy: allow-untyped-calls
"""A LoRA adapter from a folder of its own: on in every branch, part of the fingerprint, refused where it cannot fit."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pytest_mcr.errors import ModelError
from pytest_mcr.models import hf_files
from pytest_mcr.models.hf_load import load_checkpoint
from pytest_mcr.train.lora_model import add_adapter, save_adapter, weights_of
from tests.unit.tiny import build
from tests.unit.tiny_requests import TOLERANCE, ask, clip, drift, gap, loaded

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny model, and an adapter for it whose weights are random, so that it changes every answer."""
    home = tmp_path_factory.mktemp("adapter")
    model = build(home / "model", seconds=2)
    checkpoint = load_checkpoint(model, device="cpu", dtype="auto", attention=None)
    config, _ = add_adapter(checkpoint.model, 4, 0)
    torch.manual_seed(1)
    weights = {name: torch.randn_like(value) * 0.1 for name, value in weights_of(checkpoint.model).items()}
    save_adapter(home / "tuned", config, weights, "tiny")
    return model, home / "tuned"


def test_an_adapter_is_on_with_and_without_audio(made: tuple[Path, Path]) -> None:
    model, adapter = made
    tuned, base = loaded(model, f"?adapter={adapter}"), loaded(model)
    requests = [ask(clip(1)), ask(None)]
    assert drift(tuned, requests) < TOLERANCE
    assert min(map(gap, tuned.respond(requests), base.respond(requests))) > 0.05
    assert (tuned.traits["adapter"], base.traits["adapter"]) == ("tuned", None)


def test_the_fingerprint_holds_the_adapters_bytes_and_not_its_place(made: tuple[Path, Path], tmp_path: Path) -> None:
    model, adapter = made
    copy = shutil.copytree(adapter, tmp_path / "copy")
    base, one, two = (loaded(model, words).fingerprint() for words in ("", f"?adapter={adapter}", f"?adapter={copy}"))
    assert one == two != base
    weights = load_file(copy / WEIGHTS)
    save_file({name: value * 2 for name, value in weights.items()}, copy / WEIGHTS, metadata={"format": "pt"})
    assert loaded(model, f"?adapter={copy}").fingerprint() not in (one, base)


def drop_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def tear_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{")


def other_kind(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "IA3"}')


def pickle_weights(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")


def drop_one(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    del weights[min(weights)]
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def add_one(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    name = min(weights).replace("layers.0", "layers.7")
    save_file(weights | {name: torch.zeros(4, 64)}, folder / WEIGHTS, metadata={"format": "pt"})


def other_rank(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 2}))


def other_layers(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["nowhere"]}))


def torn_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:100])


def other_base(folder: Path) -> None:
    (folder / "training.json").write_text('{"base_weights": "0123456789abcdef"}')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, "no such folder; expected one with adapter_config.json and adapter_model.safetensors"),
        (drop_config, "has no adapter_config.json"),
        (tear_config, "adapter_config.json cannot be read as JSON"),
        (other_kind, "peft_type is 'IA3'; expected 'LORA'"),
        (pickle_weights, "has only adapter_model.bin; expected adapter_model.safetensors"),
        (drop_one, "1 weights of its adapter are missing"),
        (add_one, "1 weights of its adapter are unknown to the model"),
        (other_rank, "does not fit"),
        (other_layers, "does not fit"),
        (torn_weights, "does not fit"),
        (other_base, "was trained on other weights (sha256 0123456789ab) than this model's"),
    ],
)
def test_an_adapter_that_cannot_be_put_on(
    made: tuple[Path, Path], tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    model, adapter = made
    copy = shutil.copytree(adapter, tmp_path / "copy")
    spoil(copy)
    with pytest.raises(ModelError) as caught:
        loaded(model, f"?adapter={copy}")
    message = str(caught.value)
    assert said in message
    assert f"{copy}" in message
    assert "\n" not in message


def test_its_own_base_is_taken(made: tuple[Path, Path], tmp_path: Path) -> None:
    model, adapter = made
    copy = shutil.copytree(adapter, tmp_path / "copy")
    (copy / "training.json").write_text(json.dumps({"base_weights": hf_files.weights_digest(model)}))
    assert loaded(model, f"?adapter={copy}").traits["adapter"] == "copy"


def test_a_clip_that_it_was_trained_on_is_an_error_and_never_a_score(made: tuple[Path, Path], tmp_path: Path) -> None:
    """Also where the clip comes under another name and prompt."""
    model, adapter = made
    copy = shutil.copytree(adapter, tmp_path / "copy")
    (copy / "training.json").write_text(json.dumps({"clips": [clip(1).digest]}))
    tuned = loaded(model, f"?adapter={copy}")
    requests = [ask(clip(2)), ask(clip(1), "?"), ask(None), ask(clip(1))]
    for answers in (tuned.respond(requests), tuned.respond_plain(requests)):
        assert [bool(one.error) for one in answers] == [False, True, False, True]
        assert "the adapter was trained on this clip" in str(answers[1].error)
        assert answers[1].text is None
    (copy / "training.json").write_text(json.dumps({"clips": "all"}))
    with pytest.raises(ModelError, match=r"training\.json: clips is no list of digests"):
        loaded(model, f"?adapter={copy}")


def test_an_adapter_without_peft_is_not_left_out(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else real(name, *rest))
    with pytest.raises(ModelError, match=r"needs peft; type: pip install 'pytest-mcr\[lora\]'"):
        loaded(made[0], f"?adapter={made[1]}")


def test_two_adapters_and_an_adapter_for_a_model(made: tuple[Path, Path], tmp_path: Path) -> None:
    model, adapter = made
    both = shutil.copytree(model, tmp_path / "both")
    for name in ("adapter_config.json", WEIGHTS):
        shutil.copy(adapter / name, both / name)
    with pytest.raises(ModelError, match="an adapter lies beside its weights already; leave adapter= out"):
        loaded(both, f"?adapter={adapter}")
    with pytest.raises(ModelError, match=r"holds a LoRA adapter and no model; type: --mcr-model 'MODEL\?adapter="):
        loaded(adapter)
