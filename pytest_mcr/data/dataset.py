"""The dataset value: samples in a fixed order, with where they came from, and chosen parts of them."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pytest_mcr.core.case import CONDITIONS, Sample
from pytest_mcr.errors import DataError

Kind = Literal["release", "mini", "custom"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples read from one folder; nothing is decoded yet.

    Attributes:
        root: the data folder, as given.
        kind: ``release`` (counts equal MCR-BENCH's), ``mini`` (the embedded benchmark) or ``custom``.
        digest: sha256 hex of the whole folder's normalised records, audio paths and audio file sizes. It does not
            change with the place of the folder, nor with `select`; the audio itself enters a run's results by the
            digest of each decoded clip.
        samples: sorted by task name, then by position in the task's file.
    """

    root: Path
    kind: Kind
    digest: str
    samples: tuple[Sample, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks that have samples, sorted."""
        return tuple(self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """Number of samples by task, sorted by task name."""
        return dict(sorted(Counter(sample.task for sample in self.samples).items()))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that at least one sample has, in the canonical order."""
        present = {condition for sample in self.samples for condition in sample.conditions}
        return tuple(condition for condition in CONDITIONS if condition in present)

    def path(self, sample: Sample) -> Path:
        """The audio file of a sample."""
        return self.root / sample.audio

    def select(self, *, tasks: Sequence[str] | None = None, limit: int | None = None, seed: int = 0) -> Dataset:
        """Choose tasks, and the first `limit` samples of each task in a seeded order.

        The order depends on the seed and the sample's id alone, so selections are nested: with one seed, what limit 5
        keeps, limit 10 keeps too. The result stays in file order.

        Args:
            tasks: task names; None keeps all.
            limit: samples a task, at least 1; None keeps all.
            seed: of the order (``--mcr-seed``).

        Raises:
            DataError: an unknown task, no task at all, or a limit below 1.
        """
        if limit is not None and limit < 1:
            raise DataError(f"a limit of {limit} samples a task leaves nothing to measure; use --mcr-limit 1 or more")
        wanted = self.tasks if tasks is None else tuple(tasks)
        if not wanted:
            raise DataError(f"no task is selected; use --mcr-tasks with some of {', '.join(self.tasks)}")
        for task in wanted:
            if task not in self.tasks:
                raise DataError(self._unknown_task(task))
        chosen = tuple(sample for sample in self.samples if sample.task in wanted)
        if limit is not None:
            kept = {sample_id for task in wanted for sample_id in self._first(task, limit, seed)}
            chosen = tuple(sample for sample in chosen if sample.id in kept)
        return replace(self, samples=chosen)

    def _first(self, task: str, limit: int, seed: int) -> list[str]:
        ids = [sample.id for sample in self.samples if sample.task == task]
        return nested_order(ids, seed)[:limit]

    def _unknown_task(self, task: str) -> str:
        spellings = {name.casefold(): name for name in self.tasks}
        near = difflib.get_close_matches(task.casefold(), list(spellings), n=1)
        hint = f"did you mean --mcr-tasks {spellings[near[0]]}?" if near else "check --mcr-tasks and --mcr-data"
        return f"no task {task!r} in {self.root} (it has {', '.join(self.tasks)}); {hint}"


def nested_order(ids: Iterable[str], seed: int) -> list[str]:
    """Sample ids in the seeded order of which ``--mcr-limit``, tiers and runs that end early take the first."""
    return sorted(ids, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
