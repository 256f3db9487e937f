"""The lab model's body: a small, genuine Qwen2-Audio with its own byte-level BPE tokenizer and processor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

SECONDS: Final = 8
"""The model's window. Whisper's is 30 s; the encoder's cost is that of the whole window whatever the clip's length."""

MELS: Final = 80
VOCABULARY: Final = 1400
END, PAD, START = "<|im_end|>", "<|endoftext|>", "<|im_start|>"
AUDIO, AUDIO_START, AUDIO_END = "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"

CHAT_TEMPLATE: Final = (
    "{% set count = namespace(value=0) %}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}{% set count.value = count.value + 1 %}"
    "Audio {{ count.value }}: <|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen2-Audio's turn format without its system turn, which a model of one voice does not need."""


def build_processor(corpus: Iterable[str]) -> Any:
    """Train a byte-level BPE on `corpus` and wrap it in a processor with an 8-second window."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END, AUDIO, AUDIO_START, AUDIO_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus, trainer)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        extra_special_tokens={"audio_token": AUDIO, "audio_bos_token": AUDIO_START, "audio_eos_token": AUDIO_END},
    )
    features = WhisperFeatureExtractor(feature_size=MELS, chunk_length=SECONDS)  # type: ignore[no-untyped-call]
    return Qwen2AudioProcessor(features, tokenizer, chat_template=CHAT_TEMPLATE)  # type: ignore[no-untyped-call]


def build_model(processor: Any) -> Any:
    """Initialise the model from torch's global seed: four language layers, three audio layers, about 2 M parameters."""
    tokenizer = processor.tokenizer
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "d_model": 128,
            "encoder_layers": 3,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 384,
            "num_mel_bins": MELS,
            "max_source_positions": 50 * SECONDS,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 160,
            "intermediate_size": 416,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": False,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids(AUDIO),
    )
    config.tie_word_embeddings = False
    model = Qwen2AudioForConditionalGeneration(config)
    with torch.no_grad():
        model.model.audio_tower.embed_positions.weight.copy_(sinusoids(50 * SECONDS, 128))
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    return model


def sinusoids(length: int, channels: int) -> torch.Tensor:
    """Whisper's fixed position embedding, shape (length, channels), which Qwen2-Audio's tower keeps frozen.

    Source: Radford et al. 2022 (arXiv 2212.04356), reference implementation, ``whisper/model.py``.
    """
    step = math.log(10_000.0) / (channels // 2 - 1)
    scales = torch.exp(-step * torch.arange(channels // 2))
    angles = torch.arange(length)[:, None] * scales[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def save(model: Any, processor: Any, folder: Path) -> None:
    """Write weights in bfloat16, configuration, tokenizer, feature extractor and chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
