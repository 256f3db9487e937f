# mypy: allow-untyped-calls
"""Whole tiny Qwen Omni checkpoints, talker and vocoder included; the processor without its picture parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers as hf

from tests.unit.stand_in import VISION, StandIn, blind, seeing
from tests.unit.tiny_families import LANGUAGE, LEGACY, save, template, tokenizer_with, whisper


def omni_parts(kind: Any) -> tuple[Any, dict[str, Any]]:
    """The processor of a Qwen Omni without pictures, and the token ids of its thinker."""
    tokenizer = seeing(
        tokenizer_with(*VISION), image_token=VISION[0], video_token=VISION[1], vision_bos_token=VISION[2],
        vision_eos_token=VISION[3], audio_token="<|AUDIO|>", audio_bos_token="<|audio_bos|>",
        audio_eos_token="<|audio_eos|>",
    )  # fmt: skip
    number = tokenizer.convert_tokens_to_ids
    chat = template("<|audio_bos|><|AUDIO|><|audio_eos|>")
    processor = blind(kind)(None, None, whisper(30), tokenizer, chat_template=chat)
    ids = {
        "audio_token_id": number("<|AUDIO|>"), "image_token_id": number(VISION[0]), "video_token_id": number(VISION[1]),
        "audio_start_token_id": number("<|audio_bos|>"), "audio_end_token_id": number("<|audio_eos|>"),
        "vision_start_token_id": number(VISION[2]),
    }  # fmt: skip
    return processor, ids


def qwen2_5_omni(folder: Path) -> StandIn:
    processor, ids = omni_parts(hf.Qwen2_5OmniProcessor)
    thinker = {
        "audio_config": {**LEGACY, "num_mel_bins": 128, "max_source_positions": 1500, "n_window": 100,
                         "output_dim": 64},
        "vision_config": {"depth": 1, "hidden_size": 32, "embed_dim": 32, "intermediate_size": 64, "num_heads": 2,
                          "out_hidden_size": 64, "fullatt_block_indexes": [0]},
        "text_config": {**LANGUAGE, "vocab_size": len(processor.tokenizer),
                        "pad_token_id": processor.tokenizer.pad_token_id,
                        "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"}},
        "initializer_range": 0.2, **ids,
    }  # fmt: skip
    talker = {**LANGUAGE, "vocab_size": 64, "embedding_size": 64,
              "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"}}  # fmt: skip
    vocoder = {
        "dit_config": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "ff_mult": 1,
                       "emb_dim": 16, "head_dim": 16, "num_embeds": 64, "mel_dim": 80, "enc_dim": 16,
                       "enc_emb_dim": 16, "enc_channels": [16, 16, 16, 16, 48]},
        "bigvgan_config": {"upsample_initial_channel": 64},
    }  # fmt: skip
    config = hf.Qwen2_5OmniConfig(thinker_config=thinker, talker_config=talker, token2wav_config=vocoder)
    return StandIn(save(folder, hf.Qwen2_5OmniForConditionalGeneration, config, None), processor)


def qwen3_omni_moe(folder: Path) -> StandIn:
    processor, ids = omni_parts(hf.Qwen3OmniMoeProcessor)
    rope = {"mrope_section": [3, 3, 2], "rope_type": "default", "rope_theta": 10_000.0}
    experts = {"moe_intermediate_size": 32, "num_experts": 4, "num_experts_per_tok": 2}
    speech = {**LANGUAGE, **experts, "vocab_size": 64, "rope_parameters": rope, "shared_expert_intermediate_size": 32}
    thinker = {
        "audio_config": {**LEGACY, "output_dim": 64, "downsample_hidden_size": 16},
        "vision_config": {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                          "out_hidden_size": 64, "deepstack_visual_indexes": [0]},
        "text_config": {**LANGUAGE, **experts, "vocab_size": len(processor.tokenizer), "rope_parameters": rope,
                        "pad_token_id": processor.tokenizer.pad_token_id},
        "initializer_range": 0.2, **ids,
    }  # fmt: skip
    talker = {"text_config": speech, "thinker_hidden_size": 64, "accept_hidden_layer": 1, "num_code_groups": 2,
              "spatial_merge_size": 2,
              "code_predictor_config": {**LANGUAGE, "vocab_size": 64, "num_code_groups": 2}}  # fmt: skip
    vocoder = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
               "intermediate_size": 64, "codebook_size": 64, "num_quantizers": 2, "decoder_dim": 64,
               "upsample_rates": [2, 2], "upsampling_ratios": [2, 2]}  # fmt: skip
    config = hf.Qwen3OmniMoeConfig(thinker_config=thinker, talker_config=talker, code2wav_config=vocoder)
    return StandIn(save(folder, hf.Qwen3OmniMoeForConditionalGeneration, config, None), processor)
