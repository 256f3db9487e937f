"""What a loaded model is told once, so that every branch of a case asks one and the same model.

Found by what a class or a config has, never by a family's name.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from transformers import GenerationMixin

from pytest_mcr.errors import ModelError

NOISE: Final = "sample"
"""Argument of a forward pass that adds random noise to what is heard (VibeVoice: a variational encoder's spread)."""

ADAPTER: Final = "adapter_config.json"
NO_ADAPTER: Final = {"subfolder": "-"}
"""Where transformers is told to look for adapters: it would load one by itself, and report only its weights."""


def speaking_part(config: Any) -> Any:
    """The config of the part that hears and writes text, with which alone a checkpoint is loaded.

    An Omni checkpoint is asked through its thinker: the talker and the vocoder would be loaded for nothing, and with
    them a pickled file of voices.

    Args:
        config: of the checkpoint.
    """
    thinker = getattr(config, "thinker_config", None)
    return config if thinker is None else thinker


def settle(model: Any, folder: Path, adapter: Path | None = None) -> Any:
    """Leave out noise, and load and switch on a LoRA adapter that lies beside the weights or in a folder of its own.

    Args:
        model: loaded without an adapter; changed in place.
        folder: of the checkpoint.
        adapter: folder of a LoRA adapter, inspected; for a checkpoint without one beside its weights.

    Returns:
        The model.

    Raises:
        ValueError: an adapter that the model was trained with is not there, or not whole.
        ImportError: an adapter needs peft.
        ModelError: the adapter in a folder of its own does not fit the model.
    """
    if adapter is not None:
        _add_fitting(model, folder, adapter)
    elif (folder / ADAPTER).is_file():
        _add_adapter(model, folder)
    elif getattr(model.config, "has_lora_adapter", False):
        raise ValueError(
            f"config.json has has_lora_adapter, but there is no {ADAPTER}; expected it and adapter_model.safetensors "
            "beside it, or has_lora_adapter: false where the adapter was merged"
        )
    for part in (model, model.base_model):
        if NOISE in inspect.signature(part.forward).parameters:
            part.forward = functools.partial(part.forward, **{NOISE: False})
    return model


def _add_fitting(model: Any, folder: Path, adapter: Path) -> None:
    """Load an adapter from a folder of its own; what goes wrong is the adapter's fault, not the checkpoint's."""
    try:
        _add_adapter(model, adapter)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"adapter {adapter} does not fit {folder}: {reason}; expected a LoRA adapter that was trained on this model"
        ) from error


def _add_adapter(model: Any, folder: Path) -> None:
    """Load an adapter and keep it on.

    Granite's `generate` switches it off for prompts without audio, so that the branches without a clip would be
    answered by other weights than those with one, and the difference would pass for an influence of the text.
    """
    if importlib.util.find_spec("peft") is None:  # transformers would leave the adapter out without a word
        raise ImportError(f"{ADAPTER} beside the weights needs peft; type: pip install 'pytest-mcr[lora]'")
    report = model.load_adapter(str(folder))
    for kind, keys in (("missing", report.missing_keys), ("unknown to the model", report.unexpected_keys)):
        if keys:
            raise ValueError(f"{len(keys)} weights of its adapter are {kind}, e.g. {min(keys)}")
    model.enable_adapters()
    model.generate = functools.partial(GenerationMixin.generate, model)
