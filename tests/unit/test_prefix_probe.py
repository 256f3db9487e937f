# mypy: allow-untyped-calls
"""The way is chosen by numbers: what is right is used, and what is wrong is not, with a reason."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mcr.models import prefix_cache
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_decode import Decoder
from pytest_mcr.models.prefix import Engine
from pytest_mcr.models.prefix_forest import Forest
from pytest_mcr.models.prefix_network import Network
from tests.unit.tiny import build, build_flamingo
from tests.unit.tiny_requests import TOLERANCE, drift, loaded, mixed


def facts(model: HfModel) -> dict[str, Any]:
    found = model.traits["engine"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_full_attention_takes_the_tree(tiny_model_dir: Path, attention: str) -> None:
    found = facts(loaded(tiny_model_dir, f"?attn={attention}"))
    assert (found["continuation"], found["reason"]) == ("tree", None)
    assert found["shares_batches"] is True


def test_another_family_takes_the_tree(tmp_path: Path) -> None:
    found = facts(loaded(build_flamingo(tmp_path / "flamingo", seconds=4)))
    assert (found["continuation"], found["reason"]) == ("tree", None)


@pytest.mark.parametrize("window", [8, 24, 4096])
def test_a_sliding_window_takes_rows(tmp_path: Path, window: int) -> None:
    """Also one that is longer than anything the probe tries."""
    model = loaded(build(tmp_path / "sliding", sliding_window=window))
    found = facts(model)
    assert found["continuation"] == "rows"
    assert found["reason"] == "tree: not every layer of the cache attends to all tokens"
    assert drift(model, mixed()) < TOLERANCE


def test_attention_that_refuses_the_mask_takes_rows(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Network.read

    def refuse(self: Network, *places: Any, **inputs: Any) -> Any:
        if inputs["attention_mask"].dim() == 4:
            raise ValueError("`attention_mask` must be of shape (rows, tokens)\nand nothing else")
        return real(self, *places, **inputs)

    monkeypatch.setattr(Network, "read", refuse)
    model = loaded(tiny_model_dir)
    assert facts(model)["continuation"] == "rows"
    assert facts(model)["reason"] == "tree: ValueError: `attention_mask` must be of shape (rows, tokens)"
    assert drift(model, mixed()) < TOLERANCE


def without_positions(self: Network, *places: Any, **inputs: Any) -> Any:
    return REAL_READ(self, *places, **{name: value for name, value in inputs.items() if name != "position_ids"})


def suffix_only(self: Network, *places: Any, **inputs: Any) -> Any:
    mask = inputs["attention_mask"].clone()
    mask[..., : -inputs["input_ids"].shape[1]] = torch.finfo(mask.dtype).min
    return REAL_READ(self, *places, **{**inputs, "attention_mask": mask})


def causal_only(self: Network, *places: Any, **inputs: Any) -> Any:
    mask = torch.ones(len(inputs["input_ids"]), inputs["attention_mask"].shape[-1], dtype=torch.long)
    return REAL_READ(self, *places, **{**inputs, "attention_mask": mask})


REAL_READ = Network.read


@pytest.mark.parametrize("wrong", [without_positions, suffix_only, causal_only])
def test_a_tree_that_gives_other_numbers_is_not_used(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any
) -> None:
    monkeypatch.setattr(Network, "read", wrong)
    model = loaded(tiny_model_dir)
    assert facts(model)["continuation"] == "rows"
    assert "tree: scores differ from the plain path's by" in facts(model)["reason"]
    monkeypatch.undo()
    assert drift(model, mixed()) < TOLERANCE


def test_padding_of_prefixes_is_tried(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = prefix_cache.prefill

    def unmasked(*given: Any, **room: Any) -> prefix_cache.Prefix:
        prefix = real(*given, **room)
        prefix.mask = torch.ones_like(prefix.mask)
        return prefix

    monkeypatch.setattr("pytest_mcr.models.prefix.prefill", unmasked)
    assert "tree: scores differ" in facts(loaded(tiny_model_dir))["reason"]


def test_words_are_tried_too(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Forest.run_added

    def late(self: Forest, nodes: Any) -> None:
        self._lengths = [length + 1 for length in self._lengths]
        real(self, nodes)
        self._lengths = [length - 1 for length in self._lengths]

    monkeypatch.setattr(Forest, "run_added", late)
    model = loaded(tiny_model_dir)
    assert facts(model)["continuation"] == "rows"
    assert "tree: words are not the most likely by" in facts(model)["reason"]


def test_a_model_that_continues_from_nothing_runs_whole_prompts(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError("no cache")

    monkeypatch.setattr(Engine, "answer", refuse)
    model = loaded(tiny_model_dir)
    monkeypatch.undo()
    assert facts(model)["continuation"] == "plain"
    assert facts(model)["reason"] == "tree: NotImplementedError: no cache; rows: NotImplementedError: no cache"
    assert drift(model, mixed()) < TOLERANCE


def test_memory_that_runs_out_says_nothing_about_the_model(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Engine, "answer", full)
    with pytest.raises(torch.OutOfMemoryError):
        loaded(tiny_model_dir)


def test_a_processor_that_takes_no_noise_leaves_the_plain_path(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise KeyError("audio")

    monkeypatch.setattr(Decoder, "prefill", refuse)
    found = facts(loaded(tiny_model_dir))
    assert found["continuation"] == "plain"
    assert found["reason"].startswith("the plain path failed on noise: KeyError")


def test_sixteen_bits_are_allowed_their_own_noise(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide random weights round by more than 0.1 nats, alone or in a batch; the tree is no worse than a batch."""
    assert facts(loaded(tiny_model_dir, "?dtype=bfloat16"))["continuation"] == "tree"
    monkeypatch.setattr(Network, "read", suffix_only)
    assert facts(loaded(tiny_model_dir, "?dtype=bfloat16"))["continuation"] != "tree"
