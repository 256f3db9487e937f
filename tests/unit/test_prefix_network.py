# mypy: allow-untyped-calls
"""Logits are read at chosen places only, and the head runs apart only where that is exactly the model's own."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mcr.models import prefix_network
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.prefix_network import Network, is_headless
from tests.unit.tiny import build_flamingo
from tests.unit.tiny_requests import ask, clip, decoder_of, loaded, plain
from tests.unit.tiny_thinker import thinker

IDS = torch.tensor([[5, 9, 30, 31, 32], [7, 8, 40, 41, 42]])
ROWS, COLUMNS = [0, 1, 1], [4, 1, 3]
WANTED = [[30, 31], [], [7]]


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


class Scaled(torch.nn.Module):
    """A model whose logits are its head's times a factor, as in some families."""

    def __init__(self, real: Any, factor: float) -> None:
        super().__init__()
        self.real, self.factor = real, factor

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if name in ("real", "_modules") else getattr(self.real, name)

    def forward(self, **inputs: Any) -> Any:
        outputs = self.real(**inputs)
        outputs.logits = outputs.logits * self.factor
        return outputs


def test_the_head_runs_apart_where_that_is_exact(model: HfModel) -> None:
    real, inputs = plain(model).model, model._inputs.build([ask(clip(1))])
    assert is_headless(real, inputs)
    assert is_headless(Scaled(real, 1.0), inputs)
    assert not is_headless(Scaled(real, 1.0001), inputs)
    assert decoder_of(model).network.headless


def test_another_family_is_tried_by_the_same_rule(tmp_path: Path) -> None:
    assert decoder_of(loaded(build_flamingo(tmp_path / "flamingo", seconds=4))).network.headless


@pytest.mark.parametrize("slice_of", [1 << 24, 1000, 1])
@torch.inference_mode()
def test_what_is_read_is_what_the_model_says(model: HfModel, monkeypatch: pytest.MonkeyPatch, slice_of: int) -> None:
    monkeypatch.setattr(prefix_network, "SLICE", slice_of)
    real = plain(model).model
    logits = real(input_ids=IDS).logits.float()[ROWS, COLUMNS]
    chances = logits.log_softmax(-1)
    for headless in (True, False):
        read = Network(real, headless=headless).read(ROWS, COLUMNS, WANTED, input_ids=IDS)
        assert read.best == logits.argmax(-1).tolist()
        for place, (tokens, found) in enumerate(zip(WANTED, read.chances, strict=True)):
            assert found[: len(tokens)] == pytest.approx([float(chances[place, token]) for token in tokens], abs=1e-5)
        assert Network(real, headless=headless).read(ROWS, COLUMNS, [[], [], []], input_ids=IDS).best == read.best


@torch.inference_mode()
def test_a_model_that_keeps_chosen_logits_is_asked_for_those_only() -> None:
    """The thinker takes `logits_to_keep` only in its text model, the plain text models in their own forward."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                         num_attention_heads=2, num_key_value_heads=1)  # fmt: skip
    real = Qwen2ForCausalLM(config).eval()
    asked: list[Any] = []
    real.register_forward_pre_hook(lambda _, __, given: asked.append(given.get("logits_to_keep")), with_kwargs=True)
    network = Network(real)
    whole = network.logits(last=False, input_ids=IDS)
    read = network.read(ROWS, COLUMNS, WANTED, input_ids=IDS)
    assert read.best == whole[ROWS, COLUMNS].argmax(-1).tolist()
    assert asked[-1].tolist() == [1, 3, 4]
    assert torch.allclose(network.logits(last=True, input_ids=IDS), whole[:, -1:])
    assert asked[-1] == 1


@torch.inference_mode()
@pytest.mark.parametrize("headless", [True, False])
def test_logits_that_are_no_numbers_are_an_error(tiny_model_dir: Path, headless: bool) -> None:
    real = plain(loaded(tiny_model_dir)).model
    real.lm_head.weight[7, 0] = float("nan")
    with pytest.raises(ArithmeticError, match="logits are NaN; type --mcr-dtype float32"):
        Network(real, headless=headless).read(ROWS, COLUMNS, WANTED, input_ids=IDS)


def test_positions_of_three_axes(model: HfModel) -> None:
    flat = torch.tensor([[3, 4], [0, 1]])
    assert decoder_of(model).network.positions(flat).tolist() == [[3, 4], [0, 1]]
    assert Network(thinker()).positions(flat).tolist() == [[[3, 4], [0, 1]]] * 3
