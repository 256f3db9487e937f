"""Clips of the mitigation suite with planted scores, for the tests of its rows and its tuning."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.repair_cases import RepairCase

LABELS = {"AQA": ("yes", "no"), "SER": ("angry", "happy", "sad")}


def scored(best: str, labels: Sequence[str], sure: float = 0.95) -> dict[str, float]:
    """Log-probabilities with so much on one label and the rest shared."""
    return {label: math.log(sure if label == best else (1 - sure) / (len(labels) - 1)) for label in labels}


def clip(
    task: str, number: int, *, heard: bool = True, follows: float = 0.0, sure: float = 0.95, cluster: str | None = None
) -> RepairCase:
    """A clip with a gold, a false label and all conditions.

    Args:
        heard: the audio alone gives the gold, else the false label.
        follows: probability of the text's label in J; 0: J is A, whatever the text.
        sure: probability of A's answer.
        cluster: the clip; None for one of its own.
    """
    labels = LABELS[task]
    gold, false = labels[number % len(labels)], labels[(number + 1) % len(labels)]
    alone = scored(gold if heard else false, labels, sure)
    said = {"faithful": gold, "adversarial": false}
    scores = {"audio": alone, "silence": scored(labels[0], labels, 0.4), "nothing": scored(labels[0], labels, 0.4)}
    for condition in CONDITIONS[1:]:
        told = said.get(condition)
        scores[f"joint:{condition}"] = scored(told, labels, follows) if follows and told else alone
        scores[f"text:{condition}"] = scored(told or labels[0], labels, 0.8 if told else 0.4)
    name = cluster or f"{task}-{number}"
    return RepairCase(f"{task}-{number:04d}", task, name, f"digest {name}", gold, labels, CONDITIONS, scores)


def clips(
    count: int, *, follows: float = 0.97, unheard: int = 0, tasks: Sequence[str] = ("AQA", "SER")
) -> list[RepairCase]:
    """So many clips a task; each of ``unheard`` in ten is not heard."""
    return [
        clip(task, number, heard=number % 10 >= unheard, follows=follows, sure=0.9 if number % 10 >= unheard else 0.6)
        for task in tasks
        for number in range(count)
    ]
