"""Where in a local model's layers the text wins: all white-box measurements over conflicts, as rows of the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch

from pytest_mcr.models.hf import HfModel
from pytest_mcr.probes.body import Body
from pytest_mcr.probes.clip import EDGES, Examiner, Plan
from pytest_mcr.probes.layers import Layers
from pytest_mcr.probes.questions import Conflict, Posed, pose
from pytest_mcr.probes.tally import Name, Row, Tally
from pytest_mcr.probes.trials import Fitness, try_out

DRAWS: Final = 20
"""Of each matched control."""
WINDOW: Final = 8
"""A knockout's window reaches over a depth of one in so many on either side of its middle."""


@torch.inference_mode()
def measure(
    model: HfModel, conflicts: Sequence[Conflict], *, layers: Layers, draws: int = DRAWS, seed: int = 0
) -> list[Row]:
    """Measure a model on conflicts, one clip at a time; of hidden states only those of the last position are kept.

    Args:
        model: local.
        conflicts: adversarial cases, each with a known text label other than the gold.
        layers: which layers are measured (`layers.parse_layers`).
        draws: of each matched control of the knockout.
        seed: of the draws.

    Returns:
        Rows ``{"metric": "dominance....", "value", "low", "high", "n"}`` with ``layer``, ``draw`` and ``note`` where
        they apply; 95 % intervals over clips. What the model does not allow has a row without a value and a note that
        says why. ``dominance.whitebox_clips`` counts the clips that were measured, its note names those left out.

    Raises:
        OptionError: a layer that the model does not have.
        DeliveryError: audio did not become placeholders and features.
        ArithmeticError: logits are not numbers.
        UnfitError: a later clip shows the model to be other than it was tried.
        ValueError: a conflict whose two labels, or two prompts, are the same tokens.
    """
    tally = Tally()
    left_out: list[str] = []
    examiner: Examiner | None = None
    fitness: Fitness | None = None
    for conflict in conflicts:
        refusal = model.inputs.refusal(conflict.audio)
        if refusal is not None:
            left_out.append(f"{conflict.id}: {refusal}")
            continue
        posed = _posed(model, conflict)
        if fitness is None:
            body, fitness = try_out(model.checkpoint, posed)
            examiner = None if body is None else _examiner(body, fitness, layers, draws, seed, tally)
        if examiner is not None:
            examiner.examine(posed)
    measured = len(conflicts) - len(left_out) if examiner is not None else 0
    note = None if not left_out else f"{len(left_out)} left out, e.g. {left_out[0]}"
    rows = [Name("whitebox_clips").row(float(measured), None, None, len(conflicts), note)]
    return rows + _refused(fitness or Fitness()) + tally.rows()


def _examiner(body: Body, fitness: Fitness, layers: Layers, draws: int, seed: int, tally: Tally) -> Examiner:
    plan = Plan(layers.of(body.depth), body.depth // WINDOW, draws, seed)
    return Examiner(body, fitness, plan, tally)


def _posed(model: HfModel, conflict: Conflict) -> Posed:
    try:
        return pose(conflict, model.inputs, model.checkpoint)
    except ValueError as error:
        raise ValueError(f"{conflict.id}: {error}") from error


def _refused(fitness: Fitness) -> list[Row]:
    """A row without a value for each measurement that the model does not allow."""
    reasons = {
        "lens_joint": fitness.lens,
        "lens_audio": fitness.lens,
        **dict.fromkeys((f"knockout_{edge}" for edge in EDGES), fitness.knockout),
        "knockout_control_mass": fitness.knockout or fitness.attention,
        "patch": fitness.patching,
        "attention_density": fitness.attention,
        "attention_value_density": fitness.values,
    }
    return [Name(metric).row(None, None, None, 0, reason) for metric, reason in reasons.items() if reason is not None]
