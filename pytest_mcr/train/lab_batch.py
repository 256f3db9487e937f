"""From rows to tensors: several questions about one clip in one sequence, none of which sees another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_mcr.train.lab_data import Clip, Row
from pytest_mcr.train.lab_model import AUDIO

AUGMENT_GAIN: Final = 0.25
"""Largest shift of the log-mel features (a quarter of log10 power: 0.25 is 10 dB)."""

Group = list[Row]
Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Packed:
    """A group as one sequence.

    Attributes:
        ids: tokens of the clip's part, then of each row with its answer.
        positions: as if each row followed the clip's part directly.
        owners: 0 for the clip's part, else the row's number from 1.
        spots: where an answer's token is to be predicted.
    """

    ids: list[int]
    positions: list[int]
    owners: list[int]
    spots: list[int]


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

    def __call__(self, groups: Sequence[Group]) -> dict[str, Any]:
        """Batch groups of rows: all with audio or all without. The rows of a group share their clip.

        Returns:
            ``input_ids`` and ``position_ids`` of shape (groups, tokens), padded on the right; ``attention_mask`` of
            shape (groups, 1, tokens, tokens), under which a row sees the clip and itself, never another row;
            ``where`` and ``targets``, the positions (group, token) that predict the answers and the tokens they must
            predict; with audio ``input_features`` (groups, mels, frames) and ``feature_attention_mask`` (groups,
            frames) as well.
        """
        features = [self._augment(group[0].clip) for group in groups if group[0].clip is not None]
        sequences = [self._sequence(group, features[n] if features else None) for n, group in enumerate(groups)]
        width = max(len(sequence.ids) for sequence in sequences)
        ids = torch.full((len(groups), width), self.tokenizer.pad_token_id)
        positions = torch.zeros((len(groups), width), dtype=torch.long)
        owners = torch.full((len(groups), width), -1)
        where, targets = [], []
        for number, sequence in enumerate(sequences):
            size = len(sequence.ids)
            ids[number, :size] = torch.tensor(sequence.ids)
            positions[number, :size] = torch.tensor(sequence.positions)
            owners[number, :size] = torch.tensor(sequence.owners)
            where += [(number, spot) for spot in sequence.spots]
            targets += [sequence.ids[spot + 1] for spot in sequence.spots]
        batch = {"input_ids": ids, "position_ids": positions, "attention_mask": visible(owners)}
        if features:
            batch |= self._pad(features)
        return {**batch, "where": torch.tensor(where).T, "targets": torch.tensor(targets)}

    def _sequence(self, group: Group, features: Features | None) -> Packed:
        before, after = self.without_audio if features is None else self.with_audio
        if features is not None:
            before = before.replace(AUDIO, AUDIO * placeholders(features.shape[1]))
        ids: list[int] = list(self.tokenizer(before).input_ids)
        start = len(ids)
        positions, owners, spots = list(range(start)), [0] * start, []
        for number, row in enumerate(group, start=1):
            prompt = self.tokenizer(row.prompt + after).input_ids
            answer = self.tokenizer(row.answer + self.tokenizer.eos_token).input_ids
            spots += [len(ids) + len(prompt) - 1 + step for step in range(len(answer))]
            ids += prompt + answer
            positions += range(start, start + len(prompt) + len(answer))
            owners += [number] * (len(prompt) + len(answer))
        return Packed(ids, positions, owners, spots)

    def _augment(self, heard: Clip) -> Features:
        """Cut up to 15 % off both ends and shift the level."""
        frames = heard.features.shape[1]
        start, stop = int(frames * self.rng.uniform(0, 0.15)), frames - int(frames * self.rng.uniform(0, 0.15))
        shift = self.rng.uniform(-AUGMENT_GAIN, AUGMENT_GAIN)
        return heard.features[:, start:stop].astype(np.float32) + np.float32(shift)

    def _pad(self, features: Sequence[Features]) -> dict[str, torch.Tensor]:
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


def visible(owners: torch.Tensor) -> torch.Tensor:
    """Who sees whom: what came before of the clip's part (0) and of one's own row; padding (-1) sees itself.

    Args:
        owners: shape (groups, tokens).

    Returns:
        bool, shape (groups, 1, tokens, tokens), True where the second axis may look at the third.
    """
    width = owners.shape[1]
    shared = (owners[:, None, :] == 0) & (owners[:, :, None] >= 0)
    same = owners[:, None, :] == owners[:, :, None]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    return ((shared | same) & causal)[:, None]
