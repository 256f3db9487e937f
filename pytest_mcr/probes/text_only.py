"""What the words of a dataset give away without any sound: AUROC of TF-IDF and logistic regression, grouped by text.

No text is in two folds, so a probe cannot remember a text; what it finds is a rule that a model could have learnt
elsewhere. Three questions a task:

- ``gold_from_question``, ``gold_from_irrelevant``: the gold answer read off a text that should say nothing about it.
- ``truth_from_wording``: whether a text is faithful or adversarial, read off its words. Then distrusting a manner of
  speaking looks like listening.

That the gold answer can be read off an adversarial text itself is no flaw: of two candidates it is the other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, Sample
from pytest_mcr.core.clusters import Clusters, Codes
from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.folds import components, fold_numbers, rounds
from pytest_mcr.core.prompts import normalize
from pytest_mcr.core.separation import area
from pytest_mcr.data.audit_finding import Finding
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.labels import description
from pytest_mcr.probes.classifiers import Scorer, of_words

LARGE: Final = 0.65
"""AUROC from which a predictable label is worth a warning, where its 95 % interval lies above chance, too."""
PERMUTATIONS: Final = 99
"""Exchanges of labels that must all be told worse for a warning, so that its level is 0.01.

An interval of a cross-validated AUROC alone raises 8 false alarms in 100 at n = 60.
"""
CHANCE: Final = 0.5
WORDS: Final = {
    "gold_from_question": "the gold answer can be told from the question alone",
    "gold_from_irrelevant": "the gold answer can be told from the irrelevant text",
    "truth_from_wording": "faithful and adversarial texts can be told apart by their wording",
}


@dataclass(frozen=True, slots=True)
class Leak:
    """How much one label gives itself away in words.

    Attributes:
        name: one of `WORDS`.
        value: AUROC (of several classes the mean of one against the rest), None where `note` says why not.
        texts: different texts behind it.
        misleads: the words tell so much that hearing is not needed, and that is no chance.
        rows: texts in all.
    """

    task: str
    name: str
    condition: str | None
    value: float | None
    low: float | None
    high: float | None
    rows: int
    texts: int
    note: str | None = None
    misleads: bool = False

    def to_json(self) -> dict[str, object]:
        """The number as builtins."""
        return {"name": self.name, "auroc": self.value, "low": self.low, "high": self.high,
                "rows": self.rows, "texts": self.texts, "note": self.note}  # fmt: skip

    def finding(self) -> Finding:
        """The warning."""
        assert self.value is not None
        assert self.low is not None
        assert self.high is not None
        found = f"AUROC {self.value:.2f} [{self.low:.2f},{self.high:.2f}] on {self.texts} different texts"
        return Finding(
            self.name, self.task, self.condition, self.rows, self.rows, (), f"{self.task}: {WORDS[self.name]}: {found}"
        )


def text_only(dataset: Dataset) -> list[Leak]:
    """Measure all leaks of a dataset, in order of task."""
    return [leak for task in dataset.tasks for leak in _task([s for s in dataset.samples if s.task == task])]


def _task(samples: Sequence[Sample]) -> list[Leak]:
    task = samples[0].task
    golds = [normalize(sample.gold) for sample in samples]
    found = [_leak(task, "gold_from_question", NEUTRAL, [sample.question for sample in samples], golds)]
    bare = [(sample, _bare(sample, IRRELEVANT)) for sample in samples if IRRELEVANT in sample.texts]
    if bare:
        golds = [normalize(sample.gold) for sample, _ in bare]
        found.append(_leak(task, "gold_from_irrelevant", IRRELEVANT, [text for _, text in bare], golds))
    both = [sample for sample in samples if {FAITHFUL, ADVERSARIAL} <= sample.texts.keys()]
    if both:
        texts = [_bare(sample, condition) for condition in (FAITHFUL, ADVERSARIAL) for sample in both]
        roles = [condition for condition in (FAITHFUL, ADVERSARIAL) for _ in both]
        found.append(_leak(task, "truth_from_wording", ADVERSARIAL, texts, roles))
    return found


def _bare(sample: Sample, condition: str) -> str:
    return description(sample.texts[condition], sample.question, complete=sample.complete)


def _leak(task: str, name: str, condition: str | None, texts: Sequence[str], labels: Sequence[str]) -> Leak:
    """AUROC of labels from texts, cross-validated by text."""
    keys = [normalize(text) for text in texts]
    different = len(set(keys))
    names = sorted(set(labels))

    def without(note: str) -> Leak:
        return Leak(task, name, condition, None, None, None, len(texts), different, note)

    if len(names) < 2:
        return without("one class")
    if len(names) > len(labels) / 2:
        return without("nearly every label occurs once")
    groups: Codes = components(keys)
    folds = fold_numbers(groups)
    if folds is None:
        return without(f"only {different} different texts")
    classes = np.array([names.index(label) for label in labels], dtype=np.int64)
    asked = _Words(of_words(keys), groups, folds, different, len(names))
    found = asked.area(classes)
    if found.value is None or found.limits is None:
        return without(found.note or "undefined")
    limits = found.limits
    sure = found.value >= LARGE and limits.low > CHANCE and asked.above_chance(classes, found.value)
    return Leak(task, name, condition, found.value, limits.low, limits.high, len(texts), different, misleads=sure)


@dataclass(frozen=True, slots=True)
class _Words:
    """Texts cut into folds, of which no two share a text."""

    scorer: Scorer
    groups: Codes
    folds: Codes
    different: int
    classes: int

    def area(self, classes: Codes) -> Estimate:
        """AUROC of classes from words, each text scored by a fit on other texts."""
        scores = np.zeros((len(classes), self.classes) if self.classes > 2 else len(classes))
        for fold in rounds(self.folds):
            scores[fold.test] = self.scorer(fold.train, classes[fold.train], fold.test, self.classes)
        return area(Clusters(self.groups, self.different), scores, classes, self.folds, units=self.different)

    def above_chance(self, classes: Codes, value: float) -> bool:
        """Whether none of `PERMUTATIONS` exchanges of labels between texts is told as well: a permutation test.

        Texts are put in a random order and the labels, those of one text together, laid along it (as in `hearing`).
        """
        rng = np.random.default_rng(0)
        place = np.argsort(self.groups, kind="stable")
        for _ in range(PERMUTATIONS):
            order = np.argsort(rng.permutation(self.different)[self.groups], kind="stable")
            exchanged = np.empty_like(classes)
            exchanged[order] = classes[place]
            drawn = self.area(exchanged).value
            if drawn is not None and drawn >= value:
                return False
        return True
