# mypy: allow-untyped-calls
"""The thinker of a tiny, random Qwen2.5-Omni: tensors by hand, because its processor needs torchvision."""

from typing import Any

import torch
import transformers

from tests.unit.tiny_requests import clip

AUDIO_TOKEN = 3
END = 2


def thinker() -> Any:
    """A model whose positions have three axes."""
    sizes: dict[str, Any] = {
        "audio_config": {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64,
                      "num_mel_bins": 128, "max_source_positions": 1500, "n_window": 100, "output_dim": 64},
        "vision_config": {"depth": 1, "hidden_size": 32, "embed_dim": 32, "intermediate_size": 64, "num_heads": 2,
                       "out_hidden_size": 64, "fullatt_block_indexes": [0]},
        "text_config": {"vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
                     "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2, "pad_token_id": 0,
                     "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"}},
        "audio_token_id": AUDIO_TOKEN, "image_token_id": 396, "video_token_id": 397, "audio_start_token_id": 4,
        "audio_end_token_id": 5, "vision_start_token_id": 398,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.Qwen2_5OmniThinkerConfig(**sizes)
        return transformers.Qwen2_5OmniThinkerForConditionalGeneration(config).eval()


def features(seeds: list[int]) -> dict[str, torch.Tensor]:
    """Audio tensors of clips of 2 s, 50 audio tokens each."""
    extractor = transformers.WhisperFeatureExtractor(feature_size=128)
    samples = [clip(seed, 2.0).samples for seed in seeds]
    mel = extractor(samples, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    return {"input_features": mel["input_features"], "feature_attention_mask": mel["attention_mask"]}


def prompt(*text: int) -> list[int]:
    """Token ids of a prompt with a clip of 2 s."""
    return [6, 4, *[AUDIO_TOKEN] * 50, 5, *text]
