"""Short names of models: our own lab models, and the published families under their public repository names."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

LAB: Final = MappingProxyType({"lab": "lab-model", "lab-sft": "lab-sft"})
"""Alias to folder under ``fixtures/``."""

ADAPTED: Final = MappingProxyType({"lab-sft": "lab-model"})
"""Folders under ``fixtures/`` that hold a LoRA adapter alone, to the folder of the model that it is put on."""

PUBLISHED: Final = MappingProxyType(
    {
        "qwen2-audio": "Qwen/Qwen2-Audio-7B-Instruct",
        "qwen2-audio-base": "Qwen/Qwen2-Audio-7B",
        "qwen2.5-omni": "Qwen/Qwen2.5-Omni-7B",
        "qwen2.5-omni-7b": "Qwen/Qwen2.5-Omni-7B",
        "qwen2.5-omni-3b": "Qwen/Qwen2.5-Omni-3B",
        "qwen3-omni": "Qwen/Qwen3-Omni-30B-A3B-Instruct",
        "audio-flamingo-3": "nvidia/audio-flamingo-3-hf",
        "music-flamingo": "nvidia/music-flamingo-2601-hf",
        "voxtral-mini": "mistralai/Voxtral-Mini-3B-2507",
        "voxtral-small": "mistralai/Voxtral-Small-24B-2507",
        "phi-4-multimodal": "microsoft/Phi-4-multimodal-instruct",
        "granite-speech": "ibm-granite/granite-speech-3.3-8b",
        "gemma-3n-e2b": "google/gemma-3n-E2B-it",
        "gemma-3n-e4b": "google/gemma-3n-E4B-it",
        "gemma-4-e2b": "google/gemma-4-E2B-it",
    }
)
"""Alias to repository on the Hugging Face hub. Whether this version can load a family is said when it is loaded."""


def names() -> list[str]:
    """All aliases, sorted."""
    return sorted([*LAB, *PUBLISHED])
