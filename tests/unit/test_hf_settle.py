# mypy: allow-untyped-calls
"""What a loaded model is told once: adapters on in every branch, no noise, an Omni checkpoint's thinker alone."""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_load import _audio_token_id
from tests.unit import tiny_families, tiny_omni, tiny_standins
from tests.unit.stand_in import StandIn
from tests.unit.tiny_requests import TOLERANCE, ask, clip, drift, gap, loaded, plain, text_of

CLEARLY = 0.05


@pytest.fixture(scope="module")
def granite(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """Granite speech with a LoRA adapter beside the weights."""
    made = tiny_standins.granite_speech(tmp_path_factory.mktemp("lora") / "granite", adapter=True)
    tiny_standins.add_adapter(made)
    return made


def load(made: StandIn, options: str = "") -> HfModel:
    with made.serving():
        return loaded(made.folder, options)


def changed(made: StandIn, folder: Path) -> StandIn:
    return StandIn(shutil.copytree(made.folder, folder), made.processor)


def without(path: Path, *names: str) -> None:
    weights = load_file(path)
    for name in names or sorted(weights)[:1]:
        del weights[name]
    save_file(weights, path, metadata={"format": "pt"})


def test_an_adapter_is_on_with_and_without_audio(granite: StandIn) -> None:
    model, requests = load(granite), [ask(clip(1)), ask(None)]
    assert drift(model, requests) < TOLERANCE
    adapted = model.respond(requests)
    plain(model).model.disable_adapters()  # the control: what Granite's own generate() does without audio
    assert min(map(gap, adapted, model.respond_plain(requests))) > CLEARLY


def test_generation_by_the_checkpoints_own_config_leaves_the_adapter_on(granite: StandIn) -> None:
    greedy, own = load(granite), load(granite, "?generation=model")
    for request in (ask(None), ask(clip(1)), ask(None)):
        [one], [two] = greedy.respond([request]), own.respond([request])
        assert text_of(one) == text_of(two)
        assert gap(one, two) < TOLERANCE


def test_an_adapter_that_is_declared_and_not_there(tmp_path: Path) -> None:
    made = tiny_standins.granite_speech(tmp_path / "granite", adapter=True)
    with pytest.raises(ModelError, match=r"has_lora_adapter, but there is no adapter_config\.json"):
        load(made)


def test_weights_that_are_missing_below_an_adapter_are_not_made_up(granite: StandIn, tmp_path: Path) -> None:
    """transformers reports the adapter's weights only."""
    made = changed(granite, tmp_path / "torn")
    without(made.folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"1 of its weights are missing, e\.g\. \S+"):
        load(made)


def test_an_adapter_that_is_not_whole(granite: StandIn, tmp_path: Path) -> None:
    made = changed(granite, tmp_path / "torn")
    without(made.folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"1 weights of its adapter are missing, e\.g\. \S+lora"):
        load(made)


def test_an_adapter_without_peft_is_not_left_out(granite: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else real(name, *rest))
    with pytest.raises(ModelError, match=r"needs peft; type: pip install 'pytest-mcr\[lora\]'"):
        load(granite)


def test_random_noise_on_what_is_heard_is_left_out(tmp_path: Path) -> None:
    model = loaded(tiny_families.vibevoice_asr(tmp_path / "vibevoice"))
    request = ask(clip(1, rate=24_000))
    one, two = (model.respond_plain([request])[0] for _ in range(2))
    assert gap(one, two) == 0.0
    real, inputs = plain(model).model, model._inputs.build([request])
    with torch.inference_mode():  # the control: the class as it is
        first, second = (type(real).forward(real, **inputs).logits for _ in range(2))
    assert float((first - second).abs().max()) > 10 * TOLERANCE


@pytest.mark.parametrize("family", ["qwen2_5_omni", "qwen3_omni_moe"])
def test_an_omni_checkpoint_is_its_thinker(family: str, tmp_path: Path) -> None:
    made = tiny_standins.STAND_INS[family](tmp_path / family)
    saved = load_file(made.folder / "model.safetensors")
    assert any(name.startswith("talker.") for name in saved)
    model = load(made)
    held = plain(model).model.state_dict()
    assert not any("talker" in name or "2wav" in name for name in held)
    assert sum(tensor.numel() for tensor in held.values()) == sum(
        tensor.numel() for name, tensor in saved.items() if name.startswith("thinker.")
    )
    head = saved["thinker.lm_head.weight"]
    assert torch.equal(held["lm_head.weight"], head)
    assert model.traits["family"] == family


def test_a_thinker_whose_weights_are_missing(tmp_path: Path) -> None:
    made = tiny_omni.qwen2_5_omni(tmp_path / "omni")
    without(made.folder / "model.safetensors", "thinker.lm_head.weight")
    with pytest.raises(ModelError, match=r"1 of its weights are missing, e\.g\. lm_head\.weight"):
        load(made)


def test_a_model_without_a_chat_template_takes_no_question(tmp_path: Path) -> None:
    folder = tiny_families.audioflamingo3(tmp_path / "mute")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="has no chat template, so it takes no question"):
        loaded(folder)
    (folder / "tekken.json").write_text("{}")  # transformers would read it as a tokenizer without a chat format
    with pytest.raises(ModelError, match=r"in mistral-common, which .*; type: pip install 'mistral-common\[audio\]"):
        loaded(folder)


def test_a_processor_that_needs_other_packages_says_which(tmp_path: Path) -> None:
    """The Omni processors see pictures too."""
    made = tiny_omni.qwen2_5_omni(tmp_path / "omni")
    made.processor.tokenizer.save_pretrained(made.folder)
    settings = {"processor_class": "Qwen2_5OmniProcessor", "image_processor_type": "Qwen2VLImageProcessor"}
    (made.folder / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=r"cannot load it: .*; type: pip install torchvision pillow$"):
        loaded(made.folder)


@pytest.mark.parametrize("family", ["kyutai_speech_to_text", "voxtral_realtime", "phi4_multimodal"])
def test_families_that_would_be_measured_wrongly(family: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    with pytest.raises(ModelError, match=f"family {family} is not served by this version: it"):
        loaded(tmp_path)


@pytest.mark.parametrize("holder", ["audio_config", "text_config", "thinker_config"])
def test_a_nested_audio_token_is_found(holder: str, tmp_path: Path) -> None:
    """As in Phi-4, whose audio config holds it."""
    config = SimpleNamespace(**{holder: SimpleNamespace(audio_token_id=7)})
    assert _audio_token_id(tmp_path, config, SimpleNamespace()) == 7
    processor = SimpleNamespace(audio_token="<sound>", tokenizer=tiny_families.tokenizer_with("<sound>"))
    number = processor.tokenizer.convert_tokens_to_ids("<sound>")
    assert _audio_token_id(tmp_path, SimpleNamespace(), processor) == number
    with pytest.raises(ModelError, match="neither config nor processor names an audio token"):
        _audio_token_id(tmp_path, SimpleNamespace(), SimpleNamespace())


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
