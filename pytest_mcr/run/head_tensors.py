"""The probes of a calibration head on disk: safetensors beside its JSON, which holds their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.head_probe import Probe
from pytest_mcr.core.logistic import Logistic
from pytest_mcr.errors import OptionError

PARTS: Final = ("means", "scales", "weights")
SUFFIX: Final = ".safetensors"
LARGEST: Final = 256 * 2**20
"""Bytes of a file that are read; two probes of 16,384 numbers take a thousandth of it."""
HUGE: Final = 1e9


def beside(path: Path) -> Path:
    """Where the tensors of a head's file are: no name is taken from the file itself."""
    return path.with_suffix(SUFFIX)


def packed(probes: Mapping[str, Probe]) -> bytes:
    """The tensors of probes by target: float64, shape (width,), so that what is read back is the same probe."""
    from safetensors.numpy import save

    return save(
        {
            f"{target}.{part}": np.ascontiguousarray(getattr(probe.model, part), dtype=np.float64)
            for target, probe in sorted(probes.items())
            for part in PARTS
        }
    )


def digest(content: bytes) -> str:
    """How a head's JSON names its tensors."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def read_tensors(path: Path, expected: str, advice: str) -> Mapping[str, Floats]:
    """The tensors beside a head's file.

    Args:
        path: of the head's JSON.
        expected: their digest, as the JSON has it.
        advice: what to type where they cannot be used.

    Raises:
        OptionError: they are missing, others than those that were saved, or no safetensors.
    """
    file = beside(path)
    if find_spec("safetensors") is None:
        raise OptionError(f"{path}: the head has a probe of hidden states; type pip install 'pytest-mcr[hf]'")
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise OptionError(
            f"{file}: the probe of {path.name} cannot be read ({error.strerror}); keep the two files side by side, "
            f"or {advice}"
        ) from error
    if digest(content) != expected:
        raise OptionError(f"{file}: is not the probe that was saved with {path.name} (other digest); {advice}")
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(content))
    except SafetensorError as error:
        raise OptionError(f"{file}: is no file of tensors ({error}); {advice}") from error


def probe_from(
    tensors: Mapping[str, Floats], target: str, layer: int, intercept: float, clips: frozenset[str]
) -> Probe | str:
    """A target's probe, or what is wrong with its tensors, in words."""
    found = [tensors.get(f"{target}.{part}") for part in PARTS]
    for part, values in zip(PARTS, found, strict=True):
        name = f"{target}.{part}"
        if values is None:
            return f"{name} is missing"
        if values.ndim != 1 or values.dtype != np.float64 or not len(values):
            return f"{name} is {values.dtype} of shape {values.shape}; expected float64 of shape (width,)"
        low = 1e-12 if part == "scales" else -HUGE
        if not (np.isfinite(values).all() and (values >= low).all() and (values <= HUGE).all()):
            return f"{name} holds numbers that are not finite, or out of bounds"
    means, scales, weights = (values for values in found if values is not None)
    if not len(means) == len(scales) == len(weights):
        return f"the tensors of {target} have {len(means)}, {len(scales)} and {len(weights)} numbers; expected as many"
    return Probe(layer, Logistic(means, scales, weights, intercept), clips)
