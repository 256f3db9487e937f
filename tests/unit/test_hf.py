# mypy: allow-untyped-calls
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_decode import Decoder
from tests.unit.tiny_requests import TOLERANCE, ask, clip, gap, generated, loaded, mixed, text_of


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_in_a_batch_as_alone(tiny_model_dir: Path, attention: str) -> None:
    model = loaded(tiny_model_dir, f"?attn={attention}")
    requests = mixed()
    for request, together in zip(requests, model.respond(requests), strict=True):
        [alone] = model.respond([request])
        assert text_of(alone) == text_of(together)
        assert gap(alone, together) < TOLERANCE


def test_greedy_text_is_what_transformers_generates(model: HfModel) -> None:
    requests = mixed()
    said = [text_of(response) for response in model.respond(requests)]
    assert said == [generated(model, request, do_sample=False) for request in requests]
    assert len(set(said)) > 3


def test_the_checkpoints_own_generation_config_is_set_aside_unless_asked_for(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model_dir, tmp_path / "penalised")
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"repetition_penalty": 8.0}))
    greedy, kept = loaded(folder), loaded(folder, "?generation=model")
    requests = [ask(clip(n), tokens=12) for n in range(3)]
    raw = [text_of(response) for response in greedy.respond(requests)]
    assert raw == [generated(greedy, request, do_sample=False, repetition_penalty=1.0) for request in requests]
    own = [text_of(response) for response in kept.respond(requests)]
    assert own == [generated(kept, request) for request in requests]
    assert own != raw
    assert kept.traits["checkpoint_generation"] == {"repetition_penalty": 8.0}
    assert greedy.fingerprint() != kept.fingerprint()


def test_a_sampling_checkpoint_repeats_itself(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model_dir, tmp_path / "sampling")
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"do_sample": True, "temperature": 2.0}))
    kept = loaded(folder, "?generation=model")
    requests = mixed()
    said = [text_of(response) for response in kept.respond(requests)]
    assert said == [text_of(kept.respond([request])[0]) for request in requests]


def test_different_audio_moves_the_scores(model: HfModel) -> None:
    one, two, again = model.respond([ask(clip(1)), ask(clip(2)), ask(clip(1))])
    assert gap(one, two) > 0.05
    assert gap(one, again) < TOLERANCE


@pytest.mark.parametrize("fits", [1, 3])
def test_out_of_memory_halves_the_batch(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, fits: int) -> None:
    model, requests = loaded(tiny_model_dir), mixed()
    expected = model.respond(requests)
    real = Decoder.prefill

    def tight(self: Decoder, inputs: dict[str, torch.Tensor]) -> Any:
        if len(inputs["input_ids"]) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, inputs)

    monkeypatch.setattr(Decoder, "prefill", tight)
    for one, two in zip(model.respond(requests), expected, strict=True):
        assert text_of(one) == text_of(two)
        assert gap(one, two) < TOLERANCE


def test_out_of_memory_at_one_row_is_an_error(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = loaded(tiny_model_dir)
    monkeypatch.setattr(Decoder, "prefill", full)
    with pytest.raises(torch.OutOfMemoryError):
        model.respond(mixed())


def test_bfloat16_runs_and_is_close(tiny_model_dir: Path, model: HfModel) -> None:
    half = loaded(tiny_model_dir, "?dtype=bfloat16")
    assert half.dtype == "bfloat16"
    [one], [two] = half.respond([ask(clip(1))]), model.respond([ask(clip(1))])
    assert gap(one, two) < 2.0  # wide random weights; a wrong path is off by tens
