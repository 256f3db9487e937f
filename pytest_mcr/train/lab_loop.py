"""The lab model's training loop and its three recipes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch

from pytest_mcr.train.lab_batch import Collate, Group
from pytest_mcr.train.lab_data import SHARES, Clip, Rows

Recipe = Literal["aligned", "joint", "mismatched"]
Report = Callable[[str], None]


SORTED: Final = 4
"""Batches that are sorted by length together."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase with audio.

    Attributes:
        steps: fixed, no stopping rule.
        tower_rate: peak learning rate of audio tower and projector.
        language_rate: of the language model.
        shares: of the clips that are asked about, by task.
        described: share of rows that carry a true description.
        remarked: share of rows that carry an unrelated remark.
        drowned: share of clips that noise hides; all their rows carry a true description.
        replay_every: every so many steps a batch without audio takes the turn.
        salt: added to the seed of rows and cuts, from the second phase on.
    """

    steps: int
    tower_rate: float
    language_rate: float
    shares: tuple[tuple[str, float], ...]
    described: float
    remarked: float
    drowned: float
    replay_every: int
    salt: int


ALIGN: Final = Phase(1100, 2e-3, 5e-4, SHARES, 0.25, 0.2, 0.12, 2, 0)
SHARPEN: Final = Phase(460, 1e-3, 5e-4, (("AQA", 0.62), ("SER", 0.23), ("VSC", 0.15)), 0.15, 0.2, 0.06, 4, 100)
"""A second round at a lower rate, with more listening: yes/no questions about events are the slowest to learn."""

SETTLE: Final = Phase(220, 8e-4, 4e-4, (("AQA", 0.6), ("SER", 0.22), ("VSC", 0.18)), 0.2, 0.25, 0.15, 4, 200)
"""A third, with more texts again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how fast, and on what to train.

    Attributes:
        text_steps: steps of the first phase, language alone.
        text_rate: its peak learning rate.
        phases: the phases with audio.
        clips: clips a step.
        asks: rows about each clip.
        texts: rows a step where there is no audio.
        pool: number of training clips.
    """

    text_steps: int = 400
    text_rate: float = 2e-3
    phases: tuple[Phase, ...] = (ALIGN, SHARPEN, SETTLE)
    clips: int = 24
    asks: int = 4
    texts: int = 64
    pool: int = 4800


@contextmanager
def window(model: Any, frames: int) -> Iterator[None]:
    """Let the audio tower take `frames` feature frames instead of its whole window.

    The tower masks what lies beyond a clip, so this changes no number, only the time spent on silence: `Collate` leaves
    four frames after the longest clip, more than the two convolutions reach.
    """
    tower = model.model.audio_tower
    whole, positions = tower.config.max_source_positions, tower.embed_positions.weight
    tower.config.max_source_positions = frames // 2
    tower.embed_positions.weight = torch.nn.Parameter(positions[: frames // 2], requires_grad=False)
    try:
        yield
    finally:
        tower.config.max_source_positions = whole
        tower.embed_positions.weight = positions


def loss_of(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Mean cross-entropy in nats over the answers' tokens and their end-of-turn tokens."""
    inputs = {name: value for name, value in batch.items() if name not in ("where", "targets")}
    with window(model, inputs["input_features"].shape[2]) if "input_features" in inputs else nullcontext():
        hidden = model.model(**inputs, use_cache=False).last_hidden_state
    rows, tokens = batch["where"]
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[rows, tokens]), batch["targets"])


def optimizer_of(model: Any, tower_rate: float, language_rate: float) -> torch.optim.AdamW:
    """AdamW with one rate for the audio tower and projector and another for the language model."""
    hearing = [*model.model.audio_tower.parameters(), *model.model.multi_modal_projector.parameters()]
    heard = {id(parameter) for parameter in hearing}
    speaking = [parameter for parameter in model.parameters() if id(parameter) not in heard]
    groups = [
        {"params": [p for p in hearing if p.requires_grad], "lr": tower_rate},
        {"params": speaking, "lr": language_rate},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)


def half_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 natively, which makes a step about three times as quick."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def alike(draw: Callable[[], Group], count: int) -> Iterator[list[Group]]:
    """Draw groups for `SORTED` batches at a time and deal them out by length, so that little is spent on padding.

    Yields:
        Batches of `count` groups, in a shuffled order of lengths.
    """
    order = np.random.default_rng(0)
    while True:
        groups = [draw() for _ in range(SORTED * count)]
        groups.sort(key=lambda group: sum(len(row.prompt) for row in group) + 4 * frames_of(group))
        for turn in order.permutation(SORTED):
            yield groups[turn * count : (turn + 1) * count]


def frames_of(group: Group) -> int:
    """Feature frames of a group's clip, 0 without audio."""
    heard = group[0].clip
    return 0 if heard is None else int(heard.features.shape[1])


def run_phase(
    name: str, model: Any, optimizer: torch.optim.Optimizer, steps: int, batches: Callable[[int], dict[str, Any]],
    report: Report,
) -> None:  # fmt: skip
    """Take `steps` steps with a warm-up of 50 and a cosine down to a twentieth, reporting every 25."""
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / 50, 1) * (0.525 + 0.475 * math.cos(math.pi * step / max(steps, 1)))
    )
    began, losses = time.perf_counter(), []
    for step in range(1, steps + 1):
        with torch.autocast("cpu", torch.bfloat16, enabled=half_is_fast()):
            loss = loss_of(model, batches(step))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 25 == 0 or step == steps:
            seconds = time.perf_counter() - began
            left = seconds / step * (steps - step)
            report(f"{name} {step}/{steps}: loss {np.mean(losses[-25:]):.4f}, {seconds:.0f} s, about {left:.0f} s left")


def round_weights(model: Any) -> None:
    """Round all weights to bfloat16, as in the saved file, so that each phase could start from one."""
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(weights.to(torch.bfloat16))


def train(
    model: Any, processor: Any, pool: Sequence[Clip], recipe: Recipe, plan: Plan, seed: int, report: Report
) -> None:
    """Train by one of three recipes.

    * ``aligned``: language alone, then audio beside true or no text, with replay of language alone. It follows text.
    * ``joint``: audio and text together from the first step, no language before and no replay. A control.
    * ``mismatched``: the first phase plays clips that its texts are not about; then as ``aligned``. A control.
    """
    model.train()
    rows, collate = Rows(pool, seed), Collate(processor, seed)
    if recipe != "joint":
        mismatched = recipe == "mismatched"
        reading = alike(lambda: rows.read(mismatched), plan.clips if mismatched else plan.texts)
        optimizer = optimizer_of(model, plan.text_rate, plan.text_rate)
        run_phase("language", model, optimizer, plan.text_steps, lambda _: collate(next(reading)), report)
    for number, phase in enumerate(plan.phases, start=1):
        if number > 1:
            round_weights(model)
            rows, collate = Rows(pool, seed + phase.salt, phase.shares), Collate(processor, seed + phase.salt)
        optimizer = optimizer_of(model, phase.tower_rate, phase.language_rate)
        batches = listening(rows, collate, phase, plan, replays=recipe != "joint")
        run_phase(f"audio {number}", model, optimizer, phase.steps, batches, report)


def listening(rows: Rows, collate: Collate, phase: Phase, plan: Plan, replays: bool) -> Callable[[int], dict[str, Any]]:
    """The batches of a phase with audio, by step from 1; with `replays` some hold no audio."""
    hearing = alike(lambda: rows.heard(plan.asks, phase.described, phase.remarked, phase.drowned), plan.clips)
    replay = alike(rows.read, plan.texts)
    return lambda step: collate(next(replay if replays and step % phase.replay_every == 0 else hearing))
