# mypy: allow-untyped-calls
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.hf_processor import Processor
from pytest_mcr.models.hf_trials import joins_exactly, prompts_apart, shortest_seconds, window_seconds
from tests.unit import tiny_processors as tiny
from tests.unit.tiny_requests import clip


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def checked(family: str, spoil: tiny.Spoil | None = None, name: str | None = None) -> Processor:
    real = tiny.processor_of(family)
    return Processor(real if spoil is None else tiny.Deaf(real, spoil), name or family, real.audio_token_id)


def uncut(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    chosen["processor_kwargs"] = {**chosen["processor_kwargs"], "audio_kwargs": {"truncation": False}}
    return real.apply_chat_template(conversations, **chosen)


def pads_to_the_longest(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    """Shapes differ with the neighbour, the bits that both have do not."""
    encoded = real.apply_chat_template(conversations, **chosen)
    longest = max(len(turns[0]["content"][0]["audio"]) for turns in conversations) // 160
    encoded["input_features"] = encoded["input_features"][..., :longest]
    return encoded


def next_to_others(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    """Shapes are the same; one number is another when there are neighbours."""
    encoded = real.apply_chat_template(conversations, **chosen)
    encoded["input_features"][0, 0, 0] += 1e-6 * (len(conversations) - 1)
    return encoded


@pytest.mark.parametrize(
    ("family", "spoil", "name", "seconds"),
    [
        ("qwen2_audio", None, None, 4.0),
        ("qwen3_asr", None, None, 4.0),
        ("qwen3_asr", uncut, None, None),
        ("audioflamingo3", None, None, 600.0),
        ("musicflamingo", None, None, 1200.0),
        ("glmasr", None, None, 655.0),
        ("qwen2_audio", None, "gemma3n", 30.0),
        ("qwen2_audio", tiny.drop_audio, None, 4.0),
    ],
    ids=["fixed", "cut", "uncut", "flamingo", "music", "glm", "by-name", "deaf"],
)
def test_windows(family: str, spoil: tiny.Spoil | None, name: str | None, seconds: float | None) -> None:
    assert window_seconds(checked(family, spoil, name)) == seconds


def test_a_window_is_what_is_heard_of_a_longer_clip() -> None:
    processor = checked("qwen3_asr", uncut)
    assert processor.tensors([clip(1, 9.5)], ["?"])["input_features"].shape[-1] >= 950


@pytest.mark.parametrize(
    ("family", "spoil", "joins"),
    [
        ("qwen2_audio", None, True),
        ("audioflamingo3", None, True),
        ("qwen3_asr", None, False),
        ("qwen2_audio", pads_to_the_longest, False),
        ("qwen2_audio", next_to_others, False),
        ("qwen2_audio", tiny.drop_audio, False),
    ],
    ids=["fixed", "windows", "longest", "shape", "bits", "deaf"],
)
def test_joining_is_exact_to_the_bit_or_not_done(family: str, spoil: tiny.Spoil | None, joins: bool) -> None:
    processor = checked(family, spoil)
    assert joins_exactly(processor, window_seconds(processor)) == joins


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_shortest_clip_is_the_shortest(family: str) -> None:
    processor = checked(family)
    seconds = shortest_seconds(processor)
    assert seconds is not None
    processor.tensors([clip(1, seconds)], ["?"])
    shorter = clip(1, seconds - 0.01)
    if len(shorter.samples) and family != "qwen3_asr":  # that one fails in its STFT
        with pytest.raises(DeliveryError):
            processor.tensors([shorter], ["?"])


def test_a_deaf_processor_has_no_shortest_clip() -> None:
    assert shortest_seconds(checked("qwen2_audio", tiny.drop_audio)) is None


@pytest.mark.parametrize(
    ("spoil", "apart"), [(None, True), (tiny.lower_case, False), (tiny.drop_audio, False)], ids=["own", "rule", "deaf"]
)
def test_prompts_are_tokenised_apart_only_with_the_processors_own_ids(spoil: tiny.Spoil | None, apart: bool) -> None:
    assert (prompts_apart(checked("qwen2_audio", spoil)) is not None) == apart


def test_a_tokenizer_that_adds_a_token_of_its_own_is_noticed() -> None:
    def one_more(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
        encoded = real.apply_chat_template(conversations, **chosen)
        for name in ("input_ids", "attention_mask"):
            encoded[name] = torch.cat([encoded[name], torch.ones_like(encoded[name][:, :1])], 1)
        return encoded

    assert prompts_apart(checked("qwen2_audio", one_more)) is None
