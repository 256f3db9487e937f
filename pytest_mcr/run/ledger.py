"""The ledger: everything that arrived, kept small. Outcomes stay in memory, whole observations go to the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_mcr.core.case import PLACEBO, Outcome, Verdict
from pytest_mcr.run.journal import Journal

PROBES = ("varied", "hunted", "layers", "awareness", "calibration", "mitigation")
"""Kinds of what the dominance suite's tests find."""


@dataclass(slots=True)
class Ledger:
    """What the controller of a run has received so far.

    Attributes:
        journal: observations on disk, by case id.
        outcomes: by (sample, condition); the last report of a case wins.
        processes: facts of each process that loaded the model, by worker; the last that arrived count.
        probes: what the dominance suite found, by kind and by clip (or task).
        audits: comparisons of the batch-invariance audit, by case id.
        stop: message and exit code of a process that could not go on.
        dead_workers: workers that died, with the cause.
        seconds: computing time summed over cases and processes.
        asked: the same without the cases that the cache answered.
        cached: cases that were answered from the cache.
    """

    journal: Journal
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    processes: dict[str, dict[str, Any]] = field(default_factory=dict)
    probes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    audits: dict[str, dict[str, Any]] = field(default_factory=dict)
    stop: tuple[str, int] | None = None
    dead_workers: list[str] = field(default_factory=list)
    seconds: float = 0.0
    asked: float = 0.0
    cached: set[tuple[str, str]] = field(default_factory=set)

    @property
    def cases(self) -> int:
        """Cases that arrived; controls such as the placebo are none."""
        return sum(condition != PLACEBO for _, condition in self.outcomes)

    def take(self, outcome: Outcome, record: Mapping[str, Any]) -> None:
        """Keep one observation: the outcome in memory, the record (a line of ``cases.jsonl``) on disk.

        The outcome goes last, because Ctrl-C may come between any two steps: what has an outcome has a line.
        """
        key = (outcome.sample, outcome.condition)
        self.journal.append(str(record["id"]), record)
        if outcome.condition != PLACEBO:  # its time is in its case's
            self.seconds += float(record["seconds"])
            self.asked += 0.0 if record["cached"] else float(record["seconds"])
            (self.cached.add if record["cached"] else self.cached.discard)(key)
        self.outcomes[key] = outcome

    def counts(self, planned: set[tuple[str, str]]) -> dict[str, int]:
        """The ``counts`` of ``results.json``; controls such as the placebo are not cases."""
        cases = [outcome for key, outcome in self.outcomes.items() if key in planned]
        count = {verdict: sum(case.verdict == verdict for case in cases) for verdict in Verdict}
        return {
            "cases": len(cases),
            "errors": count[Verdict.ERROR],
            "unparsed": count[Verdict.UNPARSED],
            "flagged": count[Verdict.FLAGGED],
            "cached": sum(key in planned for key in self.cached),
        }
