# mypy: allow-untyped-calls
"""The engine gives the plain path's answers, whatever is asked together."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_batches import BatchLimit
from pytest_mcr.models.prefix import clip_of
from pytest_mcr.models.prefix_network import Network
from pytest_mcr.models.prefix_walk import Ask
from pytest_mcr.models.protocol import Audio, Request
from tests.unit.tiny import build_flamingo
from tests.unit.tiny_requests import (
    TOLERANCE,
    ask,
    clip,
    decoder_of,
    drift,
    engine_of,
    force,
    gap,
    loaded,
    mixed,
    text_of,
)

WAYS = ["tree", "rows", "plain"]
SILENCE = Audio(np.zeros(16_000, np.float32), 16_000, "silence")
CLIPS = [None, SILENCE, *(clip(seed, seconds) for seed, seconds in enumerate((0.3, 1.0, 1.0, 2.2, 3.9)))]
LABELS = ["yes", "no", "n", "yes, a dog", "yes, a", "a long label about a dog in the yard", "x"]
PROMPTS = st.one_of(
    st.sampled_from(["Is there a dog?", "Is there a cat?", "Is there a dog? Answer with yes or no.", "", "\n"]),
    st.lists(st.sampled_from(["dog", "Text: A dog is barking.", " yard", "?", "\n", "Laughter"]), max_size=12).map(
        "".join
    ),
)
REQUESTS = st.lists(
    st.builds(
        Request,
        id=st.just("an id"),
        audio=st.sampled_from(CLIPS),
        prompt=PROMPTS,
        candidates=st.lists(st.sampled_from(LABELS), unique=True, max_size=5).map(tuple),
        max_new_tokens=st.integers(0, 6),
        want_scores=st.booleans(),
    ),
    max_size=9,
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@pytest.fixture(scope="module")
def flamingo(tmp_path_factory: pytest.TempPathFactory) -> HfModel:
    return loaded(build_flamingo(tmp_path_factory.mktemp("tiny") / "flamingo", seconds=2))


@pytest.fixture
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@given(REQUESTS, st.integers(1, 9), st.sampled_from([8, 30, 512]))
@settings(max_examples=80)
def test_answers_are_the_plain_paths(shared: HfModel, requests: list[Request], size: int, nodes: int) -> None:
    shared._limit = BatchLimit(size)
    engine_of(shared)._nodes = nodes
    assert drift(shared, requests) < TOLERANCE


@given(REQUESTS)
@settings(max_examples=25)
def test_another_familys_answers_are_the_plain_paths(flamingo: HfModel, requests: list[Request]) -> None:
    assert drift(flamingo, requests) < TOLERANCE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_every_way_gives_the_same_answers(tiny_model_dir: Path, way: str, attention: str) -> None:
    model = loaded(tiny_model_dir, f"?attn={attention}")
    force(model, way)
    requests = [*mixed(), *(ask(CLIPS[3], f"{text}?") for text in ("a", "dog", "a dog"))]
    assert drift(model, requests) < TOLERANCE
    assert len({text_of(answer) for answer in model.respond(requests)}) > 3


@pytest.mark.parametrize("way", WAYS)
def test_another_family_in_every_way(tmp_path: Path, way: str) -> None:
    model = loaded(build_flamingo(tmp_path / "flamingo", seconds=2))
    force(model, way)
    assert drift(model, mixed()) < TOLERANCE


# --- negative controls -----------------------------------------------------------------------------------------------


def test_another_clips_cache_would_be_seen(model: HfModel) -> None:
    one, two = ask(CLIPS[3]), ask(CLIPS[4])
    assert drift(model, [one]) < TOLERANCE
    shelf = engine_of(model).shelf
    [key] = shelf.keys()
    assert two.audio is not None
    shelf._kept[two.audio.digest, *key[1:]] = shelf._kept.pop(key)
    assert drift(model, [two]) > 100 * TOLERANCE


def drop_positions(inputs: dict[str, Any]) -> None:
    del inputs["position_ids"]


def drop_prefix(inputs: dict[str, Any]) -> None:
    mask = inputs["attention_mask"] = inputs["attention_mask"].clone()
    mask[..., : -inputs["input_ids"].shape[1]] = torch.finfo(mask.dtype).min


def see_siblings(inputs: dict[str, Any]) -> None:
    mask = inputs["attention_mask"] = inputs["attention_mask"].clone()
    width = inputs["input_ids"].shape[1]
    mask[..., -width:] = torch.full((width, width), torch.finfo(mask.dtype).min).triu(1)


@pytest.mark.parametrize("spoil", [drop_positions, drop_prefix, see_siblings])
def test_a_wrong_position_or_mask_would_be_seen(
    model: HfModel, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[dict[str, Any]], None]
) -> None:
    real = Network.read

    def spoilt(self: Network, *places: Any, **inputs: Any) -> Any:
        spoil(inputs)
        return real(self, *places, **inputs)

    requests = [ask(CLIPS[3], prompt) for prompt in ("Is there a dog?", "Text: A dog.\nIs there a dog?")]
    assert drift(model, requests) < TOLERANCE
    monkeypatch.setattr(Network, "read", spoilt)
    assert drift(model, requests) > 100 * TOLERANCE


# --- the checkpoint's own generation settings ------------------------------------------------------------------------


def test_penalties_of_a_checkpoint_change_nothing(tiny_model_dir: Path, tmp_path: Path, model: HfModel) -> None:
    folder = shutil.copytree(tiny_model_dir, tmp_path / "penalised")
    config = json.loads((folder / "generation_config.json").read_text())
    config |= {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2}
    (folder / "generation_config.json").write_text(json.dumps(config))
    requests = [ask(CLIPS[which], tokens=12) for which in (2, 3, 4, 5)]
    penalised = loaded(folder)
    assert penalised.respond(requests) == model.respond(requests)
    own = loaded(folder, "?generation=model").respond(requests)
    assert [one.text for one in own] != [one.text for one in penalised.respond(requests)]
    assert max(map(gap, own, penalised.respond(requests))) < TOLERANCE


# --- what cannot share -----------------------------------------------------------------------------------------------


def test_prompts_that_share_no_audio_run_whole(tiny_model_dir: Path, tmp_path: Path) -> None:
    """A template that puts the text first."""
    folder = shutil.copytree(tiny_model_dir, tmp_path / "text-first")
    template = folder / "chat_template.jinja"
    words = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for part in m['content'] %}"
        "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
        "{% for part in m['content'] %}{% if part['type'] == 'audio' %}<|AUDIO|>{% endif %}{% endfor %}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    template.write_text(words)
    model = loaded(folder)
    engine: Any = model.traits["engine"]
    assert engine["continuation"] == "plain"
    assert engine["reason"].startswith("tree: ValueError: the prompts of a clip do not share its audio")
    assert drift(model, mixed()) < TOLERANCE


def test_a_clip_continues_only_from_all_of_its_audio() -> None:
    audio = {"input_features": torch.zeros(1)}
    rows = [[1, 3, 3, 5, 6], [1, 3, 3, 5, 7, 8]]
    whole = clip_of(("", 0, 0), [Ask(row, [], 1) for row in rows], audio, 3)
    assert (whole.least, whole.shared, whole.continues) == (3, 4, True)
    early = clip_of(("", 0, 0), [Ask(row, [], 1) for row in ([1, 9, 3, 3], [1, 8, 3, 3])], audio, 3)
    assert (early.least, early.shared, early.continues) == (4, 1, False)
    ends = clip_of(("", 0, 0), [Ask([1, 3, 3], [], 1)], audio, 3)
    assert (ends.least, ends.shared, ends.continues) == (3, 2, False)
    words = clip_of(("", 0, 0), [Ask([1, 3, 3], [], 1), Ask([2], [], 1)], {}, 3)
    assert (words.least, words.shared, words.continues) == (0, 0, False)
    assert whole.part([1]).shared == 4
    assert [one.ids for one in whole.part([1]).asks] == [rows[1]]


def test_an_empty_call(shared: HfModel) -> None:
    assert shared.respond([]) == shared.respond_plain([]) == []


def test_decoder_and_engine_read_one_network(shared: HfModel) -> None:
    assert engine_of(shared)._network is decoder_of(shared).network
