"""A question that a calibration head learns from or is judged on, and how clips are split between the two."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.branches import Scores
from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL
from pytest_mcr.core.clusters import Floats, Mask
from pytest_mcr.core.features import FEATURES, BranchScores, features


@dataclass(frozen=True, slots=True)
class HeadCase:
    """One question in its four branches, with what is known about its answer.

    Attributes:
        sample: unique within its task.
        task: the task.
        cluster: the clip (see `Observation.cluster`).
        digest: of the decoded audio.
        condition: of the text.
        operator: that edited the text; empty for the text as the data has it.
        gold: the answer that the audio supports.
        answer: the label given; None where no label can be read off the answer.
        audio_answer: the same for branch A.
        scores: of the four branches; the only part that a head without a probe sees.
        text: that the question was asked with, as texts are compared, before any edit; empty for none.
        state: hidden state of branch J, shape (width,), where a probe is to read it.
    """

    sample: str
    task: str
    cluster: str
    digest: str
    condition: str
    operator: str
    gold: str
    answer: str | None
    audio_answer: str | None
    scores: BranchScores
    text: str = ""
    state: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def right(self) -> bool:
        """The answer is the gold."""
        return self.answer == self.gold

    @property
    def audio_right(self) -> bool:
        """Branch A's answer is the gold."""
        return self.audio_answer == self.gold

    @property
    def conflict(self) -> bool | None:
        """The text contradicts the audio; None without a text."""
        return None if self.condition == NEUTRAL else self.condition == ADVERSARIAL


class Recorded(Protocol):
    """A question about a clip."""

    @property
    def sample(self) -> str:
        """Unique within its task."""

    @property
    def task(self) -> str:
        """The task."""

    @property
    def cluster(self) -> str:
        """The clip (see `Observation.cluster`)."""

    @property
    def digest(self) -> str:
        """Of the decoded audio."""


def design_matrix(cases: Sequence[HeadCase], names: Sequence[str] = tuple(FEATURES)) -> Floats:
    """The named features of each case, shape (cases, names)."""
    rows = [features(case.scores) for case in cases]
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(len(rows), len(names))


def given_confidence(scores: Scores, answer: str, temperature: float = 1.0) -> float:
    """``softmax(s / T)`` at the given answer, in [0, 1]."""
    top = max(scores.values())
    total = math.fsum(math.exp((score - top) / temperature) for score in scores.values())
    return math.exp((scores[answer] - top) / temperature) / total


def rights(cases: Sequence[HeadCase]) -> Mask:
    """Which answers are right."""
    return np.array([case.right for case in cases], dtype=np.bool_)


def conflicts(cases: Sequence[HeadCase]) -> Mask:
    """Which texts contradict the audio."""
    return np.array([bool(case.conflict) for case in cases], dtype=np.bool_)


def dev_clusters(cases: Iterable[Recorded], share: float, seed: int) -> frozenset[str]:
    """The clips that may be learned from: a share of each task's, in a seeded order.

    Clips that share a decoded recording stay together whatever their groups are called.

    Args:
        cases: of all clips.
        share: of the clips, in (0, 1); of each task at least one clip and never all of several.
        seed: of the order.
    """
    groups, tasks = _joined(cases)
    chosen: set[str] = set()
    for task in sorted(set(tasks.values())):
        mine = sorted((name for name in groups if tasks[name] == task), key=lambda name: _drawn(seed, name))
        wanted = min(max(round(share * len(mine)), 1), max(len(mine) - 1, 1))
        chosen.update(*(groups[name] for name in mine[:wanted]))
    return frozenset(chosen)


def _joined(cases: Iterable[Recorded]) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Clusters that share a recording, by the name of the first; and each set's first task."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    first: dict[str, str] = {}
    for case in sorted(cases, key=lambda case: (case.task, case.sample, case.cluster)):
        cluster, recording = find(f"cluster {case.cluster}"), find(f"recording {case.digest}")
        root[max(cluster, recording)] = min(cluster, recording)
        first.setdefault(f"cluster {case.cluster}", case.task)
    groups: dict[str, set[str]] = {}
    tasks: dict[str, str] = {}
    for name, task in first.items():
        groups.setdefault(find(name), set()).add(name.removeprefix("cluster "))
        tasks.setdefault(find(name), task)
    return groups, tasks


def _drawn(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:head:{name}".encode()).hexdigest()
