"""Fit calibration heads on a part of the clips and judge them on the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_mcr.core.head import Fitted, Target, fit_head, temperature_of
from pytest_mcr.core.head_cases import HeadCase, dev_clusters
from pytest_mcr.core.head_probe import Readout, apart
from pytest_mcr.core.head_study import (
    HELD_OUT,
    OPERATORS,
    Pair,
    Row,
    at_prevalences,
    choose_threshold,
    compared,
    gained,
    robustness,
    unseen_tasks,
)
from pytest_mcr.errors import OptionError


@dataclass(frozen=True, slots=True)
class Fit:
    """Heads, and what they are worth on clips they never saw.

    Attributes:
        heads: by target.
        temperature: of temperature scaling on the same clips.
        threshold: probability of conflict from which answers are taken from branch A; None for never.
        dev: the cases that were learned from.
        rows: what was measured on the others.
    """

    heads: dict[Target, Fitted]
    temperature: float
    threshold: float | None
    dev: list[HeadCase]
    rows: list[Row]


def study(
    cases: Sequence[HeadCase],
    targets: Sequence[Target],
    *,
    share: float,
    budget: float,
    seed: int,
    report: Callable[[str], None],
    readout: Readout | None = None,
) -> Fit:
    """Split by clip, fit, and judge on the clips that were not learned from.

    Args:
        cases: under texts as the data has them, and under edited ones.
        targets: one head each.
        share: of the clips to fit on.
        budget: faithful accuracy that the rule of the conflict head may lose on the dev clips.
        seed: of the split and the bootstrap.
        report: called with a line on the split.
        readout: how probes are fitted; the split then keeps clips that share a text together, too.

    Raises:
        OptionError: a head cannot be fitted on the dev clips, or no clip is left to judge on.
    """
    names = dev_clusters(cases, share, seed) if readout is None else apart(cases, share, seed)
    base = [case for case in cases if not case.operator]
    dev = [case for case in base if case.cluster in names]
    test = [case for case in base if case.cluster not in names]
    edited = [case for case in cases if case.operator and case.cluster not in names]
    clips = len({case.cluster for case in base})
    report(f"{clips} clips, {len(names)} to fit on; {len(dev)} and {len(test)} cases, {len(edited)} under edits")
    if not test:
        raise OptionError(f"{clips} clips leave none to judge on; a head needs two clips a task or more")
    heads: dict[Target, Fitted] = {}
    rows: list[Row] = []
    temperature = temperature_of(dev)
    for target in targets:
        pair = Pair(_fitted(target, dev), temperature)
        heads[target] = pair.head
        for others, where in ((test, HELD_OUT), (edited, OPERATORS)):
            rows += compared(pair, others, where, seed)
        if readout is not None:
            heads[target] = probed = _fitted(target, dev, readout)
            for others, where in ((test, HELD_OUT), (edited, OPERATORS)):
                rows += gained(pair, probed, others, where, seed)
        rows += unseen_tasks(target, dev, test, seed, readout)
    threshold = None
    if "conflict" in heads:
        rows += at_prevalences(heads["conflict"], test, seed)
        threshold = choose_threshold(heads["conflict"], dev, budget)
        rows += robustness(heads["conflict"], threshold, test)
    return Fit(heads, temperature, threshold, dev, rows)


def _fitted(target: Target, dev: Sequence[HeadCase], readout: Readout | None = None) -> Fitted:
    try:
        return fit_head(target, dev, readout=readout)
    except ValueError as error:
        if readout is not None:
            raise OptionError(
                f"--probe: cannot be fitted for target {target} ({error}); give more clips, or drop --probe"
            ) from error
        what, other = ("answers", "conflict") if target == "correctness" else ("texts", "correctness")
        raise OptionError(
            f"--target {target}: cannot be fitted on the {what} of the dev clips ({error}); give more clips or "
            f"--target {other}"
        ) from error
