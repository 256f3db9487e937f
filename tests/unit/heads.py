"""Planted cases for the tests of calibration heads: a listener whose answers a text pulls away, at full confidence."""

from __future__ import annotations

import numpy as np

from pytest_mcr.core.branches import Scores
from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.features import BranchScores
from pytest_mcr.core.head_cases import HeadCase

LABELS = ("cough", "laugh", "sigh")


def leaning(rng: np.random.Generator, label: str, lead: float) -> dict[str, float]:
    """Scores that lead by so many nats towards a label."""
    scores = {name: float(-5 + 0.3 * rng.normal()) for name in LABELS}
    scores[label] = max(scores.values()) + lead
    return scores


def pulled(count: int, seed: int = 0, *, follows: float = 0.9, hears: float = 0.9) -> list[HeadCase]:
    """Clips of two tasks under four conditions.

    Branch A leads by 1 to 5 nats towards what was heard, T by 5 towards what the text says, and J by 6 towards the text
    wherever it is followed: wrong answers are as sure as right ones, and only A against J gives them away.
    """
    rng = np.random.default_rng(seed)
    cases = []
    for clip in range(count):
        gold, wrong, _ = rng.permutation(LABELS).tolist()
        heard = gold if rng.random() < hears else wrong
        alone, silence = leaning(rng, heard, 1 + 4 * rng.random()), leaning(rng, LABELS[clip % 3], 0.1)
        for condition in CONDITIONS:
            said = {"faithful": gold, "adversarial": wrong}.get(condition)
            joint, text = alone, silence
            if said is not None:
                joint = leaning(rng, said if rng.random() < follows else heard, 6)
                text = leaning(rng, said, 5)
            cases.append(case(clip, condition, gold, BranchScores(joint, alone, text, silence)))
    return cases


def guessed(count: int, seed: int = 0) -> list[HeadCase]:
    """Clips whose four branches say nothing at all about the gold: no head can be better than the base rate."""
    rng = np.random.default_rng(seed)
    cases = []
    for clip in range(count):
        gold = LABELS[rng.integers(3)]
        for condition in CONDITIONS:
            drawn: list[Scores] = [leaning(rng, LABELS[rng.integers(3)], 5 * rng.random()) for _ in range(4)]
            cases.append(case(clip, condition, gold, BranchScores(*drawn)))
    return cases


def case(clip: int, condition: str, gold: str, scores: BranchScores) -> HeadCase:
    answer, audio = (max(s, key=lambda label: s[label]) for s in (scores.joint, scores.audio))
    task = ("SER", "VSC")[clip % 2]
    return HeadCase(
        f"{task}-{clip:04d}", task, f"clip {clip}", f"digest {clip}", condition, "", gold, answer, audio, scores
    )
