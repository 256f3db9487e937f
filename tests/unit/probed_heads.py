"""Planted cases with hidden states, and heads with a probe that are fitted on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_mcr.core.head import Fitted, fit_head
from pytest_mcr.core.head_cases import HeadCase
from pytest_mcr.core.head_probe import Readout, apart
from pytest_mcr.probes.readout import fit_linear

WIDTH = 64
READOUT = Readout(3, fit_linear)


def planted(cases: list[HeadCase], *, seed: int = 0, right: float = 0.0, clip: float = 0.0) -> list[HeadCase]:
    """The cases with texts of their own and states: noise, a direction of right answers, a fingerprint of each clip."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(WIDTH)
    marks = {case.cluster: rng.standard_normal(WIDTH) for case in cases}
    made = []
    for case in cases:
        state = rng.standard_normal(WIDTH) + right * case.right * direction + clip * marks[case.cluster]
        text = "" if case.condition == "neutral" else f"{case.condition} text of {case.cluster}"
        made.append(replace(case, text=text, state=state.astype(np.float32)))
    return made


def halves(cases: list[HeadCase]) -> tuple[list[HeadCase], list[HeadCase]]:
    names = apart(cases, 0.5, 0)
    return [c for c in cases if c.cluster in names], [c for c in cases if c.cluster not in names]


def fitted(cases: list[HeadCase]) -> Fitted:
    return fit_head("correctness", cases, readout=READOUT)
