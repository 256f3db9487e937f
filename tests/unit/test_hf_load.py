# mypy: allow-untyped-calls
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import transformers
from safetensors.torch import load_file, save_file

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_load import choose_device, end_of_turn
from pytest_mcr.models.protocol import Model
from tests.unit.tiny import build
from tests.unit.tiny_requests import ask, clip, loaded, plain


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


def test_the_fingerprint_identifies_weights_processor_and_settings(tiny_model_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model_dir, tmp_path / "copy")
    others = [shutil.copytree(tiny_model_dir, tmp_path / name) for name in ("template", "window")]
    (others[0] / "chat_template.jinja").write_text((copy / "chat_template.jinja").read_text() + " ")
    settings = json.loads((others[1] / "processor_config.json").read_text())
    (others[1] / "processor_config.json").write_text(json.dumps(settings, indent=3))
    seeded = build(tmp_path / "seeded", seed=1)
    base = loaded(tiny_model_dir)
    assert base.fingerprint() == base.fingerprint() == loaded(copy).fingerprint()
    prints = [loaded(folder).fingerprint() for folder in (*others, seeded)]
    prints += [loaded(copy, dtype="bfloat16").fingerprint(), loaded(copy, "?attn=eager").fingerprint()]
    assert len({base.fingerprint(), *prints}) == 6


def test_facts(model: HfModel) -> None:
    assert isinstance(model, Model)
    assert (model.device, model.dtype, model.sample_rate) == ("cpu", "float32", 16_000)
    assert model.traits["family"] == "qwen2_audio"
    assert model.traits["window_seconds"] == 4.0
    assert model.traits["end_of_turn"] == "<|im_end|>"
    assert model.traits["attention"] == "sdpa"
    assert model.traits["parameters"] == sum(p.numel() for p in plain(model).model.parameters())


def test_a_closed_model_says_so(tiny_model_dir: Path) -> None:
    model = loaded(tiny_model_dir)
    model.close()
    with pytest.raises(ModelError, match="was closed"):
        model.respond([ask(clip(1))])


def test_the_end_of_turn_is_read_off_the_template(model: HfModel) -> None:
    processor = plain(model).processor
    tokenizer = processor.tokenizer
    assert end_of_turn(processor) == tokenizer.convert_tokens_to_ids("<|im_end|>")
    template = processor.chat_template
    try:
        processor.chat_template = template.replace("<|im_end|>", "<|endoftext|>")
        assert end_of_turn(processor) == tokenizer.convert_tokens_to_ids("<|endoftext|>")
        processor.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
        assert end_of_turn(processor) == tokenizer.eos_token_id
    finally:
        processor.chat_template = template


@pytest.mark.parametrize("device", ["cuda:99", "mps", "gpu", "cpu:0:1"])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(ModelError, match=f"--mcr-device {device}"):
        choose_device(device)


def test_a_model_that_does_not_listen(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "text"
    transformers.AutoTokenizer.from_pretrained(tiny_model_dir).save_pretrained(folder)
    sizes: dict[str, Any] = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
    }
    config = transformers.Qwen2Config(vocab_size=400, intermediate_size=8, **sizes)
    transformers.Qwen2ForCausalLM(config).save_pretrained(folder)
    with pytest.raises(ModelError, match="family qwen2 is no audio-language model"):
        loaded(folder)


def test_weights_that_are_missing_are_not_made_up(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model_dir, tmp_path / "partial")
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[0]
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 of its weights are missing, e\.g\. \S+"):
        loaded(folder)


def test_torn_weights(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model_dir, tmp_path / "torn")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot load it") as caught:
        loaded(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("attention", ["flash_attention_2", "flex_attention"])
def test_an_attention_that_the_model_or_the_machine_lacks(tiny_model_dir: Path, attention: str) -> None:
    if attention == "flash_attention_2" and importlib.util.find_spec("flash_attn"):
        pytest.skip("flash-attn is installed")
    with pytest.raises(ModelError, match=f"(?i)attention.*; leave attn={attention} out") as caught:
        loaded(tiny_model_dir, f"?attn={attention}")
    assert "\n" not in str(caught.value)
