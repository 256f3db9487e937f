"""What a training needs to go on where it was: adapter, optimizer, random numbers, place; one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pytest_mcr.errors import OptionError

FILE: Final = "unfinished.safetensors"
MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps for each parameter."""

Weights = dict[str, torch.Tensor]


@dataclass(slots=True)
class Place:
    """Where a training is.

    Attributes:
        step: optimizer steps taken.
        best_loss: least dev loss so far, None before the first.
        best_step: when that was.
        stale: dev measurements since then.
        history: (step, training loss since the last one, dev loss), in nats a token.
        summed: training loss since the last dev measurement, and its tokens.
    """

    step: int = 0
    best_loss: float | None = None
    best_step: int = 0
    stale: int = 0
    history: list[list[float]] = field(default_factory=list)
    summed: list[float] = field(default_factory=lambda: [0.0, 0.0])


def save_state(
    path: Path, settings: Mapping[str, Any], place: Place, parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer, best: Weights,
) -> None:  # fmt: skip
    """Replace the file in one step, so that a kill at any moment leaves the old state or the new one.

    Args:
        path: of the file.
        settings: what the training is; another one may not go on from here.
        place: where it is.
        parameters: being trained, by name.
        optimizer: of these.
        best: weights with the least dev loss; empty before the first.
    """
    tensors: Weights = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    for name, parameter in parameters.items():
        tensors[f"weight.{name}"] = parameter.detach().cpu().contiguous()
        for moment, value in optimizer.state[parameter].items():
            tensors[f"{moment}.{name}"] = value.detach().cpu().contiguous()
    tensors |= {f"best.{name}": value for name, value in best.items()}
    staged = path.with_name(f".{path.name}.new")
    metadata = {"settings": json.dumps(dict(settings), sort_keys=True), "place": json.dumps(asdict(place))}
    save_file(tensors, staged, metadata=metadata)
    staged.replace(path)


def load_state(
    path: Path, settings: Mapping[str, Any], parameters: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> tuple[Place, Weights]:  # fmt: skip
    """Go back to a saved state.

    Args:
        path: of the file.
        settings: of this training.
        parameters: set in place.
        optimizer: fresh; set in place.

    Returns:
        Where the training was, and the best weights so far.

    Raises:
        OptionError: the file cannot be read, or is of another training.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        was, place = json.loads(metadata["settings"]), Place(**json.loads(metadata["place"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise OptionError(f"{path} cannot be read ({error}); remove it to begin anew") from None
    require_same(was, settings, path)
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"])
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"weight.{name}"])
            if f"step.{name}" in tensors:
                state = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS}
                optimizer.state[parameter] = {
                    moment: value if moment == "step" else value.to(parameter.device) for moment, value in state.items()
                }
    best = {name.removeprefix("best."): value for name, value in tensors.items() if name.startswith("best.")}
    return place, best


def require_same(was: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Refuse to go on with other settings than it began with.

    Raises:
        OptionError: naming the first that differs.
    """
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            raise OptionError(
                f"{path}: this training began with {name} {was.get(name)!r}, now it is {now.get(name)!r}; "
                "type the same command as before, or remove the file to begin anew"
            )
