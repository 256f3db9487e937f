# mypy: allow-untyped-calls
"""What the engine pays for, counted in forward passes: a clip once, and nothing for a label that is said."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_batches import BatchLimit
from pytest_mcr.models.prefix import Engine, clip_of
from pytest_mcr.models.prefix_walk import Ask
from pytest_mcr.models.protocol import Audio, Request
from tests.unit.tiny_requests import (
    TOLERANCE,
    Pass,
    ask,
    clip,
    drift,
    engine_of,
    force,
    loaded,
    passes,
    plain,
    text_of,
    tight,
)

SILENCE = Audio(np.zeros(16_000, np.float32), 16_000, "silence")
SHORT, OTHER, LONG = clip(1, 1.0), clip(2, 1.0), clip(4, 3.9)


@pytest.fixture
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@pytest.fixture
def engine(model: HfModel) -> Iterator[Engine]:
    with torch.inference_mode():
        yield engine_of(model)


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
    label = "yes"
    with passes(plain(model).model) as seen:
        [answer] = model.respond([Request("an id", SHORT, "?", (label,), 1, want_scores=False)])
    assert answer.scores is None
    assert seen[-1].tokens == 1 + len(model._loaded()._label_ids(label))
    with passes(plain(model).model) as seen:
        many = tuple(f"label {number}" for number in range(9))
        model.respond([Request("an id", SHORT, "?", many, 1, want_scores=False)])
    assert seen[-1].tokens == 1


def test_a_clip_is_run_once_for_all_its_prompts(model: HfModel) -> None:
    requests = [ask(LONG, f"{'dog ' * number}?", tokens=1) for number in range(10)]
    with passes(plain(model).model) as seen:
        model.respond(requests)
    assert [one.past == 0 for one in seen] == [True, False]
    assert [one.rows for one in seen] == [1, 1]


def test_many_texts_on_one_clip_go_in_packs_on_one_prefix(model: HfModel) -> None:
    requests = [ask(LONG, f"{number}: {'dog ' * (number % 7)}?", tokens=2) for number in range(100)]
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
    assert (
        drift(model, [ask(audio, f"{number}?", tokens=3) for number, audio in enumerate((SHORT, SHORT, OTHER))])
        < TOLERANCE
    )


@pytest.mark.parametrize("way", ["tree", "rows"])
def test_a_clip_asked_about_again_is_not_run_again(model: HfModel, way: str) -> None:
    force(model, way)
    first = [ask(LONG, prompt) for prompt in ("Is there a dog?", "Is there a cat?")]
    longer = [ask(LONG, "Is there a dog? Answer with yes or no.")]
    other = [ask(LONG, "Text: A dog.\nIs there a dog?"), ask(LONG, "?")]
    model.respond(first)
    for requests in (longer, other, first, longer):
        with passes(plain(model).model) as seen:
            again = model.respond(requests)
        assert all(one.past for one in seen)
        assert sum(one.tokens for one in seen) < 60
        assert again[0].scores == pytest.approx(model.respond_plain(requests)[0].scores, abs=TOLERANCE)
        assert drift(model, requests) < TOLERANCE


def test_a_kept_prefix_is_used_beside_other_clips(model: HfModel) -> None:
    model.respond([ask(LONG)])
    with passes(plain(model).model) as seen:
        model.respond([ask(LONG, "Dog?"), ask(SHORT), ask(OTHER)])
    assert [(one.rows, one.past > 0) for one in seen][:2] == [(1, True), (1, True)]
    assert [one.rows for one in seen if one.past == 0] == [2]


def test_silence_that_comes_again_is_run_once(model: HfModel) -> None:
    def cases(text: str) -> list[Request]:
        return [ask(SHORT, text, tokens=1), ask(SILENCE, text, tokens=1), ask(OTHER, text, tokens=1)]

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
    model.respond([ask(LONG)])
    assert engine_of(model).shelf.keys()
    model._loaded().forget()
    assert not engine_of(model).shelf.keys()


# --- batch size on a GPU ---------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_the_largest_batch_that_fits_is_found(model: HfModel) -> None:
    limit = BatchLimit(None)
    with tight(plain(model).model, 5):
        model._loaded().fit(ask(SHORT), limit)
    assert limit.prompts == 4
    assert not engine_of(model).shelf.keys()


@torch.inference_mode()
def test_where_clips_share_no_batch_one_clips_prompts_are_tried(
    model: HfModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model._inputs, "shares_batches", False)
    monkeypatch.setattr("pytest_mcr.models.prefix_answers.MOST", 40)
    engine_of(model)._nodes = 10_000
    limit = BatchLimit(None)
    with passes(plain(model).model) as seen:
        model._loaded().fit(ask(SHORT, labels=(), tokens=1), limit)
    assert limit.prompts == 40
    start, prompts = seen[-1].past, [32, 40]
    suffix = len(model._inputs.encode(SHORT, ["Is there a dog?"]).ids[0]) - start
    assert [(one.tokens, one.past) for one in seen] == [
        step for count in prompts for step in ((start, 0), (count * (suffix + 1), start))
    ]


def test_a_batch_size_that_was_given_is_not_tried(model: HfModel) -> None:
    with passes(plain(model).model) as seen:
        model._loaded().fit(ask(SHORT), BatchLimit(3))
    assert seen == []
