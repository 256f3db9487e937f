"""How a model of the ablation is trained: reading first, then hearing beside true texts; with or without conflict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch.nn import functional

from pytest_mcr.train.fusion_data import SHARES, UNKNOWN, Labelled, Lesson, Teacher, conflict_samples
from pytest_mcr.train.fusion_model import FusionModel
from pytest_mcr.train.lab_data import Clip, Rows

SIGNAL_WEIGHT: Final = 0.3
"""Of the conflict signal's loss beside that of the answers."""
WARM_UP: Final = 25
ASKS: Final = 4
"""Rows about a clip of a step."""
SORTED: Final = 4
"""Batches of rows without audio that are sorted by length together, so that little is spent on padding."""

Draw = Callable[[int], Sequence[Labelled]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast; the same for every fusion.

    Attributes:
        read: steps of reading alone.
        hear: steps with audio; as many with conflict samples as without.
        tune: steps of fine-tuning on the conflict samples alone.
        rows: a step.
        read_rate: peak learning rate of the first, halved for the second.
        tune_rate: of fine-tuning.
        described: share of rows with audio that carry a true description.
        remarked: share that carry an unrelated remark.
        replay_every: every so many steps with audio one is of reading alone.
        conflict: share of a step's rows that are conflict samples, where there are any.
        samples: conflict samples.
    """

    read: int = 120
    hear: int = 180
    tune: int = 100
    rows: int = 40
    read_rate: float = 2e-3
    tune_rate: float = 5e-4
    described: float = 0.25
    remarked: float = 0.2
    replay_every: int = 3
    conflict: float = 0.25
    samples: int = 1000

    @property
    def steps(self) -> int:
        """Of one training from nothing."""
        return self.read + self.hear


def loss_of(model: FusionModel, lesson: Lesson) -> torch.Tensor:
    """Mean cross-entropy in nats over the answers' tokens; a gate also learns to tell labelled conflict."""
    states = model(lesson.batch)
    rows, places = lesson.where
    loss = functional.cross_entropy(model.logits(states[rows, places]), lesson.targets)
    known = lesson.conflict != UNKNOWN
    if model.fusion != "gated" or not known.any():
        return loss
    _, signal = model.gates()
    told = signal[torch.arange(len(known)), lesson.start][known]
    return loss + SIGNAL_WEIGHT * functional.binary_cross_entropy_with_logits(told, lesson.conflict[known].float())


def run_phase(model: FusionModel, teacher: Teacher, steps: int, rate: float, draw: Draw) -> float:
    """Take so many steps of AdamW with a short rise and a cosine down to a twentieth.

    Returns:
        Mean loss of the last quarter of the steps, nats a token.

    Raises:
        ArithmeticError: the loss is no number.
    """
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    losses = []
    for step in range(steps):
        share = min((step + 1) / WARM_UP, 1) * (0.525 + 0.475 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        loss = loss_of(model, teacher.lesson(draw(step)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ArithmeticError(f"{model.fusion}: the loss of step {step + 1} is no number")
    model.eval()
    return float(np.mean(losses[-max(1, steps // 4) :]))


def read(model: FusionModel, teacher: Teacher, plan: Plan, seed: int) -> float:
    """Learn to answer from a text alone, which is true of a clip that is not played; gives the last loss."""
    return run_phase(model, teacher, plan.read, plan.read_rate, reading(Rows([], seed, SHARES), plan.rows))


def hear(model: FusionModel, teacher: Teacher, plan: Plan, pool: Sequence[Clip], seed: int, *, conflict: bool) -> float:
    """Learn to answer from audio, beside true texts, remarks and none; gives the last loss.

    Args:
        model: that can read.
        teacher: makes lessons.
        plan: how long.
        pool: heard clips.
        seed: of rows and samples; both arms of a seed differ in the conflict samples alone.
        conflict: a share of the rows are those samples, over and over.
    """
    rows, alone = Rows(pool, seed + 100, SHARES), reading(Rows([], seed + 200, SHARES), plan.rows)
    fixed = over_and_over(conflict_samples(pool, plan.samples, seed), seed) if conflict else None
    taken = round(plan.conflict * plan.rows) if conflict else 0

    def draw(step: int) -> Sequence[Labelled]:
        if (step + 1) % plan.replay_every == 0:
            return alone(step)
        clips = range(-(-plan.rows // ASKS))
        heard = [Labelled(row) for _ in clips for row in rows.heard(ASKS, plan.described, plan.remarked)]
        return [*heard[: plan.rows - taken], *(fixed(taken) if fixed else ())]

    return run_phase(model, teacher, plan.hear, plan.read_rate / 2, draw)


def tune(model: FusionModel, teacher: Teacher, plan: Plan, pool: Sequence[Clip], seed: int) -> float:
    """Fine-tune on the conflict samples of the seed alone, all weights; gives the last loss."""
    fixed = over_and_over(conflict_samples(pool, plan.samples, seed), seed)
    return run_phase(model, teacher, plan.tune, plan.tune_rate, lambda _: fixed(plan.rows))


def reading(rows: Rows, count: int) -> Draw:
    """Batches of rows without audio, sorted by length a few batches at a time."""
    order, ready = np.random.default_rng(0), list[list[Labelled]]()

    def draw(_: int) -> Sequence[Labelled]:
        if not ready:
            drawn = sorted((rows.read()[0] for _ in range(SORTED * count)), key=lambda row: len(row.prompt))
            batches = [[Labelled(row) for row in drawn[turn * count : (turn + 1) * count]] for turn in range(SORTED)]
            ready.extend(batches[turn] for turn in order.permutation(SORTED))
        return ready.pop()

    return draw


def over_and_over(samples: Sequence[Labelled], seed: int) -> Callable[[int], list[Labelled]]:
    """Take samples in a new seeded order each time all were taken."""
    rng, left = np.random.default_rng([seed, 21]), list[int]()

    def take(count: int) -> list[Labelled]:
        taken = []
        for _ in range(count):
            if not left:
                left.extend(rng.permutation(len(samples)).tolist())
            taken.append(samples[left.pop()])
        return taken

    return take
