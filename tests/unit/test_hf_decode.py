# mypy: allow-untyped-calls
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_decode import Decoder, has_three_axes
from tests.unit.tiny import build, build_flamingo
from tests.unit.tiny_requests import (
    TOLERANCE,
    ask,
    brute_force,
    clip,
    gap,
    generated,
    loaded,
    mixed,
    plain,
    scores_of,
    text_of,
)


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@pytest.fixture(scope="module")
def flamingo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_flamingo(tmp_path_factory.mktemp("tiny") / "flamingo")


def test_a_sliding_window_cache_is_copied_not_rolled_back(tmp_path: Path) -> None:
    model = loaded(build(tmp_path / "sliding", sliding_window=24))
    request = mixed()[2]
    [response] = model.respond([request])
    decoder = model._decoder
    assert decoder is not None
    kinds = {type(layer).__name__ for layer in decoder.prefill(model._inputs.build([request])).cache.layers}
    assert kinds == {"DynamicLayer", "DynamicSlidingWindowLayer"}
    assert scores_of(response) == pytest.approx(brute_force(model, request), abs=TOLERANCE)


def test_positions_of_three_axes() -> None:
    """The thinker of Qwen2.5-Omni: tensors by hand, because its processor needs torchvision."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "audio_config": {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64,
                      "num_mel_bins": 128, "max_source_positions": 1500, "n_window": 100, "output_dim": 64},
        "vision_config": {"depth": 1, "hidden_size": 32, "embed_dim": 32, "intermediate_size": 64, "num_heads": 2,
                       "out_hidden_size": 64, "fullatt_block_indexes": [0]},
        "text_config": {"vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                     "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2, "pad_token_id": 0,
                     "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"}},
        "audio_token_id": 3, "image_token_id": 396, "video_token_id": 397, "audio_start_token_id": 4,
        "audio_end_token_id": 5,
        "vision_start_token_id": 398,
    }  # fmt: skip
    config = transformers.Qwen2_5OmniThinkerConfig(**sizes)
    thinker = transformers.Qwen2_5OmniThinkerForConditionalGeneration(config).eval()
    assert has_three_axes(thinker.config)
    extractor = transformers.WhisperFeatureExtractor(feature_size=128)
    samples = [clip(n, 2.0).samples for n in range(2)]
    mel = extractor(samples, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    rows = [[6, 4, *[3] * 50, 5, 10, 11, 12, 13], [6, 4, *[3] * 50, 5, 20, 21]]
    longest = len(rows[0])
    audio = {"input_features": mel["input_features"], "feature_attention_mask": mel["attention_mask"]}
    inputs = {
        "input_ids": torch.tensor([[0] * (longest - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
        **audio,
    }
    labels = [[[30, 31], [40]], [[50]]]
    decoder = Decoder(thinker, "qwen2_5_omni", frozenset({2}), 2, 0)
    with torch.inference_mode():
        prefilled = decoder.prefill(inputs)
        scores = decoder.score(prefilled, labels)
        words = decoder.greedy(prefilled, [6, 6])
        whole = thinker.generate(**inputs, max_new_tokens=6, do_sample=False)[:, longest:].tolist()
        assert words == whole
        for row, (prompt, choices) in enumerate(zip(rows, labels, strict=True)):
            for label, score in zip(choices, scores[row], strict=True):
                ids = torch.tensor([[*prompt, *label, 2]])
                own = {name: value[row : row + 1] for name, value in audio.items()}
                logits = thinker(input_ids=ids, attention_mask=torch.ones_like(ids), **own).logits[0].float()
                chances = logits.log_softmax(-1)[len(prompt) - 1 :]
                expected = sum(float(chances[place, token]) for place, token in enumerate([*label, 2]))
                assert score == pytest.approx(expected, abs=TOLERANCE)


def test_an_answer_ends_at_the_end_of_turn(model: HfModel) -> None:
    decoder = model._decoder
    assert decoder is not None
    prefilled = decoder.prefill(model._inputs.build([ask(clip(1))]))
    [whole] = decoder.greedy(prefilled, [12])
    stopping = Decoder(decoder.model, "qwen2_audio", frozenset({whole[2]}), whole[2], 0)
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
    with pytest.raises(ArithmeticError, match="logits are NaN"):
        model.respond([ask(clip(1))])


def test_a_wrong_position_would_be_seen(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Decoder._continue

    def shifted(self: Decoder, prefilled: Any, *rest: Any) -> torch.Tensor:
        prefilled.lengths = prefilled.lengths + 1
        logits = real(self, prefilled, *rest)
        prefilled.lengths = prefilled.lengths - 1
        return logits

    monkeypatch.setattr(Decoder, "_continue", shifted)
    request = mixed()[2]
    [response] = model.respond([request])
    expected = brute_force(model, request)
    assert max(abs(scores_of(response)[label] - expected[label]) for label in expected) > 100 * TOLERANCE


def test_scores_are_those_of_whole_forward_passes(model: HfModel) -> None:
    requests = mixed()
    for request, response in zip(requests, model.respond(requests), strict=True):
        expected = brute_force(model, request)
        assert scores_of(response) == pytest.approx(expected, abs=TOLERANCE)


@given(st.lists(st.sampled_from(["yes", "no", "maybe so", "a very long label indeed", "x"]), unique=True, max_size=5))
@settings(max_examples=10, deadline=None)
def test_a_score_does_not_depend_on_the_other_candidates(model: HfModel, labels: list[str]) -> None:
    audio = clip(3)
    [together] = model.respond([ask(audio, labels=tuple(labels))])
    for label in labels:
        [alone] = model.respond([ask(audio, labels=(label,))])
        assert scores_of(alone)[label] == pytest.approx(scores_of(together)[label], abs=TOLERANCE)
