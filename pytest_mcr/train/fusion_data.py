"""What the ablation's models learn from: heard clips, rows with true texts, and 1,000 samples with conflict."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL
from pytest_mcr.errors import OptionError
from pytest_mcr.train.fusion_ears import Ears
from pytest_mcr.train.fusion_model import Batch
from pytest_mcr.train.lab_data import Clip, Row, Rows, make_pool
from pytest_mcr.train.lab_model import START
from pytest_mcr.train.lora_data import MIX, quotas

SHARES: Final = (("SER", 0.5), ("VSC", 0.5))
"""Yes/no questions about events (AQA) took the lab model most of its half hour and are left out."""
POOL_SEED: Final = 31
"""Of the clips; the lab model's ears learned from those of seed 0."""
UNKNOWN: Final = -1
"""No label for the conflict signal."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row, and whether its text and audio conflict: 1, 0, or `UNKNOWN`."""

    row: Row
    conflict: int = UNKNOWN


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch with what is to be learned.

    Attributes:
        batch: rows with the tokens of their answers but the last.
        where: (2, answer tokens), row and place that predict one.
        targets: (answer tokens,), which one.
        conflict: (rows,), labels of the conflict signal.
        start: (rows,), the place that predicts the first answer token.
    """

    batch: Batch
    where: torch.Tensor
    targets: torch.Tensor
    conflict: torch.Tensor
    start: torch.Tensor


def heard_pool(path: Path, size: int, ears: Callable[[], Ears], report: Callable[[str], None]) -> list[Clip]:
    """Training clips as they are heard, made once and kept in a file; features have shape (width, frames), float16.

    Args:
        path: of the file.
        size: number of clips, tasks in turn.
        ears: loads what hears; called only where clips are to be made.
        report: called with a progress line.

    Raises:
        OptionError: the file holds another number of clips.
    """
    if not path.is_file():
        report(f"making {size} training clips, about {size / 12:.0f} s")
        _write_pool(path, size, ears())
    with safe_open(str(path), framework="pt") as file:
        held = json.loads(file.metadata()["clips"])
        frames, lengths = file.get_tensor("heard").numpy(), file.get_tensor("lengths").tolist()
    if len(held) != size:
        raise OptionError(f"{path}: holds {len(held)} clips, {size} are asked for; remove the file or keep --clips")
    ends = np.cumsum(lengths)
    parts = [frames[end - length : end].T for end, length in zip(ends, lengths, strict=True)]
    return [Clip(task, tuple(holds), part) for (task, holds), part in zip(held, parts, strict=True)]


def _write_pool(path: Path, size: int, ears: Ears) -> None:
    clips = make_pool(ears.extractor, size, POOL_SEED, tuple(task for task, _ in SHARES))
    heard = [ears.heard(clip.features).to(torch.float16) for clip in clips]
    tensors = {"heard": torch.cat(heard), "lengths": torch.tensor([len(one) for one in heard])}
    told = json.dumps([[clip.task, clip.holds] for clip in clips])
    staged = path.with_name(f".{path.name}.new")
    save_file(tensors, staged, metadata={"clips": told})
    staged.replace(path)


def conflict_samples(pool: Sequence[Clip], count: int, seed: int) -> list[Labelled]:
    """So many fixed samples in the mix that `pytest_mcr.train.lora` trains on; 4 in 10 have a false text."""
    rows = Rows(pool, seed + 500, SHARES)
    return [
        Labelled(rows.about(condition), UNKNOWN if condition == NEUTRAL else int(condition == ADVERSARIAL))
        for condition, number in quotas(MIX, count).items()
        for _ in range(number)
    ]


class Teacher:
    """Turns rows into lessons.

    Args:
        tokenizer: of the lab model.
        width: of a heard frame.
    """

    def __init__(self, tokenizer: Any, width: int) -> None:
        self._tokenizer = tokenizer
        self._width = width
        self._start: int = tokenizer.convert_tokens_to_ids(START)
        self.end: int = tokenizer.eos_token_id

    def prompt(self, text: str) -> list[int]:
        """Tokens of a question, and the one that begins the answer."""
        return [*self._tokenizer(text).input_ids, self._start]

    def answer(self, text: str) -> list[int]:
        """Tokens of an answer, and the end of the turn."""
        return [*self._tokenizer(text).input_ids, self.end]

    def batch(self, prompts: Sequence[list[int]], begun: Sequence[list[int]], heard: Sequence[torch.Tensor]) -> Batch:
        """Rows padded on the right.

        Args:
            prompts: tokens before each answer.
            begun: tokens of each answer so far.
            heard: (frames, width) each, no frames without audio.
        """
        sequences = [torch.tensor([*prompt, *more]) for prompt, more in zip(prompts, begun, strict=True)]
        pad = torch.nn.utils.rnn.pad_sequence
        frames = torch.tensor([len(one) for one in heard])
        return Batch(
            pad(sequences, batch_first=True, padding_value=self.end), torch.tensor([len(one) for one in prompts]),
            pad(list(heard), batch_first=True), frames,
        )  # fmt: skip

    def lesson(self, rows: Sequence[Labelled]) -> Lesson:
        """A batch of rows with their answers."""
        prompts = [self.prompt(one.row.prompt) for one in rows]
        answers = [self.answer(one.row.answer) for one in rows]
        nothing = torch.zeros(0, self._width)
        heard = [
            nothing if one.row.clip is None else torch.from_numpy(one.row.clip.features.T.astype(np.float32))
            for one in rows
        ]
        spots = [
            (number, len(prompt) - 1 + step)
            for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
            for step in range(len(answer))
        ]
        return Lesson(
            self.batch(prompts, [answer[:-1] for answer in answers], heard), torch.tensor(spots).T,
            torch.tensor([token for answer in answers for token in answer]),
            torch.tensor([one.conflict for one in rows]), torch.tensor([len(prompt) - 1 for prompt in prompts]),
        )  # fmt: skip
