"""A tiny fusion ablation."""

from __future__ import annotations

from pytest_mcr.train.fusion_arms import Study
from pytest_mcr.train.fusion_loop import Plan
from pytest_mcr.train.fusion_model import Size

SMALL = Size(parameters=70_000, width=32, layers=1)
TINY = Study(seeds=1, clips=40, test=10, plan=Plan(read=2, hear=2, tune=1, rows=8, samples=20), size=SMALL)
