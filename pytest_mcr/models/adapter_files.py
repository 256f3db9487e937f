"""A LoRA adapter as files: looked at before torch is imported, and identified by its bytes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mcr.errors import ModelError

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
TRAINING: Final = "training.json"
"""What our own trainer writes beside the weights; two of its keys are read here."""
BASE: Final = "base_weights"
"""Key of the digest of the model that it was trained on."""
CLIPS: Final = "clips"
"""Key of the digests of the clips that it was trained on, or chosen by."""
LEARNED: Final = "the adapter was trained on this clip, so its answer shows nothing; take the clip out of --mcr-data"
INSTALL: Final = "type: pip install 'pytest-mcr[lora]'"


def inspect_adapter(folder: Path) -> None:
    """Check that a folder holds a LoRA adapter in safetensors and that it can be loaded here.

    Args:
        folder: of the adapter.

    Raises:
        ModelError: no folder, no readable config, not LoRA, weights that are absent or pickled, or no peft.
    """
    if not folder.is_dir():
        raise ModelError(f"adapter {folder}: no such folder; expected one with {CONFIG} and {WEIGHTS}")
    config = _read(folder / CONFIG)
    if config.get("peft_type") != "LORA":
        raise ModelError(f"adapter {folder / CONFIG}: peft_type is {config.get('peft_type')!r}; expected 'LORA'")
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(path.name for path in folder.glob("adapter_model.*"))
        found = f"only {pickled[0]}" if pickled else "no weights"
        raise ModelError(f"adapter {folder} has {found}; expected {WEIGHTS}: peft's save_pretrained(...) writes it")
    if importlib.util.find_spec("peft") is None:
        raise ModelError(f"adapter {folder} needs peft; {INSTALL}")


def require_base(folder: Path, weights: str) -> None:
    """Refuse an adapter that says that it was trained on other weights; one that says nothing may be tried.

    Args:
        folder: of the adapter.
        weights: `hf_files.weights_digest` of the model that it shall be put on.

    Raises:
        ModelError: its training was on another model, or its record cannot be read.
    """
    if not (folder / TRAINING).is_file():
        return
    known = _read(folder / TRAINING).get(BASE)
    if isinstance(known, str) and known != weights:
        raise ModelError(
            f"adapter {folder} was trained on other weights (sha256 {known[:12]}) than this model's "
            f"({weights[:12]}); name the model that it was trained on"
        )


def adapter_digest(folder: Path) -> str:
    """sha256 hex over the two files that can change an answer."""
    total = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        total.update(f"{name}\0{hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def trained_clips(folder: Path) -> frozenset[str]:
    """Digests of the clips that an adapter was trained on, as far as its record says.

    Args:
        folder: of the adapter.

    Raises:
        ModelError: the record cannot be read, or its list is none.
    """
    path = folder / TRAINING
    found = _read(path).get(CLIPS, []) if path.is_file() else []
    if not isinstance(found, list) or not all(isinstance(digest, str) for digest in found):
        raise ModelError(f"{path}: {CLIPS} is no list of digests; expected what pytest_mcr.train.lora wrote")
    return frozenset(found)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"adapter {path.parent} has no {path.name}; expected an adapter that peft saved") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return value
