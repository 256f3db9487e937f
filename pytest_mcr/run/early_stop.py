"""A run that may end early: clips in a seeded order, whose answers count in that order however they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, PLACEBO, Case, Outcome, Verdict
from pytest_mcr.core.chance import chance
from pytest_mcr.core.gates import Gate
from pytest_mcr.core.watch import LEVEL, Book, Watch
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.results_file import file_digest
from pytest_mcr.run.early_order import Key, Unit, units_of
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.ledger import Ledger


def chances(dataset: Dataset) -> dict[str, float]:
    """Accuracy that needs no ears, by task, over all samples of the run: known before the first answer."""
    found = {}
    for task in dataset.tasks:
        samples = [sample for sample in dataset.samples if sample.task == task]
        found[task] = chance([sample.gold for sample in samples], [len(sample.candidates) for sample in samples])
    return found


def share_clips(dataset: Dataset) -> bool:
    """Whether tasks have clips in common: one group, one file, or files of the same bytes."""
    owners: dict[str, str] = {}
    sizes: dict[int, set[str]] = {}
    for sample in dataset.samples:
        if owners.setdefault(sample.clip, sample.task) != sample.task:
            return True
        sizes.setdefault(dataset.path(sample).stat().st_size, set()).add(sample.task)
    alike = {size for size, tasks in sizes.items() if len(tasks) > 1}
    digests: dict[str, str] = {}
    paths = ((sample.task, dataset.path(sample)) for sample in dataset.samples)
    same_size = ((task, path) for task, path in paths if path.stat().st_size in alike)
    return any(digests.setdefault(file_digest(path), task) != task for task, path in same_size)


class EarlyStop:
    """Reads a ledger in the order of the units and says when the run may end.

    Args:
        cases: of the whole design.
        dataset: the chosen samples.
        gates: to judge.
        least: eligible clips that the profile asks of every task.

    Attributes:
        used: clips whose answers count.
        stopped: the verdict that ended the run, None as long as none did.
        active: all cases were selected.
        chunks: of the cases, in which they are asked.
        copies: clips left out of the evidence, because another file of the task holds the same sound.
    """

    def __init__(
        self, cases: Sequence[Case], dataset: Dataset, gates: Sequence[Gate], *, seed: int, alpha: float, least: int
    ) -> None:
        self.units = units_of(cases, seed)
        self.shared = share_clips(dataset)
        paired = {NEUTRAL, ADVERSARIAL} <= {case.condition for case in cases}
        self.watch = Watch(gates, chances(dataset), alpha=alpha, shared=self.shared, least=least, paired=paired)
        self.used = 0
        self.stopped: str | None = None
        self.copies = 0
        self.active = True
        self.chunks: list[Sequence[Key]] = []
        self._alpha = alpha
        self._owners: dict[str, set[str]] = {}

    def read(self, ledger: Ledger) -> bool:
        """Take what has become complete; True once the run may end."""
        while self.active and self.stopped is None and self.used < len(self.units):
            unit = self.units[self.used]
            if any(key not in ledger.outcomes for key in unit.keys):
                break
            if self._is_new(unit, ledger):
                self.watch.take(unit.task, answers_of(unit, ledger))
            self.used += 1
            if self.used == len(self.units) or self.units[self.used].place != unit.place:
                self.watch.look()
                if self.used < len(self.units):  # at the end there is nothing to be saved
                    self.stopped = self.watch.verdict
        return self.stopped is not None

    def _is_new(self, unit: Unit, ledger: Ledger) -> bool:
        """Whether no other clip of the task that counted already holds the same sound."""
        heard = [ledger.outcomes[key] for key in unit.keys]
        clusters = {outcome.cluster for outcome in heard if outcome.verdict != Verdict.ERROR}
        owners = set().union(*(self._owners.get(name, set()) for name in clusters))
        for name in clusters:
            self._owners.setdefault(name, set()).add(unit.task)
        if owners - {unit.task}:
            self.watch.mean_ended = self.watch.mean_ended or not self.shared
        self.copies += unit.task in owners
        return unit.task not in owners

    def counted(self, evidence: Evidence, design: Sequence[Case]) -> tuple[Evidence, list[Case]]:
        """The evidence and design that count: all, or up to where the run ended."""
        if self.stopped is None:
            return evidence, list(design)
        cases = [case for unit in self.units[: self.used] for case in unit.cases]
        samples = {case.sample.id for case in cases}
        ledger = evidence.ledger
        outcomes = {key: outcome for key, outcome in ledger.outcomes.items() if key[0] in samples}
        kept = replace(
            ledger,
            outcomes=outcomes,
            cached={key for key in ledger.cached if key[0] in samples},
            probes={kind: _of(found, samples) for kind, found in ledger.probes.items()},
        )
        selected = [(case.sample.id, case.condition) for case in cases]
        return replace(evidence, ledger=kept, selected=selected, interrupted=None), cases

    def followed(self, ledger: Ledger, wanted: Iterable[tuple[str, str | None]]) -> Book:
        """Bet on all clips that count again, on more metrics, to know their intervals."""
        book = Book(self.watch.tasks, set(wanted), alpha=self._alpha, shared=self.shared)
        self._owners = {}
        copies = self.copies
        for number, unit in enumerate(self.units[: self.used], start=1):
            if self._is_new(unit, ledger):
                book.take(unit.task, answers_of(unit, ledger))
            if number == self.used or self.units[number].place != unit.place:
                book.note()
        if not self.watch.mean_ended:
            book.look()
        self.copies = copies
        return book

    def outlook(self) -> str:
        """A line for the head of the session: what can end the run early."""
        count, rest = len(self.watch.claims), self.watch.undecidable
        if not rest:
            return f"mcr: early stopping: the run ends when all {count} gates are sure to pass, or one to fail"
        named = f"{'; '.join(rest[:3])}{'; ...' if len(rest) > 3 else ''}"
        return f"mcr: early stopping: one of {count} gates that fails ends the run; a pass needs all clips ({named})"

    def to_json(self, ledger: Ledger) -> dict[str, Any]:
        """The mark of ``results.json``: a sequential run cannot be blessed.

        Args:
            ledger: everything that arrived; ``asked`` counts the cases of the chunks that were begun.
        """
        begun = [chunk for chunk in self.chunks if any(key in ledger.outcomes for key in chunk)]
        counted = self.units[: self.used]
        tasks = self.watch.tasks
        return {
            "stopped": self.stopped is not None,
            "verdict": self.stopped,
            "clips": {task: sum(unit.task == task for unit in counted) for task in tasks},
            "samples": {task: sum(len(u.samples) for u in counted if u.task == task) for task in tasks},
            "of": {task: sum(len(u.samples) for u in self.units if u.task == task) for task in tasks},
            "asked": sum(map(len, begun)),
            "copies": self.copies,
            "level": LEVEL,
            "gates": len(self.watch.claims),
            "decided": {expr: {"verdict": v, "clips": n} for expr, (v, n) in self.watch.decided.items()},
            "undecidable": list(self.watch.undecidable),
            "shared_clips": self.shared,
        }


def _of(found: Mapping[str, dict[str, Any]], samples: set[str]) -> dict[str, dict[str, Any]]:
    """The part of what a suite found, by sample or by case, that belongs to these samples."""
    return {name: one for name, one in found.items() if name in samples or name.rpartition("-")[0] in samples}


def answers_of(unit: Unit, ledger: Ledger) -> list[dict[str, Outcome]]:
    """What each sample of a clip gave, by condition, the placebo included."""
    found: dict[str, dict[str, Outcome]] = {name: {} for name in unit.samples}
    for sample, condition in unit.keys:
        found[sample][condition] = ledger.outcomes[sample, condition]
    for name in unit.samples:
        placebo = ledger.outcomes.get((name, PLACEBO))
        if placebo is not None:
            found[name][PLACEBO] = placebo
    return list(found.values())
