"""The layers of a local model, on the conflicts of a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL, Sample
from pytest_mcr.core.prompts import Template, render
from pytest_mcr.errors import AudioError
from pytest_mcr.models.hf import HfModel
from pytest_mcr.probes.layers import parse_layers
from pytest_mcr.probes.questions import Conflict
from pytest_mcr.probes.whitebox import measure
from pytest_mcr.run.subject import Subject


def layered(
    subject: Subject, samples: Sequence[Sample], template: Template, layers: str, seed: int
) -> list[dict[str, Any]]:
    """Measure a task's conflicts: samples whose adversarial text supports another label than the gold.

    Args:
        subject: a local model.
        samples: of one task, with adversarial texts.
        template: of the prompts.
        layers: as given to ``--mcr-layers``.
        seed: of the matched controls.

    Returns:
        Rows of ``results.json`` without their task.

    Raises:
        OptionError: a layer that the model does not have.
        StopRunError: the model cannot be used or trusted.
    """
    subject.prove()
    model = subject.model
    assert isinstance(model, HfModel)
    conflicts = []
    for sample in samples:
        label = sample.text_labels.get(ADVERSARIAL)
        if label is None or label == sample.gold or not sample.candidates:
            continue
        try:
            audio = subject.clip(sample.audio)
        except AudioError:
            continue  # its cases have the error
        conflicts.append(
            Conflict(
                sample.id,
                audio,
                render(template, sample, ADVERSARIAL),
                render(template, sample, NEUTRAL),
                sample.gold,
                label,
                sample.candidates,
                sample.split_group,
            )
        )
    return measure(model, conflicts, layers=parse_layers(layers), seed=seed) if conflicts else []
