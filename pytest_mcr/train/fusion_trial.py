"""How long the ablation will take, from a few steps of each fusion."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from pytest_mcr.train import fusion_loop
from pytest_mcr.train.fusion_arms import TUNED, Study
from pytest_mcr.train.fusion_blocks import FUSIONS, Fusion
from pytest_mcr.train.fusion_data import Teacher
from pytest_mcr.train.fusion_ears import Ears
from pytest_mcr.train.fusion_loop import Plan
from pytest_mcr.train.fusion_model import FusionModel, Size

STEPS: Final = 4
PROCESS: Final = 6.0
"""Seconds that a run of the plugin takes to begin."""
SAMPLE: Final = 0.08
"""Seconds that a sample takes with its conditions, about."""


def minutes(study: Study, ears: Ears, jobs: int) -> float:
    """Minutes that the whole study takes with so many trainings at a time, tried on a few steps of reading."""
    teacher = Teacher(ears.tokenizer, ears.width)
    plan = study.plan
    steps = {fusion: plan.read + 2 * plan.hear + (plan.tune if fusion == TUNED else 0) for fusion in FUSIONS}
    training = sum(count * seconds_a_step(fusion, study.size, plan, teacher) for fusion, count in steps.items())
    runs = sum(len(pair.arms) for pair in study.pairs()) * (PROCESS + SAMPLE * 2 * study.test)
    return (study.seeds * training + runs) / jobs / 60


def seconds_a_step(fusion: Fusion, size: Size, plan: Plan, teacher: Teacher) -> float:
    """Of one step of reading, the first left out."""
    model, few = FusionModel(fusion, size), replace(plan, read=1)
    fusion_loop.read(model, teacher, few, 0)
    began = time.perf_counter()
    fusion_loop.read(model, teacher, replace(plan, read=STEPS), 0)
    return (time.perf_counter() - began) / STEPS
