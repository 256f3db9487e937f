# mypy: allow-untyped-calls
"""The engine gives the plain path's answers, whatever is asked together, and pays for a clip once."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_batches import BatchLimit
from pytest_mcr.models.prefix import Engine, clip_of
from pytest_mcr.models.prefix_network import Network
from pytest_mcr.models.prefix_walk import Ask
from pytest_mcr.models.protocol import Audio, Request
from tests.unit.tiny import build_flamingo
from tests.unit.tiny_requests import (
    TOLERANCE,
    Pass,
    ask,
    clip,
    decoder_of,
    drift,
    engine_of,
    force,
    gap,
    loaded,
    mixed,
    passes,
    plain,
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


@pytest.fixture
def engine(model: HfModel) -> Iterator[Engine]:
    with torch.inference_mode():
        yield engine_of(model)


@given(REQUESTS, st.integers(1, 9), st.sampled_from([8, 30, 512]))
@settings(max_examples=40)
def test_answers_are_the_plain_paths(shared: HfModel, requests: list[Request], size: int, nodes: int) -> None:
    shared._limit = BatchLimit(size)
    engine_of(shared)._nodes = nodes
    assert drift(shared, requests) < TOLERANCE


@given(REQUESTS)
@settings(max_examples=10)
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


# --- what is paid for ------------------------------------------------------------------------------------------------


def words_of(engine: Engine, ids: list[int], limit: int) -> list[int]:
    [[told]] = engine.answer([clip_of(("", 0, 0), [Ask(ids, [], limit)], {}, 3)])
    engine.shelf.clear()
    return told.words


def test_a_label_that_the_model_says_costs_no_step(model: HfModel, engine: Engine) -> None:
    ids = [5, 9, 30, 31, 32]
    words = words_of(engine, ids, 4)
    real, other = plain(model).model, [(words[0] + 1) % 300, 7]
    for labels, steps in (([words], 0), ([words[:2], other], 1), ([words[:3]], 0), ([other], 3), ([], 3)):
        with passes(real) as seen:
            [[told]] = engine.answer([clip_of(("", 0, 0), [Ask(ids, labels, 4)], {}, 3)])
        engine.shelf.clear()
        assert told.words == words
        nodes = 1 + sum(map(len, labels))
        assert seen == [Pass(1, 4, 0), Pass(1, nodes, 4), *(Pass(1, 1, 4 + nodes + n) for n in range(steps))]


def test_prompts_that_say_the_same_share_their_steps(model: HfModel, engine: Engine) -> None:
    ids = [5, 9, 30, 31, 32]
    with passes(plain(model).model) as seen:
        [told] = engine.answer([clip_of(("", 0, 0), [Ask(ids, [], 3), Ask(ids, [], 4), Ask(ids, [], 4)], {}, 3)])
    assert [one.words for one in told] == [told[1].words[:3], told[1].words, told[1].words]
    assert [one.tokens for one in seen] == [4, 1, 1, 1, 1]


def test_unscored_labels_are_drafts(model: HfModel) -> None:
    label = LABELS[0]
    with passes(plain(model).model) as seen:
        [answer] = model.respond([Request("an id", CLIPS[3], "?", (label,), 1, want_scores=False)])
    assert answer.scores is None
    assert seen[-1].tokens == 1 + len(model._loaded()._label_ids(label))
    with passes(plain(model).model) as seen:
        many = tuple(f"label {number}" for number in range(9))
        model.respond([Request("an id", CLIPS[3], "?", many, 1, want_scores=False)])
    assert seen[-1].tokens == 1


def test_a_clip_is_run_once_for_all_its_prompts(model: HfModel) -> None:
    requests = [ask(CLIPS[5], f"{'dog ' * number}?", tokens=1) for number in range(10)]
    with passes(plain(model).model) as seen:
        model.respond(requests)
    assert [one.past == 0 for one in seen] == [True, False]
    assert [one.rows for one in seen] == [1, 1]


def test_many_texts_on_one_clip_go_in_packs_on_one_prefix(model: HfModel) -> None:
    requests = [ask(CLIPS[5], f"{number}: {'dog ' * (number % 7)}?", tokens=2) for number in range(100)]
    engine_of(model)._nodes = 60
    with passes(plain(model).model) as seen:
        answers = model.respond(requests)
    first = [one for one in seen if one.past == 0]
    assert len(first) == 1
    assert all(one.tokens <= 60 for one in seen if one.past)
    assert len([one for one in seen if one.past == first[0].tokens]) > 10
    for place in range(0, 100, 9):
        [expected] = model.respond_plain([requests[place]])
        assert text_of(answers[place]) == text_of(expected)
        assert answers[place].scores == pytest.approx(expected.scores, abs=TOLERANCE)


def test_a_prompt_larger_than_a_pack_goes_alone(model: HfModel) -> None:
    engine_of(model)._nodes = 1
    assert drift(model, [ask(CLIPS[which], f"{which}?", tokens=3) for which in (3, 3, 4)]) < TOLERANCE


@pytest.mark.parametrize("way", ["tree", "rows"])
def test_a_clip_asked_about_again_is_not_run_again(model: HfModel, way: str) -> None:
    force(model, way)
    first = [ask(CLIPS[5], prompt) for prompt in ("Is there a dog?", "Is there a cat?")]
    longer = [ask(CLIPS[5], "Is there a dog? Answer with yes or no.")]
    other = [ask(CLIPS[5], "Text: A dog.\nIs there a dog?"), ask(CLIPS[5], "?")]
    model.respond(first)
    for requests in (longer, other, first, longer):
        with passes(plain(model).model) as seen:
            again = model.respond(requests)
        assert all(one.past for one in seen)
        assert sum(one.tokens for one in seen) < 60
        assert again[0].scores == pytest.approx(model.respond_plain(requests)[0].scores, abs=TOLERANCE)
        assert drift(model, requests) < TOLERANCE


def test_a_kept_prefix_is_used_beside_other_clips(model: HfModel) -> None:
    model.respond([ask(CLIPS[5])])
    with passes(plain(model).model) as seen:
        model.respond([ask(CLIPS[5], "Dog?"), ask(CLIPS[3]), ask(CLIPS[4])])
    assert [(one.rows, one.past > 0) for one in seen][:2] == [(1, True), (1, True)]
    assert [one.rows for one in seen if one.past == 0] == [2]


def test_silence_that_comes_again_is_run_once(model: HfModel) -> None:
    def cases(text: str) -> list[Request]:
        return [ask(CLIPS[3], text, tokens=1), ask(SILENCE, text, tokens=1), ask(CLIPS[4], text, tokens=1)]

    rows = []
    for text in ("one", "two", "three"):
        with passes(plain(model).model) as seen:
            model.respond(cases(text))
        rows.append([one.rows for one in seen if one.past == 0])
    assert rows == [[3], [1, 2], [2]]
    assert drift(model, cases("four")) < TOLERANCE


def test_only_some_prefixes_are_kept(model: HfModel) -> None:
    for seed in range(7):
        model.respond([ask(clip(seed, 0.5), tokens=1)])
    assert len(engine_of(model).shelf.keys()) == 4


def test_prefixes_of_like_length_need_no_padding(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ask(clip(seed, 1.0 + 0.08 * seed), tokens=2) for seed in range(4)]
    with passes(plain(model).model) as seen:
        model.respond(requests)
    level = seen[0]
    assert drift(model, requests) < TOLERANCE
    monkeypatch.setattr("pytest_mcr.models.prefix.LEVELLED", 0)
    with passes(plain(model).model) as seen:
        model.respond(requests)
    assert (level.rows, seen[0].rows) == (4, 4)
    assert level.tokens < seen[0].tokens
    assert drift(model, requests) < TOLERANCE


def test_rows_that_are_done_leave_the_batch(model: HfModel, engine: Engine) -> None:
    clips = [clip_of(("", row, 0), [Ask([5, 9, 30 + row], [], limit)], {}, 3) for row, limit in enumerate([1, 2, 6, 2])]
    with passes(plain(model).model) as seen:
        told = engine.answer(clips)
    assert [one.rows for one in seen] == [4, 4, 4, 1, 1, 1, 1]
    for one, [said] in zip(clips, told, strict=True):
        assert said.words == words_of(engine, one.asks[0].ids, one.asks[0].limit)


def test_what_is_kept_is_forgotten_when_memory_runs_out(model: HfModel) -> None:
    model.respond([ask(CLIPS[5])])
    assert engine_of(model).shelf.keys()
    model._loaded().forget()
    assert not engine_of(model).shelf.keys()


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
