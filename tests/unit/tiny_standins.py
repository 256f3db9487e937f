# mypy: allow-untyped-calls
"""Tiny real models of families whose processor needs torchvision or torchaudio, and stand-ins for what those do.

A stand-in is the family's own processor class in all but the named part: pictures are left out, or the filter bank is
computed by other code. What it proves is the model and everything of ours, not the features of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import save_file
from transformers.audio_utils import mel_filter_bank
from transformers.models.fun_asr_nano.feature_extraction_fun_asr_nano import FunAsrNanoFeatureExtractor

from tests.unit.stand_in import StandIn, blind
from tests.unit.tiny import _tokenizer
from tests.unit.tiny_families import LANGUAGE, SECONDS, language, save, template, tokenizer_with
from tests.unit.tiny_gemma import gemma3n, gemma4, gemma4_unified
from tests.unit.tiny_omni import qwen2_5_omni, qwen3_omni_moe


class Bank:
    """Power mel spectrogram on the HTK scale with reflected edges, as torchaudio's MelSpectrogram computes it."""

    def __init__(self, mels: int) -> None:
        self._window = torch.hann_window(400)
        self._weights = torch.from_numpy(mel_filter_bank(257, mels, 0.0, 8000.0, 16_000, None, "htk")).float()

    def __call__(self, samples: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(samples, 512, 160, 400, self._window, return_complex=True).abs() ** 2
        return self._weights.T @ spectrum


class GraniteExtractor(hf.GraniteSpeechFeatureExtractor):
    """Granite's, without torchaudio."""

    def __init__(self) -> None:
        hf.SequenceFeatureExtractor.__init__(self, feature_size=80, sampling_rate=16_000, padding_value=0.0)
        self.melspec_kwargs = {"hop_length": 160}
        self.bank = Bank(80)
        self.projector_window_size, self.projector_downsample_rate = 15, 5

    def __call__(self, audios: Any, device: str | None = "cpu") -> Any:
        samples, lengths = self._get_audios_and_audio_lengths(audios)
        loud = self.bank(samples).transpose(-1, -2).clip(min=1e-10).log10()
        mel = torch.maximum(loud, loud.amax((-2, -1), keepdim=True) - 8.0) / 4 + 1
        mel = mel[:, : mel.shape[1] // 2 * 2].reshape(len(mel), -1, 160)
        sizes = self._get_num_audio_features(lengths)
        mask = torch.arange(max(sizes))[None] < torch.tensor(sizes)[:, None]
        return hf.BatchFeature({"input_features": mel, "audio_embed_sizes": sizes, "input_features_mask": mask})


class FunExtractor(FunAsrNanoFeatureExtractor):
    """Fun-ASR's, without torchaudio's Kaldi filter bank."""

    def _extract_fbank_features(self, waveform: torch.Tensor) -> torch.Tensor:
        mel: torch.Tensor = Bank(self.feature_size)(waveform).clip(min=1e-10).log().T
        return mel


def _granite(folder: Path, kind: Any, model_class: Any, adapter: bool) -> StandIn:
    tokenizer = _tokenizer()
    config = kind(
        text_config=language("granite", tokenizer), audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        encoder_config={"num_layers": 2, "hidden_dim": 32, "num_heads": 2, "output_dim": 8, "context_size": 50},
        projector_config={"model_type": "blip_2_qformer", "hidden_size": 32, "encoder_hidden_size": 32,
                          "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
        has_lora_adapter=adapter,
    )  # fmt: skip
    processor = hf.GraniteSpeechProcessor(GraniteExtractor(), tokenizer, chat_template=template("<|AUDIO|>"))
    return StandIn(save(folder, model_class, config, None), processor)


def granite_speech(folder: Path, *, adapter: bool = False) -> StandIn:
    return _granite(folder, hf.GraniteSpeechConfig, hf.GraniteSpeechForConditionalGeneration, adapter)


def add_adapter(made: StandIn) -> None:
    """Save a random LoRA adapter into a checkpoint's folder, as Granite's own checkpoints have one."""
    model = hf.GraniteSpeechForConditionalGeneration.from_pretrained(made.folder)
    chosen = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        inject_adapter_in_model(chosen, model)
    chosen.save_pretrained(str(made.folder))
    weights = {f"base_model.model.{name}": value for name, value in get_peft_model_state_dict(model).items()}
    save_file(weights, made.folder / "adapter_model.safetensors", metadata={"format": "pt"})


def granite_speech_plus(folder: Path) -> StandIn:
    return _granite(folder, hf.GraniteSpeechPlusConfig, hf.GraniteSpeechPlusForConditionalGeneration, False)


def fun_asr_nano(folder: Path) -> StandIn:
    tokenizer = tokenizer_with("<|object_ref_start|>")
    config = hf.FunAsrNanoConfig(
        text_config=language("qwen3", tokenizer), audio_token_id=len(tokenizer) - 1,
        audio_config={"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "num_hidden_layers": 3,
                      "num_timestamp_prediction_layers": 1},
        adaptor_config={"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 16,
                        "projector_hidden_size": 64},
    )  # fmt: skip
    processor = hf.FunAsrNanoProcessor(FunExtractor(), tokenizer, chat_template=template("<|object_ref_start|>"))
    return StandIn(save(folder, hf.FunAsrNanoForConditionalGeneration, config, None), processor)


def dots3_note(folder: Path) -> StandIn:
    tokenizer = tokenizer_with("<|imgpad|>", "<|video_pad|>", "<|audio_comp_pad|>")
    number = tokenizer.convert_tokens_to_ids
    processor = blind(hf.Dots3NoteProcessor)(
        None, tokenizer, None, hf.Dots3NoteFeatureExtractor(chunk_length=SECONDS),
        chat_template=template("<|audio_comp_pad|>"),
    )  # fmt: skip
    narrow = {"num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 32, "kv_lora_rank": 32,
              "head_dim": 24, "qk_nope_head_dim": 16, "v_head_dim": 16, "qk_rope_head_dim": 8}  # fmt: skip
    config = hf.Dots3NoteConfig(
        text_config={**LANGUAGE, **narrow, **{f"swa_{name}": value for name, value in narrow.items()},
                     "vocab_size": len(tokenizer), "num_hidden_layers": 4, "moe_intermediate_size": 32,
                     "n_routed_experts": 4, "num_experts_per_tok": 2, "shared_experts_intermediate_size": 32,
                     "index_topk": 2048, "index_head_dim": 16, "index_n_heads": 2, "sliding_window": 32,
                     "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id},
        audio_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
                      "downsample_hidden_size": 8, "adapter_input_size": 32, "adapter_out_dim": 64},
        vision_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
                       "adapter_in_dim": 32, "adapter_out_dim": 64, "mlp_layer_types": ["dense"]},
        audio_token_id=number("<|audio_comp_pad|>"), image_token_id=number("<|imgpad|>"),
        video_token_id=number("<|video_pad|>"),
    )  # fmt: skip
    return StandIn(save(folder, hf.Dots3NoteForConditionalGeneration, config, None), processor)


def muse_processor() -> Any:
    tokenizer = tokenizer_with("<|soft_audio_start|>", "<|soft_audio_end|>", "<|patch|>", "<|video|>")
    return blind(hf.MuseSparkProcessor)(
        None, None, tokenizer, hf.MuseSparkFeatureExtractor(), chat_template=template("<|AUDIO|>")
    )


def muse_spark(folder: Path) -> StandIn:
    processor = muse_processor()
    tokenizer = processor.tokenizer
    number = tokenizer.convert_tokens_to_ids
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    config = hf.MuseSparkConfig(
        text_config={"vocab_size": len(tokenizer), **LANGUAGE, **ends, "num_hidden_layers": 4,
                     "moe_intermediate_size": 32, "moe_hidden_size": 32, "num_local_experts": 4,
                     "num_experts_per_tok": 2, "sliding_window": 32},
        audio_config={"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "out_hidden_size": 64},
        vision_config={"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2},
        out_hidden_size=128, projector_hidden_size=32, image_token_id=number("<|patch|>"),
        video_token_id=number("<|video|>"), audio_token_id=number("<|AUDIO|>"),
    )  # fmt: skip
    return StandIn(save(folder, hf.MuseSparkForConditionalGeneration, config, None), processor)


STAND_INS: dict[str, Callable[[Path], StandIn]] = {
    build.__name__: build for build in (
        granite_speech, granite_speech_plus, fun_asr_nano, gemma3n, gemma4, gemma4_unified, qwen2_5_omni,
        qwen3_omni_moe, dots3_note, muse_spark,
    )
}  # fmt: skip
"""Builders by family (``config.model_type``)."""
