# mypy: allow-untyped-calls
"""Tiny, random, real checkpoints of the families whose own processor runs here: model class, processor, safetensors.

Language models are as wide as in `tiny` (``initializer_range`` 0.2); what hears is initialised to keep the size of
what passes through, so that another clip gives clearly other numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from transformers.tokenization_mistral_common import MistralCommonBackend

from tests.unit.tiny import FLAMINGO_TEMPLATE, SPECIAL, _tokenizer, build
from tests.unit.tiny_mistral import save_tokenizer

SECONDS = 4
WHISPER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
LEGACY = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
LANGUAGE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 16, "initializer_range": 0.2}  # fmt: skip


def template(audio: str) -> str:
    """The chat template, with what stands for a clip."""
    return FLAMINGO_TEMPLATE.replace("<sound>", audio)


def tokenizer_with(*tokens: str) -> Any:
    tokenizer = _tokenizer()
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    return tokenizer


def language(kind: str, tokenizer: Any, **more: Any) -> dict[str, Any]:
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    return {"model_type": kind, "vocab_size": len(tokenizer), **LANGUAGE, **ends, **more}


def save(folder: Path, model_class: Any, config: Any, processor: Any, *, seed: int = 0) -> Path:
    """Save a model with seeded random weights, and its processor where there is one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config)
        speaker = getattr(model, "thinker", model)
        speaks = {id(parameter) for parameter in speaker.get_decoder().parameters()}
        speaks.add(id(speaker.get_output_embeddings().weight))
        for parameter in model.parameters():
            if parameter.dim() > 1 and id(parameter) not in speaks:
                torch.nn.init.normal_(parameter, std=3 * parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder


def whisper(seconds: int = SECONDS) -> Any:
    return hf.WhisperFeatureExtractor(feature_size=128, chunk_length=seconds)


def qwen2_audio(folder: Path) -> Path:
    return build(folder, seconds=SECONDS)


def audioflamingo3(folder: Path, **chosen: Any) -> Path:
    tokenizer = tokenizer_with("<sound>")
    config = hf.AudioFlamingo3Config(
        audio_config={**WHISPER, "model_type": "audioflamingo3_encoder", "max_source_positions": 50 * SECONDS},
        text_config=language("qwen2", tokenizer), audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )  # fmt: skip
    processor = hf.AudioFlamingo3Processor(whisper(), tokenizer, chat_template=FLAMINGO_TEMPLATE, **chosen)
    return save(folder, hf.AudioFlamingo3ForConditionalGeneration, config, processor)


def musicflamingo(folder: Path, **chosen: Any) -> Path:
    tokenizer = tokenizer_with("<sound>", "<|sound_bos|>", "<|sound_eos|>")
    number = tokenizer.convert_tokens_to_ids
    config = hf.MusicFlamingoConfig(
        audio_config={**WHISPER, "model_type": "audioflamingo3_encoder", "max_source_positions": 50 * SECONDS},
        text_config=language("qwen2", tokenizer), audio_token_id=number("<sound>"),
        audio_bos_token_id=number("<|sound_bos|>"), audio_eos_token_id=number("<|sound_eos|>"),
    )  # fmt: skip
    processor = hf.MusicFlamingoProcessor(whisper(), tokenizer, chat_template=FLAMINGO_TEMPLATE, **chosen)
    return save(folder, hf.MusicFlamingoForConditionalGeneration, config, processor)


def glmasr(folder: Path, **chosen: Any) -> Path:
    tokenizer = tokenizer_with("<|pad|>")
    config = hf.GlmAsrConfig(
        audio_config={**WHISPER, "model_type": "glmasr_encoder", "max_position_embeddings": 50 * SECONDS},
        text_config=language("llama", tokenizer), audio_token_id=tokenizer.convert_tokens_to_ids("<|pad|>"),
    )  # fmt: skip
    processor = hf.GlmAsrProcessor(whisper(), tokenizer, chat_template=template("<|pad|>"), **chosen)
    return save(folder, hf.GlmAsrForConditionalGeneration, config, processor)


def qwen3_asr(folder: Path) -> Path:
    tokenizer = _tokenizer()
    audio = {**LEGACY, "model_type": "qwen3_asr_encoder", "output_dim": 64, "downsample_hidden_size": 16}
    config = hf.Qwen3ASRConfig(
        audio_config=audio, text_config=language("qwen3", tokenizer),
        audio_token_id=SPECIAL.index("<|AUDIO|>"), timestamp_token_id=len(tokenizer) - 1,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    chat = template("<|audio_bos|><|AUDIO|><|audio_eos|>")
    processor = hf.Qwen3ASRProcessor(hf.Qwen3ASRFeatureExtractor(), tokenizer, chat_template=chat)
    return save(folder, hf.Qwen3ASRForConditionalGeneration, config, processor)


def vibevoice_processor() -> Any:
    tokenizer = tokenizer_with("<|box_start|>", "<|object_ref_start|>", "<|object_ref_end|>")
    chat = template("<|object_ref_start|><|box_start|><|object_ref_end|>This is <|AUDIO_DURATION|> s long.\n")
    return hf.VibeVoiceAsrProcessor(hf.VibeVoiceAcousticTokenizerFeatureExtractor(), tokenizer, chat_template=chat)


def vibevoice_asr(folder: Path) -> Path:
    processor = vibevoice_processor()
    tokenizer = processor.tokenizer
    number = tokenizer.convert_tokens_to_ids
    heard = {"hidden_size": 32, "num_filters": 4, "depths": [1] * 7, "layer_scale_init_value": 0.1}
    config = hf.VibeVoiceAsrConfig(
        acoustic_tokenizer_encoder_config={"model_type": "vibevoice_acoustic_tokenizer_encoder", **heard},
        semantic_tokenizer_encoder_config={"model_type": "vibevoice_acoustic_tokenizer_encoder", **heard},
        text_config=language("qwen2", tokenizer), audio_token_id=number("<|box_start|>"),
        audio_bos_token_id=number("<|object_ref_start|>"), audio_eos_token_id=number("<|object_ref_end|>"),
    )  # fmt: skip
    return save(folder, hf.VibeVoiceAsrForConditionalGeneration, config, processor)


def moss_processor() -> Any:
    tokenizer = tokenizer_with("<|audio_pad|>", "<|audio_start|>", "<|audio_end|>")
    extractor = hf.MossTranscribeDiarizeFeatureExtractor(chunk_length=SECONDS)
    chat = template("<|audio_start|><|audio_pad|><|audio_end|>")
    return hf.MossTranscribeDiarizeProcessor(extractor, tokenizer, chat_template=chat)


def moss_transcribe_diarize(folder: Path) -> Path:
    processor = moss_processor()
    tokenizer = processor.tokenizer
    config = hf.MossTranscribeDiarizeConfig(
        audio_config={**WHISPER, "num_mel_bins": 80, "max_source_positions": 50 * SECONDS},
        text_config=language("qwen3", tokenizer), audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
        audio_chunk_size=16_000 * SECONDS,
    )  # fmt: skip
    return save(folder, hf.MossTranscribeDiarizeForConditionalGeneration, config, processor)


def voxtral(folder: Path) -> Path:
    tokenizer = MistralCommonBackend(save_tokenizer(folder))
    ends = {"pad_token_id": 11, "eos_token_id": 2, "bos_token_id": 1}
    config = hf.VoxtralConfig(
        audio_config={**WHISPER, "model_type": "voxtral_encoder"},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **LANGUAGE, **ends},
        audio_token_id=24,
    )  # fmt: skip
    processor = hf.VoxtralProcessor(whisper(30), tokenizer)
    return save(folder, hf.VoxtralForConditionalGeneration, config, processor)


REAL: dict[str, Callable[[Path], Path]] = {
    build.__name__: build
    for build in (
        qwen2_audio, audioflamingo3, musicflamingo, glmasr, qwen3_asr, vibevoice_asr, moss_transcribe_diarize, voxtral,
    )
}  # fmt: skip
"""Builders by family (``config.model_type``)."""
