# mypy: allow-untyped-calls
"""Real processors of several families around one tiny tokenizer, without a model; and ways to spoil them."""

from collections.abc import Callable
from typing import Any

from transformers import (
    AudioFlamingo3Processor,
    GlmAsrProcessor,
    MusicFlamingoProcessor,
    Qwen2AudioProcessor,
    Qwen3ASRProcessor,
    WhisperFeatureExtractor,
)

from pytest_mcr.models.hf_inputs import Inputs
from tests.unit.tiny import FLAMINGO_TEMPLATE, _tokenizer

FAMILIES = ("qwen2_audio", "audioflamingo3", "musicflamingo", "glmasr", "qwen3_asr")


def processor_of(family: str, seconds: int = 4) -> Any:
    """A family's processor; clips are padded to, or cut into, windows of `seconds` where the family does so."""
    extractor = WhisperFeatureExtractor(feature_size=128, chunk_length=seconds)
    tokenizer = _tokenizer()
    if family == "qwen2_audio":
        return Qwen2AudioProcessor(extractor, tokenizer)
    if family == "qwen3_asr":
        template = FLAMINGO_TEMPLATE.replace("<sound>", "<|audio_bos|><|AUDIO|><|audio_eos|>")
        return Qwen3ASRProcessor(extractor, tokenizer, chat_template=template)
    if family == "glmasr":
        tokenizer.add_tokens(["<|pad|>"], special_tokens=True)
        return GlmAsrProcessor(extractor, tokenizer, chat_template=FLAMINGO_TEMPLATE.replace("<sound>", "<|pad|>"))
    if family == "musicflamingo":
        tokenizer.add_tokens(["<sound>", "<|sound_bos|>", "<|sound_eos|>"], special_tokens=True)
        return MusicFlamingoProcessor(extractor, tokenizer, chat_template=FLAMINGO_TEMPLATE)
    tokenizer.add_tokens(["<sound>"], special_tokens=True)
    return AudioFlamingo3Processor(extractor, tokenizer, chat_template=FLAMINGO_TEMPLATE)


def inputs_of(family: str = "qwen2_audio", processor: Any = None) -> Inputs:
    chosen = processor_of(family) if processor is None else processor
    return Inputs(chosen, family, chosen.audio_token_id)


Spoil = Callable[[Any, list[Any], dict[str, Any]], Any]


class Deaf:
    """A processor that does something silly with the audio, and is real otherwise."""

    def __init__(self, real: Any, spoil: Spoil) -> None:
        self.real, self.spoil = real, spoil

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by copy.deepcopy before there is a `real`
            raise AttributeError(name)
        return getattr(self.real, name)

    def apply_chat_template(self, conversations: list[Any], **chosen: Any) -> Any:
        return self.spoil(self.real, conversations, chosen)


def drop_audio(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    kept = [[{**turn, "content": turn["content"][1:]} for turn in turns] for turns in conversations]
    return real.apply_chat_template(kept, **chosen)


def wrong_keyword(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    chosen["processor_kwargs"] = {**chosen["processor_kwargs"], "audios": "swallowed"}
    return real.apply_chat_template(conversations, **chosen)


def no_features(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    encoded = real.apply_chat_template(conversations, **chosen)
    if chosen["tokenize"]:
        encoded.pop("input_features", None)
    return encoded


def one_placeholder_less(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    encoded = real.apply_chat_template(conversations, **chosen)
    first = int((encoded["input_ids"][0] == real.audio_token_id).nonzero()[0])
    encoded["input_ids"][0, first] = real.tokenizer.pad_token_id
    return encoded


def half_the_clip(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    for turns in conversations:
        part = turns[0]["content"][0]
        part["audio"] = part["audio"][: len(part["audio"]) // 2]
    return real.apply_chat_template(conversations, **chosen)


def lower_case(real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
    """Tokenises prompts by a rule of its own, as a processor may."""
    for turns in conversations:
        part = turns[0]["content"][-1]
        part["text"] = part["text"].lower()
    return real.apply_chat_template(conversations, **chosen)


class Counted:
    """Counts how often features are extracted, which is otherwise done by the real processor."""

    def __init__(self) -> None:
        self.clips = 0

    def __call__(self, real: Any, conversations: list[Any], chosen: dict[str, Any]) -> Any:
        self.clips += sum(len(turns[0]["content"]) == 2 for turns in conversations)
        return real.apply_chat_template(conversations, **chosen)
