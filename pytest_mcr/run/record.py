"""The record of a run: everything that the reports show, in one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mcr.data.results_file import SCHEMA
from pytest_mcr.run.examples import Example

if TYPE_CHECKING:
    from pytest_mcr.core.metrics import Metric
    from pytest_mcr.run.diagnosis import Diagnosis
    from pytest_mcr.run.judge import Judgement

SYNTHETIC = "synthetic, not MCR-BENCH"
"""What everything about the embedded benchmark says, so that its numbers never pass for the paper's."""
KNOWN_DATA = {"mini": f"the embedded mini benchmark ({SYNTHETIC})", "release": "the MCR-BENCH release"}
"""Words for the kinds of data that need no path."""
ANSWERS = {"generate": "answers by text", "score": "answers by score"}
"""Words for the answer modes."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run measured and how.

    Attributes:
        run: id, started, seconds, workers, argv, seed, versions, git.
        model: spec, name, kind, fingerprint, device, dtype, traits.
        dataset: path, kind, digest, samples by task, ``shared_clips`` (samples that are not alone in their cluster);
            for the embedded benchmark also ``about``.
        protocol: template, answer, candidates_shown.
        clusters: number of different clips (or split groups) behind the numbers.
        examples: the clips to listen to first.
        probes: what the dominance suite found, by kind and by clip.
        diagnosis: what to look at first; None where nothing shows it: a green run without a report for people.
        out: folder with ``results.json`` and ``cases.jsonl``, None when nothing was written.
    """

    judgement: Judgement
    run: Mapping[str, object]
    model: Mapping[str, object]
    dataset: Mapping[str, object]
    protocol: Mapping[str, object]
    settings: Mapping[str, object]
    counts: Mapping[str, int]
    canary: Mapping[str, object]
    audit: Mapping[str, object]
    timing: Mapping[str, object]
    clusters: int
    examples: Sequence[Example]
    out: Path | None
    probes: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None

    def layers(self) -> list[dict[str, Any]]:
        """The rows of the white-box probes, by task."""
        found = self.probes.get("layers", {})
        return [{"task": task, "condition": None} | row for task in sorted(found) for row in found[task]["rows"]]

    def to_json(self) -> dict[str, object]:
        """The content of ``results.json``."""
        judgement = self.judgement
        return {
            "schema": SCHEMA,
            "verdict": judgement.verdict,
            "reasons": list(judgement.reasons),
            "run": dict(self.run),
            "model": dict(self.model),
            "dataset": dict(self.dataset),
            "protocol": dict(self.protocol),
            "settings": dict(self.settings),
            "metrics": [*(metric.to_json() for metric in self._numbers()), *self.layers()],
            "gates": [gate.to_json() for gate in judgement.gates],
            "gates_not_judged": list(judgement.gates_not_judged),
            "counts": dict(self.counts),
            "canary": dict(self.canary),
            "audit": dict(self.audit),
            "timing": dict(self.timing),
        } | self._added()

    def _added(self) -> dict[str, object]:
        """Sections that only some runs have."""
        judgement = self.judgement
        found: dict[str, object] = {}
        if judgement.repairs.names:
            found["mitigation"] = judgement.repairs.to_json()
        if judgement.compared:
            found["baseline"] = [compared.to_json() for compared in judgement.compared]
        return found

    def _numbers(self) -> tuple[Metric, ...]:
        judgement = self.judgement
        return (*judgement.table, *judgement.arms, *judgement.repairs.by_condition)
