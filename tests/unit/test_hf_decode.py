# mypy: allow-untyped-calls
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_decode import Decoder, Prefilled
from pytest_mcr.models.prefix_cache import prefill
from pytest_mcr.models.prefix_network import Network
from tests.unit.tiny import build, build_flamingo
from tests.unit.tiny_requests import (
    TOLERANCE,
    ask,
    brute_force,
    clip,
    decoder_of,
    gap,
    generated,
    loaded,
    mixed,
    plain,
    scores_of,
    text_of,
)
from tests.unit.tiny_thinker import END, features, prompt, thinker


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@pytest.fixture(scope="module")
def flamingo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_flamingo(tmp_path_factory.mktemp("tiny") / "flamingo")


def test_a_sliding_window_cache_is_copied_not_rolled_back(tmp_path: Path) -> None:
    model = loaded(build(tmp_path / "sliding", sliding_window=24))
    request = mixed()[2]
    [response] = model.respond_plain([request])
    decoder = decoder_of(model)
    kinds = {type(layer).__name__ for layer in decoder.prefill(model._inputs.build([request])).cache.layers}
    assert kinds == {"DynamicLayer", "DynamicSlidingWindowLayer"}
    assert scores_of(response) == pytest.approx(brute_force(model, request), abs=TOLERANCE)


def test_positions_of_three_axes() -> None:
    model = thinker()
    rows, audio = [prompt(10, 11, 12, 13), prompt(20, 21)], features([0, 1])
    longest = len(rows[0])
    inputs = {
        "input_ids": torch.tensor([[0] * (longest - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
        **audio,
    }
    labels = [[[30, 31], [40]], [[50]]]
    network = Network(model)
    assert network.three_axes
    decoder = Decoder(network, frozenset({END}), END, 0)
    with torch.inference_mode():
        prefilled = decoder.prefill(inputs)
        scores = decoder.score(prefilled, labels)
        words = decoder.greedy(prefilled, [6, 6])
        whole = model.generate(**inputs, max_new_tokens=6, do_sample=False)[:, longest:].tolist()
        assert words == whole
        for row, (row_ids, choices) in enumerate(zip(rows, labels, strict=True)):
            for label, score in zip(choices, scores[row], strict=True):
                ids = torch.tensor([[*row_ids, *label, END]])
                own = {name: value[row : row + 1] for name, value in audio.items()}
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), **own).logits[0].float()
                chances = logits.log_softmax(-1)[len(row_ids) - 1 :]
                expected = sum(float(chances[place, token]) for place, token in enumerate([*label, END]))
                assert score == pytest.approx(expected, abs=TOLERANCE)


def test_an_answer_ends_at_the_end_of_turn(model: HfModel) -> None:
    decoder = decoder_of(model)
    prefilled = decoder.prefill(model._inputs.build([ask(clip(1))]))
    [whole] = decoder.greedy(prefilled, [12])
    stopping = Decoder(decoder.network, frozenset({whole[2]}), whole[2], 0)
    [words] = stopping.greedy(stopping.prefill(model._inputs.build([ask(clip(1))])), [12])
    assert words == whole[: whole.index(whole[2])]


def test_another_family_takes_the_generic_path(flamingo_dir: Path) -> None:
    model = loaded(flamingo_dir)
    assert model.traits["family"] == "audioflamingo3"
    assert model.traits["window_seconds"] == 600.0
    requests = [ask(clip(n // 2, 1.0 + n), "Is there a dog?" * (1 + n % 2)) for n in range(4)] + [ask(None)]
    responses = model.respond(requests)
    for request, response in zip(requests, responses, strict=True):
        assert scores_of(response) == pytest.approx(brute_force(model, request), abs=TOLERANCE)
        assert text_of(response) == generated(model, request, do_sample=False)
    assert gap(responses[0], responses[2]) > 0.05


def test_nan_logits_are_an_error(tiny_model_dir: Path) -> None:
    model = loaded(tiny_model_dir)
    with torch.no_grad():
        plain(model).model.lm_head.weight[7, 0] = float("nan")
    for respond in (model.respond, model.respond_plain):
        with pytest.raises(ArithmeticError, match="logits are NaN"):
            respond([ask(clip(1))])


@torch.inference_mode()
def test_the_rest_of_a_prompt_continues_its_beginning(model: HfModel) -> None:
    """Padding between a cached beginning and the rest of shorter rows is not seen."""
    decoder = decoder_of(model)
    rows = [[5, 9, 30, 31, 32, 40], [5, 9, 33], [5, 9, 34, 35]]
    begun = prefill(decoder.network, [[5, 9]], {}, room=0)
    prefilled = decoder.resume(begun.repeated([0, 0, 0]), begun.mask[[0, 0, 0]], [row[2:] for row in rows])
    labels = [[[50, 51], [60]], [[50]], []]
    scores, words = decoder.score(prefilled, labels), decoder.greedy(prefilled, [5, 0, 3])
    for row, choices, limit, score, said in zip(rows, labels, [5, 0, 3], scores, words, strict=True):
        ids = torch.tensor([row])
        whole = decoder.prefill({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
        assert decoder.score(whole, [choices])[0] == pytest.approx(score, abs=TOLERANCE)
        assert decoder.greedy(whole, [limit])[0] == said
        assert len(said) == limit


@torch.inference_mode()
def test_regret_is_zero_for_greedy_words_and_not_for_others(model: HfModel) -> None:
    decoder = decoder_of(model)

    def begun() -> Prefilled:
        return decoder.prefill(model._inputs.build([ask(clip(1))]))

    [words] = decoder.greedy(begun(), [4])
    assert decoder.regret(begun(), words) < TOLERANCE
    assert decoder.regret(begun(), [*words[:-1], words[-1] + 1]) > 0.01


def test_a_wrong_position_would_be_seen(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Decoder._continue

    def shifted(self: Decoder, prefilled: Any, *rest: Any) -> torch.Tensor:
        prefilled.lengths = prefilled.lengths + 1
        logits = real(self, prefilled, *rest)
        prefilled.lengths = prefilled.lengths - 1
        return logits

    monkeypatch.setattr(Decoder, "_continue", shifted)
    request = mixed()[2]
    [response] = model.respond_plain([request])
    expected = brute_force(model, request)
    assert max(abs(scores_of(response)[label] - expected[label]) for label in expected) > 100 * TOLERANCE


@pytest.mark.parametrize("way", ["respond", "respond_plain"])
def test_scores_are_those_of_whole_forward_passes(model: HfModel, way: str) -> None:
    requests = mixed()
    for request, response in zip(requests, getattr(model, way)(requests), strict=True):
        expected = brute_force(model, request)
        assert scores_of(response) == pytest.approx(expected, abs=TOLERANCE)
        tokens = model.checkpoint.processor.tokenizer
        ids = {label: tokens(label, add_special_tokens=False)["input_ids"] for label in expected}
        assert response.lengths == ({label: len(own) + 1 for label, own in ids.items()} if expected else None)


@given(st.lists(st.sampled_from(["yes", "no", "maybe so", "a very long label indeed", "x"]), unique=True, max_size=5))
@settings(max_examples=10, deadline=None)
def test_a_score_does_not_depend_on_the_other_candidates(model: HfModel, labels: list[str]) -> None:
    audio = clip(3)
    [together] = model.respond_plain([ask(audio, labels=tuple(labels))])
    for label in labels:
        [alone] = model.respond_plain([ask(audio, labels=(label,))])
        assert scores_of(alone)[label] == pytest.approx(scores_of(together)[label], abs=TOLERANCE)
