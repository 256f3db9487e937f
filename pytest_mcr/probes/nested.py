"""Nested cross-validation over layers: the layer of a fold is chosen on its training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_mcr.core.clusters import Codes, Floats
from pytest_mcr.core.folds import rounds
from pytest_mcr.probes.awareness_rows import Target
from pytest_mcr.probes.classifiers import Matrix, of_matrix


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """Out-of-fold scores of a target.

    Attributes:
        by_layer: at each layer.
        chosen: layer by fold; the lowest of equals.
        scores: each fold's at its chosen layer.
    """

    by_layer: dict[int, Floats]
    chosen: dict[int, int]
    scores: Floats


def nested(
    states: Callable[[int], Matrix], layers: Sequence[int], folds: Codes, targets: Sequence[Target]
) -> dict[str, Nested]:
    """Score every target at every layer; the states of one layer are in memory at a time.

    Args:
        states: of a layer, shape (rows, width).
        layers: one or more.
        folds: by row.
        targets: over the same rows.
    """
    scores = {target.name: {layer: np.zeros(target.shape) for layer in layers} for target in targets}
    quality: dict[str, dict[int, dict[int, float]]] = {target.name: {} for target in targets}
    for layer in layers:
        scorer = of_matrix(states(layer))
        for target in targets:
            for fold in rounds(folds, target.among):
                given = scorer(fold.train, target.classes[fold.train], fold.test, target.count)
                scores[target.name][layer][fold.test] = given
                known = target.quality(scorer, fold) if len(layers) > 1 else 0.0
                quality[target.name].setdefault(fold.number, {})[layer] = known
    found: dict[str, Nested] = {}
    for target in targets:
        own = scores[target.name]
        chosen: dict[int, int] = {}
        mixed = np.zeros(target.shape)
        for fold in rounds(folds, target.among):
            seen = quality[target.name][fold.number]
            layer = chosen[fold.number] = max(layers, key=lambda layer: (seen[layer], -layer))
            mixed[fold.test] = own[layer][fold.test]
        found[target.name] = Nested(own, chosen, mixed)
    return found
