# mypy: allow-untyped-calls
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.hf_processor import Processor
from pytest_mcr.models.hf_prompts import Prompts
from pytest_mcr.models.hf_trials import NASTY, joins_exactly, prompts_apart, shortest_seconds, window_seconds
from tests.unit import tiny_families, tiny_gemma, tiny_standins
from tests.unit import tiny_processors as tiny
from tests.unit.tiny_requests import clip


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


GEMMA = {"gemma3n": tiny_gemma.gemma3n_processor, "gemma4": tiny_gemma.gemma4_processor,
         "gemma4_unified": tiny_gemma.gemma4_unified_processor}  # fmt: skip
COUNTING = {"vibevoice_asr": tiny_families.vibevoice_processor, "moss_transcribe_diarize": tiny_families.moss_processor,
            "muse_spark": tiny_standins.muse_processor}  # fmt: skip


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
        ("glmasr", None, None, 652.0),
        ("qwen2_audio", tiny.drop_audio, None, 4.0),
    ],
    ids=["fixed", "cut", "uncut", "flamingo", "music", "glm", "deaf"],
)
def test_windows(family: str, spoil: tiny.Spoil | None, name: str | None, seconds: float | None) -> None:
    assert window_seconds(checked(family, spoil, name)) == seconds


@pytest.mark.parametrize("family", ["gemma3n", "gemma4", "gemma4_unified"])
def test_a_window_that_only_defaults_declare(family: str) -> None:
    real = GEMMA[family]()
    assert window_seconds(Processor(real, family, real.audio_token_id)) == 30.0


@pytest.mark.parametrize("family", ["audioflamingo3", "musicflamingo", "glmasr"])
def test_what_a_family_cuts_with_a_warning_is_never_heard(family: str) -> None:
    real = tiny.processor_of(family)
    real.max_audio_len = 11  # two windows of 4 s; the rest of 3 s would be cut too
    processor = Processor(real, family, real.audio_token_id)
    assert window_seconds(processor) == 8.0
    processor.tensors([clip(1, 8.0)], ["?"])
    for _ in range(2):  # transformers logs a warning once in a process
        with pytest.raises(DeliveryError, match=r"the processor complained: Audio duration \(8\.5s\) exceeds 11s"):
            processor.tensors([clip(1, 8.5)], ["?"])


def test_glm_asr_hears_whole_windows_of_30_seconds() -> None:
    real = tiny.processor_of("glmasr", 30)
    assert window_seconds(Processor(real, "glmasr", real.audio_token_id)) == 630.0


@pytest.mark.parametrize("family", ["vibevoice_asr", "muse_spark", "moss_transcribe_diarize"])
def test_families_that_count_samples_must_count_all(family: str) -> None:
    real = COUNTING[family]()
    processor = Processor(real, family, real.audio_token_id)
    audio = clip(1, 1.5, processor.rate)
    processor.tensors([audio], ["?"])
    processor.real = tiny.Deaf(real, tiny.half_the_clip)
    with pytest.raises(DeliveryError, match=r"cover 0\.75 s of 1\.50 s: audio was cut"):
        processor.tensors([audio], ["?"])


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


WRITES = "{{ content['text'] }}"


@pytest.mark.parametrize(
    ("change", "framed"),
    [
        (lambda template: template, True),
        (lambda template: template.replace(WRITES, WRITES + "{{ ' yes' * (content['text'] | length) }}"), False),
    ],
    ids=["as it is", "by length"],
)
def test_prompts_are_put_into_a_frame_where_that_gives_the_templates_ids(
    change: Callable[[str], str], framed: bool
) -> None:
    processor = checked("qwen2_audio")
    was = processor.real.chat_template
    processor.real.chat_template = change(was)
    assert (processor.real.chat_template == was) == framed
    prompts = prompts_apart(processor)
    assert prompts is not None
    assert bool(prompts._around) == framed


@pytest.fixture(scope="module")
def framed_prompts() -> Prompts:
    prompts = prompts_apart(checked("qwen2_audio"))
    assert prompts is not None
    return prompts


@given(st.one_of(st.text(), st.text("<|>AUDIOim_startend\U000f0000 \n"), st.sampled_from(NASTY)), st.booleans())
def test_a_frame_gives_the_templates_ids(framed_prompts: Prompts, text: str, heard: bool) -> None:
    audio = clip(1, 0.5) if heard else None
    for prompt in (text, f"{text}<|AUDIO|>{text}"):
        assert framed_prompts._bare(audio, [prompt]) == framed_prompts._templated(audio, [prompt])


def test_a_template_that_writes_a_prompt_twice_has_no_frame() -> None:
    processor = checked("qwen2_audio")
    template = processor.real.chat_template
    processor.real.chat_template = template.replace(
        "{{ content['text'] }}", "{{ content['text'] }}{{ content['text'] }}"
    )
    with pytest.raises(ValueError, match="writes the prompt 2 times"):
        Prompts(processor.real, processor.audio_token_id, framed=True)


def test_a_tokenizer_that_adds_a_token_of_its_own_is_noticed() -> None:
    def one_more(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
        encoded = real.apply_chat_template(conversations, **chosen)
        for name in ("input_ids", "attention_mask"):
            encoded[name] = torch.cat([encoded[name], torch.ones_like(encoded[name][:, :1])], 1)
        return encoded

    assert prompts_apart(checked("qwen2_audio", one_more)) is None
