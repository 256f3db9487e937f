# mypy: allow-untyped-calls
"""Tiny Gemmas that hear, without their picture parts: those need torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import torch
import transformers as hf

from tests.unit.stand_in import VISION, StandIn, blind, seeing
from tests.unit.tiny_families import LANGUAGE, save, template, tokenizer_with

FROM_CONFIG = hf.AutoModel.from_config


def gemma3n_processor() -> Any:
    """Its picture and audio tokens end the vocabulary, each kind beginning at the offset that the model is told."""
    picture, picture_edge, edge, sound = "<|image|>", "<|image_sep|>", "<|audio_sep|>", "<|sound|>"
    tokenizer = seeing(
        tokenizer_with(picture, picture_edge, edge, sound), image_token=picture, boi_token=picture_edge,
        eoi_token=picture_edge, audio_token=sound, boa_token=edge, eoa_token=edge,
    )  # fmt: skip
    extractor = hf.Gemma3nAudioFeatureExtractor()
    return blind(hf.Gemma3nProcessor)(extractor, None, tokenizer, chat_template=template(sound))


def without_pictures(config: Any, **chosen: Any) -> Any:
    """The vision tower, which needs timm and with it torchvision, is left out."""
    return torch.nn.Identity() if config.model_type == "gemma3n_vision" else FROM_CONFIG(config, **chosen)


def gemma3n(folder: Path) -> StandIn:
    processor = gemma3n_processor()
    tokenizer = processor.tokenizer
    size = len(tokenizer)
    image, image_edge, edge, sound = range(size - 4, size)
    config = hf.Gemma3nConfig(
        text_config={"vocab_size": size, "vocab_size_per_layer_input": image, **LANGUAGE, "num_hidden_layers": 6,
                     "hidden_size_per_layer_input": 16, "num_kv_shared_layers": 2, "sliding_window": 64,
                     "altup_num_inputs": 2, "laurel_rank": 8, "pad_token_id": tokenizer.pad_token_id,
                     "eos_token_id": tokenizer.eos_token_id,
                     "layer_types": ["sliding_attention", "full_attention"] * 3},
        audio_config={"hidden_size": 32, "conf_num_hidden_layers": 2, "conf_num_attention_heads": 2,
                      "sscp_conv_channel_size": [8, 8], "vocab_size": 2, "vocab_offset": edge},
        vision_config={"hidden_size": 32, "vocab_size": 2, "vocab_offset": image},
        audio_token_id=sound, image_token_id=image, boa_token_id=edge, eoa_token_id=edge, boi_token_id=image_edge,
        eoi_token_id=image_edge,
    )  # fmt: skip
    made = StandIn(folder, processor, (mock.patch.object(hf.AutoModel, "from_config", without_pictures),))
    with made.serving():
        save(folder, hf.Gemma3nForConditionalGeneration, config, None)
    return made


def gemma_tokenizer() -> Any:
    tokenizer = tokenizer_with("<|audio_sep|>", "<|image_sep|>", *VISION[:2])
    return seeing(
        tokenizer, image_token=VISION[0], boi_token="<|image_sep|>", eoi_token="<|image_sep|>",
        audio_token="<|AUDIO|>", boa_token="<|audio_sep|>", eoa_token="<|audio_sep|>",
    )  # fmt: skip


def gemma4_processor() -> Any:
    return blind(hf.Gemma4Processor)(
        hf.Gemma4AudioFeatureExtractor(), None, gemma_tokenizer(), None, chat_template=template("<|AUDIO|>")
    )


def gemma4_unified_processor() -> Any:
    return blind(hf.Gemma4UnifiedProcessor)(
        hf.Gemma4UnifiedAudioFeatureExtractor(), None, gemma_tokenizer(), None, chat_template=template("<|AUDIO|>")
    )


def gemma4(folder: Path) -> StandIn:
    processor = gemma4_processor()
    tokenizer = processor.tokenizer
    number = tokenizer.convert_tokens_to_ids
    config = hf.Gemma4Config(
        text_config={"vocab_size": len(tokenizer), "vocab_size_per_layer_input": len(tokenizer), **LANGUAGE,
                     "hidden_size_per_layer_input": 16, "num_kv_shared_layers": 0, "sliding_window": 64,
                     "global_head_dim": 16, "num_hidden_layers": 4, "pad_token_id": tokenizer.pad_token_id,
                     "eos_token_id": tokenizer.eos_token_id,
                     "layer_types": ["sliding_attention", "full_attention"] * 2},
        audio_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                      "subsampling_conv_channels": [128, 8], "output_proj_dims": 32},
        vision_config=None, audio_token_id=number("<|AUDIO|>"), image_token_id=number(VISION[0]),
        video_token_id=number(VISION[1]), boa_token_id=number("<|audio_sep|>"),
    )  # fmt: skip
    return StandIn(save(folder, hf.Gemma4ForConditionalGeneration, config, None), processor)


def gemma4_unified(folder: Path) -> StandIn:
    processor = gemma4_unified_processor()
    tokenizer = processor.tokenizer
    number = tokenizer.convert_tokens_to_ids
    config = hf.Gemma4UnifiedConfig(
        text_config={"vocab_size": len(tokenizer), **LANGUAGE, "sliding_window": 64, "num_hidden_layers": 4,
                     "global_head_dim": 16, "pad_token_id": tokenizer.pad_token_id,
                     "eos_token_id": tokenizer.eos_token_id,
                     "layer_types": ["sliding_attention", "full_attention"] * 2},
        audio_config={"audio_embed_dim": 640}, vision_config={"mm_embed_dim": 64, "output_proj_dims": 64},
        audio_token_id=number("<|AUDIO|>"), image_token_id=number(VISION[0]), video_token_id=number(VISION[1]),
        boa_token_id=number("<|audio_sep|>"),
    )  # fmt: skip
    return StandIn(save(folder, hf.Gemma4UnifiedForConditionalGeneration, config, None), processor)
