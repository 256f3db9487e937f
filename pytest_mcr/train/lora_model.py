"""A model with a fresh LoRA adapter on the linear layers of its language part, and the adapter's files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors.torch import save_file

from pytest_mcr.errors import ModelError
from pytest_mcr.models.adapter_files import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from peft import LoraConfig

PREFIX: Final = "base_model.model."
"""Before the names of an adapter's weights, as peft saves them."""
NOT_ADAPTED: Final = ("gate", "router")
"""Linear layers that choose experts, which are no part of attention or MLP."""

Weights = dict[str, torch.Tensor]


def targets(model: Any) -> list[str]:
    """Names of the linear layers in the blocks of the language model: attention and MLP, neither head nor audio tower.

    Args:
        model: the part that hears and speaks.

    Raises:
        ModelError: its language model cannot be found, or has no linear layers.
    """
    decoder = model.get_decoder()
    while not hasattr(decoder, "layers") and (inner := decoder.get_decoder()) is not decoder:
        decoder = inner
    blocks = getattr(decoder, "layers", ())
    inside = {id(module) for block in blocks for module in block.modules() if isinstance(module, torch.nn.Linear)}
    found = [name for name, module in model.named_modules() if id(module) in inside]
    kept = [name for name in found if name.rpartition(".")[2] not in NOT_ADAPTED]
    if not kept:
        raise ModelError(f"{type(model).__name__}: no linear layers in its language model, so it takes no LoRA adapter")
    return kept


def add_adapter(model: Any, rank: int, seed: int) -> tuple[LoraConfig, dict[str, torch.nn.Parameter]]:
    """Put a fresh adapter on a model; it alone is trained, in float32, and it changes no answer yet.

    Args:
        model: changed in place; its own weights are frozen.
        rank: of the adapter; its scale is 2 (alpha is twice the rank).
        seed: of its first weights.

    Returns:
        Its configuration, and its parameters by name.

    Raises:
        ModelError: peft does not take the model.
    """
    from peft import LoraConfig, inject_adapter_in_model  # an extra

    names = targets(model)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names)
    torch.manual_seed(seed)
    try:
        inject_adapter_in_model(config, model)
    except (ValueError, TypeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{type(model).__name__}: peft puts no adapter on it: {reason}") from error
    config.target_modules = sorted(names)  # peft shortens the names, in an order that is not always the same
    fresh: dict[str, torch.nn.Parameter] = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
            fresh[name] = parameter
    return config, fresh


def weights_of(model: Any) -> Weights:
    """A copy of the adapter's weights by name, on the CPU."""
    from peft import get_peft_model_state_dict

    return {name: value.detach().cpu().clone() for name, value in get_peft_model_state_dict(model).items()}


def set_weights(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Give the adapter these weights."""
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model, dict(weights))


def save_adapter(folder: Path, config: LoraConfig, weights: Weights, base: str) -> None:
    """Write the two files that peft and transformers read; the configuration last, so that a part is never loaded.

    Args:
        folder: made where it is missing.
        config: of the adapter.
        weights: from `weights_of`.
        base: the model's public name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{PREFIX}{name}": weights[name].contiguous() for name in sorted(weights)}
    staged = folder / f".{WEIGHTS}.new"
    save_file(named, staged, metadata={"format": "pt"})
    staged.replace(folder / WEIGHTS)
    own = config.to_dict()  # type: ignore[no-untyped-call]
    facts = {key: sorted(value) if isinstance(value, set) else value for key, value in own.items()}
    facts |= {"base_model_name_or_path": base, "inference_mode": True}
    (folder / CONFIG).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def digest_of(weights: Mapping[str, torch.Tensor]) -> str:
    """sha256 hex of the weights' names and bytes."""
    total = hashlib.sha256()
    for name in sorted(weights):
        total.update(name.encode() + b"\0" + weights[name].contiguous().numpy().tobytes())
    return total.hexdigest()
