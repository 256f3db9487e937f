"""Balance of gold answers and text labels: what a constant answer, or a text's favourite label, could reach."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, Sample
from pytest_mcr.core.prompts import normalize
from pytest_mcr.data.audit_finding import EXAMPLES, Finding, finding

IMBALANCE: Final = 1.5
"""A label is over-represented above this multiple of its expected count, and beyond `DEVIATIONS`."""
DEVIATIONS: Final = 3.0
"""Standard deviations of a binomial count: small tasks are uneven by chance."""


def balance(task: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    """Whether labels occur far more often than their candidates' share, and whether there is anything to tell apart."""
    closed = [sample for sample in samples if sample.candidates]
    golds = {normalize(sample.gold) for sample in samples}
    one_class = len(golds) == 1 and len(samples) > 1
    if one_class:
        words = f"gold answers are {samples[0].gold!r}, so always answering it is right without hearing"
        yield from finding("one_class", None, samples, samples, words)
    gold = [(sample, sample.gold) for sample in closed]
    if not one_class:
        yield from _uneven("gold_imbalance", task, None, gold, "gold answers")
    text = [(sample, sample.text_labels[ADVERSARIAL]) for sample in closed if ADVERSARIAL in sample.text_labels]
    if not one_class:  # with two candidates the text's label is then one class, too
        yield from _uneven("text_label_imbalance", task, ADVERSARIAL, text, "adversarial text labels")
    offered = {candidate for sample in closed for candidate in sample.candidates}
    never = sorted(offered - {sample.gold for sample in closed})
    if never and not one_class:
        names = ", ".join(never[:EXAMPLES])
        message = f"{task}: {len(never)} of {len(offered)} candidates are never the gold answer, e.g. {names}"
        yield Finding("candidate_never_gold", task, None, len(never), len(offered), (), message)
    single = [sample for sample in closed if len(sample.candidates) == 1]
    yield from finding(
        "one_candidate", None, single, samples, "samples offer a single answer, so being right shows nothing"
    )


def label_counts(samples: Sequence[Sample], condition: str | None = None) -> dict[str, int]:
    """How often each gold answer (or label of a condition's texts) occurs, most frequent first."""
    found = (sample.gold if condition is None else sample.text_labels.get(condition) for sample in samples)
    return dict(Counter(label for label in found if label is not None).most_common())


def _uneven(
    code: str, task: str, condition: str | None, labelled: Sequence[tuple[Sample, str]], words: str
) -> Iterator[Finding]:
    """A label that occurs far more often than if each sample's candidates were equally likely."""
    counts = Counter(label for _, label in labelled)
    mean: defaultdict[str, float] = defaultdict(float)
    variance: defaultdict[str, float] = defaultdict(float)
    for sample, _ in labelled:
        share = 1 / len(sample.candidates)
        for candidate in sample.candidates:
            mean[candidate] += share
            variance[candidate] += share * (1 - share)
    for label, count in sorted(counts.items()):
        chance = mean[label] + DEVIATIONS * math.sqrt(variance[label])
        if count > max(IMBALANCE * mean[label], chance):
            having = [sample for sample, own in labelled if own == label]
            what = f"{words} are {label!r}, {count / mean[label]:.1f} times its fair share"
            yield from finding(code, condition, having, [sample for sample, _ in labelled], what)
