"""The dominance suite in one process: which clips it has, and what is asked about each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mcr.core.case import ADVERSARIAL, Sample
from pytest_mcr.core.dominance_design import plans
from pytest_mcr.core.dominance_trials import Probed
from pytest_mcr.core.prompts import TEMPLATES
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.models.spec import LOCAL, Spec
from pytest_mcr.run.findings import Corpus, read
from pytest_mcr.run.hunted import Hunted
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject
from pytest_mcr.run.subsets import dominance_subset, seeded
from pytest_mcr.run.varied import vary

SHORT_CLIPS: Final = 2
"""Clips a task of the short search."""
SHORT_CALLS: Final = 60
LONG_CALLS: Final = 400
"""Texts that a clip is asked in the short search, and with ``--mcr-hunt``."""


class Dominance:
    """Asks about the suite's clips.

    Args:
        settings: the run's options.
        dataset: the chosen samples.
        spec: the model.
        subject: the model, loaded at the first need.
    """

    def __init__(self, settings: Settings, dataset: Dataset, spec: Spec, subject: Subject) -> None:
        self._settings = settings
        self._spec = spec
        self._subject = subject
        self._template = TEMPLATES[settings.template]
        chosen = dominance_subset(dataset.samples, settings.seed, settings.dominance_samples)
        self._clips = {sample.id: (place, sample) for place, sample in chosen}
        self._plans = plans(1 + max((place for place, _ in chosen), default=-1), settings.examples)
        self._samples = dataset.samples
        self._known = read(store_of(settings)) if self._clips else Corpus()
        self._hunted_until: float | None = None
        self._order = {sample.id: place for place, sample in enumerate(dataset.samples)}

    def absent(self) -> str | None:
        """Why the suite cannot run at all."""
        if self._spec.scheme == "replay":
            return "recorded answers hold none of the varied texts"
        if self._settings.conditions is not None and ADVERSARIAL not in self._settings.conditions:
            return "needs the adversarial text, which --mcr-conditions leaves out"
        return None if self._clips else "the data has no adversarial text"

    def no_layers(self) -> str | None:
        """Why no layer is looked into."""
        if self._settings.layers is None:
            return "no layers were asked for; type e.g. --mcr-layers every:4"
        return None if self._spec.scheme in LOCAL else "only a model in this process shows its layers"

    def varied_ids(self) -> list[str]:
        """Clips of the rates, in the order of the data."""
        return sorted(self._clips, key=self._order.__getitem__)

    def hunted_ids(self) -> list[str]:
        """Clips of the search: all with ``--mcr-hunt``, else the first of each task."""
        most = len(self._clips) if self._settings.hunt else SHORT_CLIPS
        return [name for name in self.varied_ids() if self._clips[name][0] < most]

    def layered_ids(self) -> list[str]:
        """Tasks whose clips are looked into."""
        return sorted({sample.task for _, sample in self._clips.values()})

    def varied(self, sample_id: str) -> Probed:
        """Ask about a clip under the texts of the design.

        Raises:
            StopRunError: the model cannot be used or trusted.
            PerturbError: an operator broke its guard: our bug.
        """
        place, sample = self._clips[sample_id]
        other = self._true_of(sample)
        return vary(self._subject, sample, self._template, self._plans[place], self._settings.seed, other)

    def _true_of(self, sample: Sample) -> Sample | None:
        """A sample whose clip the adversarial text of this one is true of, the first in a seeded order.

        Only among more than two answers: there the questions of a task all ask for the same thing.
        """
        label = sample.text_labels.get(ADVERSARIAL)
        if len(sample.candidates) < 3 or sample.complete or label is None:
            return None
        fit = [one for one in self._samples if one.task == sample.task and one.gold == label]
        return min(fit, key=lambda one: seeded(self._settings.seed, f"swap {sample.id}", one.id), default=None)

    def hunted(self, sample_id: str) -> Hunted:
        """Search a clip for the mildest text that turns the model's answer.

        Raises:
            StopRunError: the model cannot be used or trusted.
            PerturbError: an operator broke its guard: our bug.
        """
        from pytest_mcr.run.hunting import Hunter  # Hypothesis is imported for those who hunt

        _, sample = self._clips[sample_id]
        settings = self._settings
        self._subject.forget()
        for line in self._known.complaints:
            self._subject.note(line)
        known = [finding for finding in self._known.findings if finding.sample == sample_id]
        return Hunter(self._subject, sample, self._template).search(
            model_calls=LONG_CALLS if settings.hunt else SHORT_CALLS,
            seconds=self._seconds_left(),
            seed=settings.seed,
            known=known,
        )

    def complaint(self, hunted: Hunted) -> str | None:
        """Why the test of a search fails: a finding under ``--mcr-fail-on-finding``; errors always do."""
        if hunted.errors:
            return f"{hunted.errors} of {hunted.calls} texts got no answer"
        turned = [*hunted.findings, *hunted.replayed]
        if not self._settings.fail_on_finding or not turned:
            return None
        edits = ", ".join(turned[0].operators) or "as it is"
        return f"the adversarial text, {edits}, turns {turned[0].gold!r} into {turned[0].answer!r}: {turned[0].text!r}"

    def _seconds_left(self) -> float | None:
        """Of the search in this process; 0 when they are over."""
        if self._settings.hunt_seconds is None:
            return None
        if self._hunted_until is None:
            self._hunted_until = time.monotonic() + self._settings.hunt_seconds
        return max(0.0, self._hunted_until - time.monotonic())

    def layered(self, task: str) -> Sequence[dict[str, Any]]:
        """Look into the layers on a task's clips."""
        from pytest_mcr.run.layered import layered  # needs torch

        samples = [sample for _, sample in self._clips.values() if sample.task == task]
        return layered(self._subject, samples, self._template, str(self._settings.layers), self._settings.seed)


def store_of(settings: Settings) -> Path:
    """Where findings are kept from one run to the next: with the results where a folder was given, else in ``.mcr``."""
    return (settings.out or settings.invocation_dir / ".mcr") / FINDINGS


FINDINGS: Final = "findings.jsonl"
