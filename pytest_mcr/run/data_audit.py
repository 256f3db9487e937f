"""The whole audit of a dataset: its manifest, its clips, and what its words alone give away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mcr.core.case import ADVERSARIAL
from pytest_mcr.data.audit import audit
from pytest_mcr.data.audit_balance import label_counts
from pytest_mcr.data.audit_clips import audit_clips, describe, read_clips
from pytest_mcr.data.audit_finding import Finding
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.run.awareness import NO_LIBRARY

if TYPE_CHECKING:
    from pytest_mcr.probes.text_only import Leak


@dataclass(frozen=True, slots=True)
class DataAudit:
    """What is known about a dataset without any model.

    Attributes:
        facts: by task: its clips, gold answers and adversarial text labels.
        findings: in order of task, then check.
        leaks: what words give away, by task; None where scikit-learn is missing.
    """

    facts: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...]
    leaks: tuple[Leak, ...] | None

    @property
    def misleading(self) -> list[str]:
        """The messages of what can mislead."""
        return [found.message for found in self.findings if found.misleads]

    def to_json(self) -> dict[str, object]:
        """The audit as builtins."""
        return {
            "tasks": {task: dict(facts) for task, facts in self.facts.items()},
            "findings": [found.to_json() for found in self.findings],
            "text_only": None if self.leaks is None else [{"task": x.task, **x.to_json()} for x in self.leaks],
            **({"text_only_note": f"not measured: {NO_LIBRARY}"} if self.leaks is None else {}),
        }


def audit_data(dataset: Dataset) -> DataAudit:
    """Audit everything; decodes every clip once."""
    clips, problems = read_clips(dataset)
    leaks = leaks_of(dataset)
    found = [*audit(dataset), *audit_clips(dataset, clips, problems)]
    found += [leak.finding() for leak in leaks or () if leak.misleads]
    facts = {}
    for task in dataset.tasks:
        samples = [sample for sample in dataset.samples if sample.task == task]
        facts[task] = describe(samples, clips) | {
            "gold": label_counts(samples), "text_labels": label_counts(samples, ADVERSARIAL)
        }  # fmt: skip
    order = {task: place for place, task in enumerate(dataset.tasks)}
    return DataAudit(facts, tuple(sorted(found, key=lambda one: order[one.task])), leaks)


def leaks_of(dataset: Dataset) -> tuple[Leak, ...] | None:
    """What words give away; None without scikit-learn."""
    try:
        from pytest_mcr.probes.text_only import text_only
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("sklearn", "threadpoolctl"):
            raise
        return None
    return tuple(text_only(dataset))
