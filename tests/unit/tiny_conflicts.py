"""A conflict for tiny models: noise, and a text that says what the question asks about."""

import torch

from pytest_mcr.probes.questions import Conflict
from tests.unit.tiny_requests import clip

ALONE = "Is there a dog? Answer with yes or no."
JOINT = f"Text: A dog is barking in the yard.\n{ALONE}"


def conflict(rate: int = 16_000, gold: str = "no", text: str = "yes", seed: int = 1, seconds: float = 1.5) -> Conflict:
    audio = clip(seed, seconds, rate)
    return Conflict(f"AQA-{seed:04d}", audio, JOINT, ALONE, gold, text, ("yes", "no", "maybe so"))


def gap(one: torch.Tensor, two: torch.Tensor) -> float:
    """How far logits are apart."""
    return float((one - two).abs().max())
