"""Qwen2-Audio of any size with random weights, a real processor and a tokenizer trained on the mini benchmark.

Random weights say nothing about answers and cost as much as trained ones. The rows of the output head that belong to
special tokens are zero: a logit of 0 is never the largest of hundreds, so every answer runs to its full length.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from transformers import (
    GenerationConfig,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from benchmarks.questions import prompts_of_mini
from pytest_mcr.train import lab_model

MELS: Final = 128


@dataclass(frozen=True, slots=True)
class Size:
    """Dimensions of a model; see `Qwen2AudioConfig` for their meaning.

    Attributes:
        spread: standard deviation of the weights. At transformers' default of 0.02 a small model's logits hardly
            depend on anything, and wrong attention would pass for right.
        seconds: the encoder's window; Whisper's is 30.
    """

    text: Mapping[str, int]
    audio: Mapping[str, int]
    spread: float = 0.2
    seconds: int = 30


LONG: Final = Size(
    text={"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 8, "num_attention_heads": 4,
          "num_key_value_heads": 2},
    audio={"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64},
)  # fmt: skip
"""Language model 256 wide and 8 layers deep, behind a small encoder with the real window of 30 s, 750 tokens."""

SMALL_TEXT: Final = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                     "num_key_value_heads": 2}  # fmt: skip
TINY: Final = Size(SMALL_TEXT, LONG.audio)
BRIEF: Final = Size(SMALL_TEXT, LONG.audio, seconds=2)
"""Tiny, with a window of 2 s: for thousands of clips."""

REAL: Final = Size(
    text={"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
          "num_key_value_heads": 32, "vocab_size": 156_032},
    audio={"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120},
    spread=0.02,
)  # fmt: skip
"""Qwen2-Audio-7B(-Instruct), 8.4 B parameters: its published ``config.json`` over a Whisper-large-v3 encoder."""


def build_processor(seconds: int = 30) -> Any:
    """A processor with a window of that length."""
    made = lab_model.build_processor(prompts_of_mini())
    extractor = WhisperFeatureExtractor(feature_size=MELS, chunk_length=seconds)
    return Qwen2AudioProcessor(extractor, made.tokenizer, chat_template=lab_model.CHAT_TEMPLATE)


def build_model(size: Size, processor: Any, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """A model of that size, seeded, made on the device itself, in inference mode."""
    tokenizer = processor.tokenizer
    config = Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": MELS,
            "max_source_positions": 50 * size.seconds,
            **size.audio,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 8192,
            "initializer_range": size.spread,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
            **size.text,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids(lab_model.AUDIO),
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            torch.manual_seed(0)
            model = Qwen2AudioForConditionalGeneration(config)
            _spread(model, size.spread)
    finally:
        torch.set_default_dtype(before)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    _never_stop(model, tokenizer)
    return model.eval()


def build_folder(size: Size, folder: Path) -> Path:
    """Save such a model as a checkpoint in float32 and return its folder."""
    processor = build_processor(size.seconds)
    build_model(size, processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@torch.no_grad()
def _spread(model: Any, spread: float) -> None:
    """The encoder's own initialisation is narrower than what was asked for."""
    for parameter in model.model.audio_tower.parameters():
        if parameter.dim() > 1:
            parameter.normal_(std=spread)


@torch.no_grad()
def _never_stop(model: Any, tokenizer: Any) -> None:
    """No special token, and no id that the tokenizer does not know, is ever the most likely one."""
    head = model.lm_head.weight
    head[list(tokenizer.all_special_ids)] = 0
    head[len(tokenizer) :] = 0
