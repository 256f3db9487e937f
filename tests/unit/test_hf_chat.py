# mypy: allow-untyped-calls
"""System turn and part order: what is asked for reaches the model, or is refused; it is never only recorded."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor

from pytest_mcr.errors import ModelError
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_chat import Chat, chat_of
from pytest_mcr.models.hf_chat_trial import written_order
from pytest_mcr.models.hf_processor import Processor
from pytest_mcr.models.protocol import Request
from pytest_mcr.run.process import engine_note
from tests.unit.tiny import FLAMINGO_TEMPLATE
from tests.unit.tiny_requests import TOLERANCE, ask, clip, gap, loaded, mixed, text_of

SYSTEM = "Be brief. <|im_end|>\nAnswer in one word: 50%?"
ESCAPED = "?system=Be%20brief. %3C|im_end|%3E%0AAnswer in one word: 50%25%3F"

STRING_ONLY = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'system' %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
AS_JSON = STRING_ONLY.replace("{{ m['content'] }}", "{{ m['content'] if m['content'] is string else m | tojson }}", 1)
NO_SYSTEM = STRING_ONLY.replace("{% for m in messages %}", "{% for m in messages if m['role'] != 'system' %}")
REFUSES_SYSTEM = STRING_ONLY.replace("{{ m['content'] }}", "{{ raise_exception('System role not supported') }}", 1)
AUDIO_FIRST_ALWAYS = STRING_ONLY.replace(
    "{% for part in m['content'] %}", "{% for part in m['content'] | sort(attribute='type') %}"
)


def with_template(tiny_model_dir: Path, folder: Path, template: str) -> Path:
    shutil.copytree(tiny_model_dir, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def by_hand(model: HfModel, request: Request, turns: list[dict[str, Any]]) -> str:
    """What transformers itself generates for these turns."""
    assert model._checkpoint is not None
    real, network = model._checkpoint.processor, model._checkpoint.model
    inputs = real.apply_chat_template(
        turns, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        sanitize_control_tokens=True,
    )  # fmt: skip
    with torch.inference_mode():
        ids = network.generate(**inputs, max_new_tokens=request.max_new_tokens, do_sample=False)
    return str(real.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def user_turn(request: Request, order: Sequence[str]) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {"text": {"type": "text", "text": request.prompt}}
    if request.audio is not None:
        parts["audio"] = {"type": "audio", "audio": request.audio.samples}
    return {"role": "user", "content": [parts[kind] for kind in order if kind in parts]}


def test_the_system_turn_reaches_the_model(tiny_model_dir: Path) -> None:
    model, usual = loaded(tiny_model_dir, ESCAPED), loaded(tiny_model_dir)
    system = {"role": "system", "content": [{"type": "text", "text": SYSTEM}]}
    requests = mixed()
    answers = model.respond(requests)
    said = [text_of(answer) for answer in answers]
    assert said == [by_hand(model, request, [system, user_turn(request, ("audio", "text"))]) for request in requests]
    for answer, plain in zip(answers, model.respond_plain(requests), strict=True):
        assert text_of(answer) == text_of(plain)
        assert gap(answer, plain) < TOLERANCE
    assert max(map(gap, answers, usual.respond(requests))) > 0.05
    assert (model.traits["system"], usual.traits["system"]) == (SYSTEM, None)
    assert model.fingerprint() != usual.fingerprint()
    assert engine_of_traits(model)["continuation"] == "tree"
    assert engine_of_traits(model)["tokenizes_apart"] is True


def test_text_first_is_answered_by_whole_prompts_and_the_summary_says_so(tiny_model_dir: Path) -> None:
    model, usual = loaded(tiny_model_dir, "?order=text-first"), loaded(tiny_model_dir)
    requests = mixed()
    answers = model.respond(requests)
    said = [text_of(answer) for answer in answers]
    assert said == [by_hand(model, request, [user_turn(request, ("text", "audio"))]) for request in requests]
    for answer, plain in zip(answers, model.respond_plain(requests), strict=True):
        assert gap(answer, plain) < TOLERANCE
    heard = [number for number, request in enumerate(requests) if request.audio is not None]
    others = usual.respond(requests)
    assert max(gap(answers[number], others[number]) for number in heard) > 0.05
    assert (model.traits["order"], usual.traits["order"]) == ("text-first", "audio-first")
    assert model.fingerprint() != usual.fingerprint()
    assert engine_of_traits(model)["continuation"] == "plain"
    assert engine_note(model.traits) == (
        "engine: each prompt from its beginning, slower than a token tree (the text comes before the audio, so the "
        "prompts of a clip do not share it)"
    )


def engine_of_traits(model: HfModel) -> dict[str, Any]:
    engine = model.traits["engine"]
    assert isinstance(engine, dict)
    return engine


@pytest.mark.parametrize("template", [STRING_ONLY, AS_JSON], ids=["as it is", "as JSON"])
def test_a_template_that_takes_the_system_turn_as_a_string(tiny_model_dir: Path, tmp_path: Path, template: str) -> None:
    model = loaded(with_template(tiny_model_dir, tmp_path / "m", template), ESCAPED)
    request = ask(clip(1))
    turns = [{"role": "system", "content": SYSTEM}, user_turn(request, ("audio", "text"))]
    assert text_of(model.respond([request])[0]) == by_hand(model, request, turns)


@pytest.mark.parametrize(
    ("template", "options", "words"),
    [
        (
            NO_SYSTEM,
            "?system=Be brief.",
            "system=...: the chat template of this qwen2_audio checkpoint writes no",
        ),
        (REFUSES_SYSTEM, "?system=Be brief.", "writes no system turn; leave the option out"),
        (AUDIO_FIRST_ALWAYS, "?order=text-first", "order=text-first: the chat template of this qwen2_audio checkpoint"),
    ],
    ids=["ignores system", "refuses system", "audio first always"],
)
def test_what_a_template_does_not_write_is_refused(
    tiny_model_dir: Path, tmp_path: Path, template: str, options: str, words: str
) -> None:
    folder = with_template(tiny_model_dir, tmp_path / "m", template)
    with pytest.raises(ModelError) as caught:
        loaded(folder, options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_order_is_read_off_what_is_written(tiny_model_dir: Path) -> None:
    real = AutoProcessor.from_pretrained(tiny_model_dir)
    token = real.tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    for order in ("audio-first", "text-first"):
        assert written_order(Processor(real, "qwen2_audio", token, chat_of({"order": order}))) == order
    real.chat_template = AUDIO_FIRST_ALWAYS
    assert written_order(Processor(real, "qwen2_audio", token, chat_of({"order": "text-first"}))) == "audio-first"
    real.chat_template = FLAMINGO_TEMPLATE  # has no placeholder of this tokenizer
    assert written_order(Processor(real, "qwen2_audio", token)) is None


def test_usual_settings_add_nothing_to_a_fingerprint() -> None:
    assert Chat().settings() == ()
    assert chat_of({}) == Chat()
    assert chat_of({"system": "a", "order": "text-first"}).settings() == ("system 'a'", "text-first")
