"""What a run would be, without running: cases of each tier, what they can tell apart, how long they take."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_mcr.core.case import CONDITIONS, NEUTRAL, PLACEBO, Case, Outcome, Sample, Verdict
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.gates import NOT_JUDGED, UNDECIDED, Gate, judge_clusters, judge_gates
from pytest_mcr.core.hearing import Hearing
from pytest_mcr.core.metrics import measure
from pytest_mcr.core.tiers import TIERS, gate_effect, paired_effect
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.results_file import RESULTS
from pytest_mcr.run.design import design
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subsets import placebo_subset

LEAST_ASKED: Final = 20
"""Cases that a former run must have asked for its pace to say something."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a former run of the same model was.

    Attributes:
        run: its id.
        start: seconds until the first case, a process.
        case: seconds of computing a case.
        same_data: it ran on the same data.
    """

    run: str
    start: float
    case: float
    device: str
    same_data: bool

    def seconds(self, cases: int, workers: int) -> float:
        """Wall time of so many cases on so many workers."""
        return self.start + cases * self.case / max(1, workers)


@dataclass(frozen=True, slots=True)
class Planned:
    """One tier.

    Attributes:
        samples: by task.
        task_effect: least distance from a threshold that a ``@95`` gate tells in the smallest task.
        mean_effect: the same for the mean over tasks.
        task_loss: least loss against a baseline that shows in the smallest task.
        mean_loss: the same for the mean over tasks.
        undecided: gates that stay undecided though every answer were right.
        not_judged: gates of the profile that are not judged on so few clips, or in this design.
    """

    tier: str
    samples: Mapping[str, int]
    cases: int
    task_effect: float
    mean_effect: float
    task_loss: float
    mean_loss: float
    undecided: tuple[str, ...]
    not_judged: tuple[str, ...]


def plan_tier(
    tier: str, dataset: Dataset, settings: Settings, gates: Sequence[Gate], least_clusters: int, seed: int
) -> Planned:
    """Plan one tier.

    Args:
        tier: its name.
        dataset: the chosen tasks, whole.
        settings: the run's options.
        gates: to judge.
        least_clusters: eligible clusters that the profile asks of every task.
        seed: of the order.
    """
    chosen = dataset.select(limit=TIERS[tier], seed=seed)
    cases = design(chosen.samples, settings.conditions)
    clips = [len({s.clip for s in chosen.samples if s.task == task}) for task in chosen.tasks]
    undecided, not_judged = judged_at_best(chosen.samples, cases, settings, gates, least_clusters)
    return Planned(
        tier=tier,
        samples=chosen.counts,
        cases=len(cases),
        task_effect=gate_effect([min(clips)]),
        mean_effect=gate_effect(clips),
        task_loss=paired_effect([min(clips)]),
        mean_loss=paired_effect(clips),
        undecided=undecided,
        not_judged=not_judged,
    )


def judged_at_best(
    samples: Sequence[Sample], cases: Sequence[Case], settings: Settings, gates: Sequence[Gate], least_clusters: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Judge a model that is always right: the gates that even then stay undecided, and those that are not judged."""
    asked = placebo_subset(samples, settings.seed)
    outcomes = [right(case.sample, case.condition) for case in cases]
    outcomes += [right(c.sample, PLACEBO) for c in cases if c.condition == NEUTRAL and c.sample.id in asked]
    table = measure(outcomes, mrs_alpha=settings.mrs_alpha)
    hearing = {task: Hearing(task, True, 0.0, 1.0, None, 0, "") for task in table.tasks}
    own = [gate for gate in gates if METRICS[gate.metric].suite == "bench"]
    results = list(judge_gates(own, table, hearing=hearing))
    heard = settings.gates is None and "bench" in settings.suites and least_clusters
    results += [judge_clusters(table, least_clusters)] if heard else []
    found: dict[str, list[str]] = {UNDECIDED: [], NOT_JUDGED: []}
    for result in results:
        found.setdefault(result.verdict, []).append(result.gate)
    clips = sum(min(settings.dominance_samples, sum(s.task == task for s in samples)) for task in table.tasks)
    rare = [gate.expr for gate in gates if not gate.explicit and METRICS[gate.metric].least > clips]
    return tuple(dict.fromkeys(found[UNDECIDED])), tuple(dict.fromkeys([*found[NOT_JUDGED], *rare]))


def right(sample: Sample, condition: str) -> Outcome:
    """A right answer."""
    label = sample.text_labels.get(condition) if condition in CONDITIONS else None
    return Outcome(
        sample=sample.id, task=sample.task, condition=condition, cluster=sample.clip, gold=sample.gold,
        text_label=label, answer=sample.gold, verdict=Verdict.AUDIO, confidence=None, best=None,
        k=len(sample.candidates),
    )  # fmt: skip


def former_pace(folders: Iterable[Path], model: str, digest: str) -> Pace | None:
    """The pace of the latest run of a model whose results say enough.

    Args:
        folders: of runs, the latest first; whatever is no result of ours is passed over.
        model: its spec.
        digest: of the data.
    """
    for folder in folders:
        try:
            results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
            pace = _pace(results, model, digest)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        if pace is not None:
            return pace
    return None


def _pace(results: Mapping[str, Any], model: str, digest: str) -> Pace | None:
    timing, counts, run = results["timing"], results["counts"], results["run"]
    asked = int(counts["cases"]) - int(counts["cached"])
    if results["model"]["spec"] != model or asked < LEAST_ASKED or 2 * asked < int(counts["cases"]):
        return None
    start = (float(timing["load"]) + float(timing["canary"])) / max(1, int(run["workers"]))
    case = float(timing["cases"]) / asked
    device = str(results["model"]["device"] or "an unknown device")
    return Pace(str(run["id"]), start, case, device, results["dataset"]["digest"] == digest)
