# mypy: allow-untyped-calls
"""An audio tower's window is narrowed only where nothing that the language model is given changes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.prefix_window import Window, narrows
from tests.unit.tiny import build_flamingo
from tests.unit.tiny_requests import TOLERANCE, ask, clip, decoder_of, drift, loaded, plain
from tests.unit.tiny_thinker import thinker

SECONDS = (0.3, 1.0, 2.5)


@pytest.fixture
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


def prompts(model: HfModel) -> list[dict[str, torch.Tensor]]:
    return [model._inputs.build([ask(clip(seed, seconds))]) for seed, seconds in enumerate(SECONDS)]


def frames_run(model: HfModel, seconds: float) -> int:
    """Frames that the tower takes for a clip."""
    seen: list[int] = []
    tower = plain(model).model.model.audio_tower

    def note(_: Any, args: Any, given: Any) -> None:
        seen.append((args[0] if args else given["input_features"]).shape[-1])

    hook = tower.register_forward_pre_hook(note, with_kwargs=True)
    model.respond([ask(clip(1, seconds))])
    hook.remove()
    assert len(seen) == 1
    return seen[0]


def test_a_short_clip_costs_its_own_length(model: HfModel) -> None:
    assert model.traits["engine"]["narrows_window"] is True  # type: ignore[index]
    assert frames_run(model, 1.0) == 104
    assert frames_run(model, 1.013) == 108
    assert frames_run(model, 3.99) == 400


def test_another_family_too(tmp_path: Path) -> None:
    model = loaded(build_flamingo(tmp_path / "flamingo", seconds=4))
    assert narrows(plain(model).model, prompts(model))
    assert frames_run(model, 1.0) == 104
    assert drift(model, [ask(clip(seed, seconds)) for seed, seconds in enumerate((0.3, 3.0, 6.0))]) < TOLERANCE


def test_every_length_gives_the_plain_paths_answers(model: HfModel) -> None:
    lengths = [0.1 + step * 0.007 for step in range(12)] + [3.9, 3.97, 4.0]
    assert drift(model, [ask(clip(seed, seconds)) for seed, seconds in enumerate(lengths)]) < TOLERANCE


def test_a_tower_that_hears_the_silence_keeps_its_window(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = plain(model).model
    assert narrows(real, prompts(model))
    tower = real.model.audio_tower
    whole = tower.forward
    monkeypatch.setattr(tower, "forward", lambda features, attention_mask=None: whole(features))
    assert not narrows(real, prompts(model))


def test_a_window_cut_too_short_would_be_seen(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mcr.models.prefix_window.MARGIN", -3)
    assert not narrows(plain(model).model, prompts(model))


def test_clips_that_fill_the_window_prove_nothing(model: HfModel) -> None:
    assert not narrows(plain(model).model, [model._inputs.build([ask(clip(1, 4.0))])])


@pytest.mark.parametrize("fails", [False, True])
def test_the_tower_is_as_it_was_afterwards(model: HfModel, fails: bool) -> None:
    tower = plain(model).model.model.audio_tower
    weight, whole = tower.embed_positions.weight, tower.config.max_source_positions
    window = Window(plain(model).model)
    try:
        with window.narrowed(prompts(model)[0]) as inputs:
            assert tower.config.max_source_positions == len(tower.embed_positions.weight) < whole
            assert inputs["input_features"].shape[-1] == 2 * tower.config.max_source_positions
            if fails:
                raise RuntimeError
    except RuntimeError:
        pass
    assert tower.embed_positions.weight is weight
    assert tower.config.max_source_positions == whole


def test_what_has_no_such_tower_is_left_alone(model: HfModel) -> None:
    given = prompts(model)[0]
    with Window(thinker()).narrowed(given) as inputs:
        assert inputs is given
    text_only = {"input_ids": given["input_ids"]}
    with Window(plain(model).model).narrowed(text_only) as inputs:
        assert inputs is text_only


def test_a_plain_answer_hears_the_whole_window(model: HfModel) -> None:
    assert decoder_of(model).network.window is not None
    seen: list[int] = []
    tower = plain(model).model.model.audio_tower
    hook = tower.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-1]))
    model.respond_plain([ask(clip(1, 1.0))])
    hook.remove()
    assert seen == [400]
