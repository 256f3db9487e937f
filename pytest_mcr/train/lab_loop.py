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

from pytest_mcr.train.lab_data import Clip, Row, Rows
from pytest_mcr.train.lab_model import AUDIO

Recipe = Literal["aligned", "joint", "mismatched"]
Report = Callable[[str], None]

AUGMENT_GAIN: Final = 0.25
"""Largest shift of the log-mel features (a quarter of log10 power: 0.25 is 10 dB)."""


SORTED: Final = 4
"""Batches that are sorted by length together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how fast, and on what to train; every number is a fixed step count, none a stopping rule.

    Attributes:
        text_steps: steps of the first phase, language alone.
        audio_steps: steps of the second phase.
        batch: rows with audio a step (rows without: twice as many).
        described: share of rows with audio that carry a true description.
        remarked: share of rows with audio that carry an unrelated remark.
        replay_every: every so many steps of the second phase a batch without audio takes the turn; 0 for never.
        pool: number of training clips.
    """

    text_steps: int = 300
    audio_steps: int = 900
    batch: int = 32
    described: float = 0.25
    remarked: float = 0.2
    replay_every: int = 3
    pool: int = 3600
    tower_rate: float = 2e-3
    language_rate: float = 5e-4
    text_rate: float = 2e-3


class Collate:
    """Turns rows into tensors, exactly as the processor would, from features made beforehand."""

    def __init__(self, processor: Any, seed: int) -> None:
        self.tokenizer = processor.tokenizer
        self.extractor = processor.feature_extractor
        self.template: Callable[..., str] = processor.apply_chat_template
        self.rng = np.random.default_rng([seed, 4])
        parts = [{"type": "audio", "audio": ""}, {"type": "text", "text": "\0"}]
        self.with_audio = self._frame(parts)
        self.without_audio = self._frame(parts[1:])

    def _frame(self, content: list[dict[str, str]]) -> tuple[str, str]:
        turn = [{"role": "user", "content": content}]
        before, after = self.template(turn, add_generation_prompt=True, tokenize=False).split("\0")
        return before, after

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Batch rows: all with audio or all without.

        Returns:
            ``input_ids`` and ``attention_mask`` of shape (rows, tokens), padded on the right; ``where`` and
            ``targets``, the positions (row, token) that predict the answer and the tokens they must predict; with audio
            ``input_features`` (rows, mels, frames) and ``feature_attention_mask`` (rows, frames) as well.
        """
        features = [self._augment(row.clip) for row in rows if row.clip is not None]
        texts = []
        for number, row in enumerate(rows):
            before, after = self.with_audio if row.clip is not None else self.without_audio
            if row.clip is not None:
                before = before.replace(AUDIO, AUDIO * placeholders(features[number].shape[1]))
            texts.append(before + row.prompt + after)
        prompts = self.tokenizer(texts).input_ids
        answers = self.tokenizer([row.answer + self.tokenizer.eos_token for row in rows]).input_ids
        width = max(len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True))
        ids = torch.full((len(rows), width), self.tokenizer.pad_token_id)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        where, targets = [], []
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            size = len(prompt) + len(answer)
            ids[number, :size] = torch.tensor(prompt + answer)
            mask[number, :size] = 1
            where += [(number, len(prompt) - 1 + step) for step in range(len(answer))]
            targets += answer
        batch = {"input_ids": ids, "attention_mask": mask}
        if features:
            batch |= self._pad(features)
        return {**batch, "where": torch.tensor(where).T, "targets": torch.tensor(targets)}

    def _augment(self, heard: Clip) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Cut up to 15 % off both ends and shift the level."""
        frames = heard.features.shape[1]
        start, stop = int(frames * self.rng.uniform(0, 0.15)), frames - int(frames * self.rng.uniform(0, 0.15))
        shift = self.rng.uniform(-AUGMENT_GAIN, AUGMENT_GAIN)
        return heard.features[:, start:stop].astype(np.float32) + np.float32(shift)

    def _pad(self, features: Sequence[np.ndarray[Any, np.dtype[np.float32]]]) -> dict[str, torch.Tensor]:
        frames = min(-(-(max(feature.shape[1] for feature in features) + 4) // 2) * 2, self.extractor.nb_max_frames)
        padded = np.zeros((len(features), features[0].shape[0], frames), dtype=np.float32)
        mask = np.zeros((len(features), frames), dtype=np.int64)
        for number, feature in enumerate(features):
            padded[number] = feature.min()
            padded[number, :, : feature.shape[1]] = feature
            mask[number, : feature.shape[1]] = 1
        return {"input_features": torch.from_numpy(padded), "feature_attention_mask": torch.from_numpy(mask)}


def placeholders(frames: int) -> int:
    """Audio tokens of a clip of so many feature frames (two strides of two: about 25 a second)."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


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


def alike(draw: Callable[[], Row], count: int) -> Iterator[list[Row]]:
    """Draw rows for `SORTED` batches at a time and deal them out by length, so that little is spent on padding.

    Yields:
        Batches of `count` rows; in a shuffled order of lengths.
    """
    order = np.random.default_rng(0)
    while True:
        rows = [draw() for _ in range(SORTED * count)]
        rows.sort(key=lambda row: (row.clip.features.shape[1] if row.clip else 0, len(row.prompt)))
        for turn in order.permutation(SORTED):
            yield rows[turn * count : (turn + 1) * count]


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


def train(
    model: Any, processor: Any, pool: Sequence[Clip], recipe: Recipe, plan: Plan, seed: int, report: Report
) -> None:
    """Train by one of three recipes.

    * ``aligned``: language alone, then audio beside true or no text, with replay of language alone. It follows text.
    * ``joint``: audio and text together from the first step, no language before and no replay. A control.
    * ``mismatched``: the first phase plays clips that its texts are not about; then as ``aligned``. A control.
    """
    rows, collate = Rows(pool, seed), Collate(processor, seed)
    model.train()

    mismatched = recipe == "mismatched"
    reading = alike(lambda: rows.read(mismatched), plan.batch if mismatched else 2 * plan.batch)
    hearing = alike(lambda: rows.heard(plan.described, plan.remarked), plan.batch)
    replay = alike(rows.read, 2 * plan.batch)

    def heard(step: int) -> dict[str, Any]:
        replays = recipe != "joint" and plan.replay_every and step % plan.replay_every == 0
        return collate(next(replay if replays else hearing))

    if recipe != "joint":
        optimizer = optimizer_of(model, plan.text_rate, plan.text_rate)
        run_phase("language", model, optimizer, plan.text_steps, lambda _: collate(next(reading)), report)
    optimizer = optimizer_of(model, plan.tower_rate, plan.language_rate)
    run_phase("audio", model, optimizer, plan.audio_steps, heard, report)
