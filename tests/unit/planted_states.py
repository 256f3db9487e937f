"""Planted states: what hidden states would be if they held the style of the text alone, or the conflict itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_mcr.core.case import Sample
from pytest_mcr.core.crossing import Pair, cross
from pytest_mcr.core.prompts import normalize
from pytest_mcr.probes.awareness import Measured, Stores, measure
from pytest_mcr.probes.awareness_rows import Row
from pytest_mcr.probes.states import StateWriter

LABELS = ("bell", "drum", "siren", "wind")
WIDTH = 24


def samples(task: str, count: int) -> list[Sample]:
    """Clips whose faithful and adversarial texts were written apart: they can be told by their style."""
    made = []
    for number in range(count):
        gold, wrong = LABELS[number % 4], LABELS[(number + 1 + number // 4 % 3) % 4]
        texts = {
            "faithful": f"calm {task} {number}: one hears the {gold}",
            "adversarial": f"loud {task} {number}: surely the {wrong} is there",
        }
        labels = {"faithful": gold, "adversarial": wrong}
        made.append(Sample(f"{task}-{number:04d}", task, f"{task}{number}.wav", "What?", gold, texts, LABELS, labels))
    return made


def own_pairs(task: str, count: int) -> list[Pair]:
    """Every clip with its own two texts, as published: nothing is crossed."""
    return [
        Pair(sample, text, sample.text_labels[condition], sample.id)
        for sample in samples(task, count)
        for condition, text in sample.texts.items()
    ]


def crossed_pairs(*tasks: str, count: int) -> list[Pair]:
    designs = cross([one for task in tasks for one in samples(task, count)], limit=200, seed=0)
    return [pair for design in designs for pair in design.pairs]


class Planted:
    """States of given pairs.

    Args:
        conflict: length of the direction that says whether text and clip disagree.
        heard: length of the direction of the clip's label under a text.
        scores: whether the answers have scores (noise: they say nothing).
        follows: share of answers that follow the text.
        spoil: changes a row's states before they are written.
    """

    def __init__(
        self,
        pairs: list[Pair],
        folder: Path,
        *,
        conflict: float = 0.0,
        heard: float = 0.0,
        scores: bool = True,
        follows: float = 0.7,
        spoil: float | None = None,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        audio = {label: rng.standard_normal(WIDTH) for label in LABELS}
        text = {label: rng.standard_normal(WIDTH) for label in LABELS}
        direction, style = rng.standard_normal(WIDTH), rng.standard_normal(WIDTH)
        wording = {pair.text: rng.standard_normal(WIDTH) for pair in pairs}
        voice = {pair.sample.id: rng.standard_normal(WIDTH) for pair in pairs}
        joint, alone, clips = (StateWriter(folder / name, (1, 2)) for name in ("joint", "text", "audio"))
        self.rows: list[Row] = []
        seen: set[str] = set()

        def both(state: NDArray[np.float64]) -> torch.Tensor:
            return torch.tensor(np.stack([rng.standard_normal(WIDTH), state]), dtype=torch.float32)

        for pair in pairs:
            gold, name = pair.sample.gold, pair.sample.id
            written = text[pair.label] + wording[pair.text] + 4 * style * (1 if pair.text.startswith("calm") else -1)
            state = written + conflict * pair.conflict * direction + heard * (audio[gold] + 0.5 * voice[name])
            joint.add(both(state + 0.2 * rng.standard_normal(WIDTH)) if spoil is None else both(state) * spoil)
            alone.add(both(written + 0.2 * rng.standard_normal(WIDTH)))
            if name not in seen:
                seen.add(name)
                clips.add(both(3 * audio[gold] + voice[name]))
            answer = pair.label if rng.random() < follows else gold
            given = {label: float(rng.standard_normal()) for label in LABELS} if scores else None
            task, words = pair.sample.task, f"What?\n{pair.text}"
            row = Row(task, name, name, normalize(pair.text), words, gold, pair.label, answer, given)
            self.rows.append(row)
        self.stores = Stores(joint.close(), alone.close(), clips.close())

    def measured(self) -> Measured:
        return measure(self.rows, self.stores, middle=1, seed=0)
