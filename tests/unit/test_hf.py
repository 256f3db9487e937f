# mypy: allow-untyped-calls
import json
import shutil
import time
from pathlib import Path

import pytest
import torch

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf import HfModel
from tests.unit.tiny_requests import (
    TOLERANCE,
    ask,
    clip,
    engine_of,
    force,
    gap,
    generated,
    loaded,
    mixed,
    passes,
    plain,
    text_of,
    tight,
)


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
@pytest.mark.parametrize("way", ["tree", "rows", "plain"])
def test_out_of_memory_halves_the_batch(tiny_model_dir: Path, fits: int, way: str) -> None:
    model, requests = loaded(tiny_model_dir), mixed()
    expected = model.respond(requests)
    force(model, way)
    with passes(plain(model).model) as seen, tight(plain(model).model, fits):
        answers = model.respond(requests)
    assert [text_of(answer) for answer in answers] == [text_of(answer) for answer in expected]
    assert max(map(gap, answers, expected)) < TOLERANCE
    assert max(one.rows for one in seen) > fits
    with passes(plain(model).model) as seen:
        model.respond(requests)
    assert max(one.rows for one in seen) <= 2 * fits  # remembered: the last halving was needed


def test_out_of_memory_at_one_row_is_an_error(tiny_model_dir: Path) -> None:
    model = loaded(tiny_model_dir)
    with tight(plain(model).model, 0), pytest.raises(torch.OutOfMemoryError):
        model.respond(mixed())
    assert model.respond(mixed())[0].error is None  # nothing is left half done


def test_another_error_is_not_taken_for_a_lack_of_memory(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tried = loaded(tiny_model_dir), []

    def broken(*_: object, **__: object) -> None:
        tried.append(1)
        raise RuntimeError("a kernel failed")

    monkeypatch.setattr(engine_of(model), "answer", broken)
    with pytest.raises(RuntimeError, match="a kernel failed"):
        model.respond(mixed())
    assert len(tried) == 1


def test_the_time_is_told_by_stage_and_only_once(model: HfModel) -> None:
    model.spent()
    began = time.perf_counter()
    model.respond(mixed())
    took = time.perf_counter() - began
    stages = model.spent()
    assert set(stages) == {"features", "prefill", "suffix", "decode"}
    assert all(seconds > 0 for seconds in stages.values())
    assert 0.5 * took < sum(stages.values()) <= took
    assert model.spent() == {}


def test_features_made_ahead_are_used(model: HfModel) -> None:
    request = ask(clip(11))
    expected = model.respond_plain([request])[0]
    model.prefetch(clip(11))
    [answer] = model.respond([request])
    assert text_of(answer) == text_of(expected)
    assert gap(answer, expected) < TOLERANCE


def test_a_given_batch_size_is_kept(tiny_model_dir: Path) -> None:
    model = loaded(tiny_model_dir, batch_size=2)
    with passes(plain(model).model) as seen:
        answers = model.respond(mixed())
    assert max(one.rows for one in seen) == 2
    assert max(map(gap, answers, model.respond_plain(mixed()))) < TOLERANCE


def test_a_processor_on_a_cpu_is_not_fitted(model: HfModel) -> None:
    with passes(plain(model).model) as seen:
        model.fit(ask(clip(1)))
    assert seen == []


def test_closing_forgets_the_engine(tiny_model_dir: Path) -> None:
    model = loaded(tiny_model_dir)
    model.respond([ask(clip(1))])
    model.close()
    with pytest.raises(ModelError, match="was closed"):
        model.respond_plain([ask(clip(1))])


def test_bfloat16_runs_and_is_close(tiny_model_dir: Path, model: HfModel) -> None:
    half = loaded(tiny_model_dir, "?dtype=bfloat16")
    assert half.dtype == "bfloat16"
    [one], [two] = half.respond([ask(clip(1))]), model.respond([ask(clip(1))])
    assert gap(one, two) < 2.0  # wide random weights; a wrong path is off by tens
