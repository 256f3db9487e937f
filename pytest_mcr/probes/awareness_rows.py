"""The rows that are probed, and what is to be read off them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.core.clusters import Clusters, Codes, Mask
from pytest_mcr.core.folds import Fold
from pytest_mcr.core.separation import CHANCE, area
from pytest_mcr.probes.classifiers import Scorer


@dataclass(frozen=True, slots=True)
class Row:
    """A clip that was read with a text.

    Attributes:
        clip: the sample's id.
        cluster: of the clip; samples of one recording have one.
        text: in the form in which texts are compared.
        words: question and text, all that a text-only baseline is given.
        gold: label of the clip.
        label: label of the text.
        answer: of the model, None for none that can be read.
        scores: of the candidates, nats; None where the model gives none.
    """

    task: str
    clip: str
    cluster: str
    text: str
    words: str
    gold: str
    label: str
    answer: str | None
    scores: Mapping[str, float] | None

    @property
    def conflict(self) -> bool:
        """Whether the text contradicts the clip."""
        return self.label != self.gold


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What a probe is to tell.

    Attributes:
        classes: by row, 0 to count-1.
        among: the rows that take part.
        count: classes.
    """

    name: str
    classes: Codes
    among: Mask
    count: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the scores."""
        return (len(self.classes),) if self.count == 2 else (len(self.classes), self.count)

    def shuffled(self, generator: np.random.Generator) -> Target:
        """The same classes on other rows."""
        classes = self.classes.copy()
        places = np.flatnonzero(self.among)
        classes[places] = classes[generator.permutation(places)]
        return replace(self, classes=classes)

    def quality(self, scorer: Scorer, fold: Fold) -> float:
        """AUROC of a kind of probe inside a fold's training rows, chance where it is undefined."""
        if not len(fold.choose):
            return CHANCE
        scores = scorer(fold.fit, self.classes[fold.fit], fold.choose, self.count)
        rows = np.zeros(len(fold.choose), dtype=np.int64)
        value = area(Clusters(rows, 1), scores, self.classes[fold.choose], rows, units=1).value
        return CHANCE if value is None else value


def targets_of(rows: Sequence[Row]) -> list[Target]:
    """``conflict``, ``label`` (of the clip) and ``follow`` (of conflicts alone), in this order."""
    everyone = np.ones(len(rows), dtype=np.bool_)
    conflict = np.array([row.conflict for row in rows])
    names = sorted({row.gold for row in rows})
    labels = np.array([names.index(row.gold) for row in rows], dtype=np.int64)
    follows = np.array([row.answer == row.label for row in rows], dtype=np.int64)
    return [
        Target("conflict", conflict.astype(np.int64), everyone, 2),
        Target("label", labels, everyone, max(len(names), 2)),
        Target("follow", follows, conflict, 2),
    ]


def output_features(rows: Sequence[Row]) -> NDArray[np.float32] | None:
    """What the answer's scores say, one row each: margin (nats), entropy (nats), the two largest probabilities.

    Returns:
        None where a row has no scores of two candidates.
    """
    found = []
    for row in rows:
        if row.scores is None or len(row.scores) < 2:
            return None
        values = np.sort(np.array(list(row.scores.values()), dtype=np.float64))[::-1]
        shares = np.exp(values - values[0])
        shares /= shares.sum()
        entropy = -math.fsum(share * math.log(share) for share in shares if share > 0)
        found.append([values[0] - values[1], entropy, shares[0], shares[1]])
    return np.array(found, dtype=np.float32)
