"""What about a dataset could mislead a reader of its numbers: warnings with counts, never errors.

Works on the manifest alone. What each check guards: a leaking question is answered without hearing, a mislabelled
text turns a follow into a mistake, an unbalanced answer or text label makes accuracy and follow rates reachable by a
constant answer.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, Sample
from pytest_mcr.core.prompts import normalize
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.labels import description

EXAMPLES: Final = 5
MOST_UNKNOWN: Final = 0.2
"""Above this share of unknown text labels, text-follow and TDR are null."""
IMBALANCE: Final = 1.5
"""A label is over-represented above this multiple of its expected count, and beyond `DEVIATIONS`."""
DEVIATIONS: Final = 3.0
"""Standard deviations of a binomial count: small tasks are uneven by chance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One warning about one task.

    Attributes:
        code: name of the check, stable.
        condition: the condition concerned, None for the clips and answers themselves.
        count: samples concerned, of `total` looked at.
        examples: up to five sample ids, in file order.
        message: one line.
    """

    code: str
    task: str
    condition: str | None
    count: int
    total: int
    examples: tuple[str, ...]
    message: str

    def to_json(self) -> dict[str, object]:
        """The finding as builtins."""
        return {**asdict(self), "examples": list(self.examples)}


def audit(dataset: Dataset) -> list[Finding]:
    """Check a dataset; findings in order of task, then check. An empty list is a clean bill."""
    found: list[Finding] = []
    for task in dataset.tasks:
        samples = [sample for sample in dataset.samples if sample.task == task]
        found += _wording(task, samples)
        found += _labels(task, samples)
        found += _balance(task, samples)
    return found


def _wording(task: str, samples: Sequence[Sample]) -> Iterable[Finding]:
    closed = [sample for sample in samples if sample.candidates]
    leaking = [sample for sample in closed if len(_named(sample.question, sample.candidates)) == 1]
    yield from _finding("question_names_one_answer", NEUTRAL, leaking, closed, "questions name exactly one candidate")
    having = [sample for sample in closed if IRRELEVANT in sample.texts]
    tainted = [sample for sample in having if _tainted(sample)]
    yield from _finding("irrelevant_names_answer", IRRELEVANT, tainted, having, "irrelevant texts name a candidate")
    both = [sample for sample in samples if {FAITHFUL, ADVERSARIAL} <= sample.texts.keys()]
    equal = [sample for sample in both if normalize(sample.texts[FAITHFUL]) == normalize(sample.texts[ADVERSARIAL])]
    yield from _finding("same_text", ADVERSARIAL, equal, both, "adversarial texts equal the faithful text")
    first: dict[tuple[str, str], str] = {}
    asked = [(sample, first.setdefault((sample.audio, normalize(sample.question)), sample.id)) for sample in samples]
    twice = [sample for sample, earliest in asked if earliest != sample.id]
    yield from _finding(
        "repeated_question", None, twice, samples, "samples repeat a question about the same audio file"
    )


def _labels(task: str, samples: Sequence[Sample]) -> Iterable[Finding]:
    checks = (
        (FAITHFUL, False, "faithful_contradicts_gold", "faithful texts support another answer than the gold one"),
        (ADVERSARIAL, True, "adversarial_supports_gold", "adversarial texts support the gold answer"),
    )
    for condition, suspect, code, words in checks:
        having = [sample for sample in samples if condition in sample.texts]
        known = [sample for sample in having if condition in sample.text_labels]
        wrong = [sample for sample in known if _supports_gold(sample, condition) is suspect]
        yield from _finding(code, condition, wrong, known, words)
        unknown = [sample for sample in having if condition not in sample.text_labels]
        too_many = len(unknown) > MOST_UNKNOWN * len(having)
        effect = ", too many to report text-follow and TDR: give text_labels" if too_many else ""
        words = f"{condition} texts support no label that can be read off them{effect}"
        yield from _finding("text_label_unknown", condition, unknown, having, words)


def _supports_gold(sample: Sample, condition: str) -> bool:
    return normalize(sample.text_labels[condition]) == normalize(sample.gold)


def _balance(task: str, samples: Sequence[Sample]) -> Iterable[Finding]:
    closed = [sample for sample in samples if sample.candidates]
    gold = [(sample, sample.gold) for sample in closed]
    yield from _uneven("gold_imbalance", task, None, gold, "gold answers")
    text = [(sample, sample.text_labels[ADVERSARIAL]) for sample in closed if ADVERSARIAL in sample.text_labels]
    yield from _uneven("text_label_imbalance", task, ADVERSARIAL, text, "adversarial text labels")
    offered = {candidate for sample in closed for candidate in sample.candidates}
    never = sorted(offered - {sample.gold for sample in closed})
    if never:
        names = ", ".join(never[:EXAMPLES])
        message = f"{task}: {len(never)} of {len(offered)} candidates are never the gold answer, e.g. {names}"
        yield Finding("candidate_never_gold", task, None, len(never), len(offered), (), message)
    single = [sample for sample in closed if len(sample.candidates) == 1]
    yield from _finding(
        "one_candidate", None, single, samples, "samples offer a single answer, so being right shows nothing"
    )


def _uneven(
    code: str, task: str, condition: str | None, labelled: Sequence[tuple[Sample, str]], words: str
) -> Iterable[Finding]:
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
            yield from _finding(code, condition, having, [sample for sample, _ in labelled], what)


def _finding(
    code: str, condition: str | None, concerned: Sequence[Sample], looked_at: Sequence[Sample], words: str
) -> Iterable[Finding]:
    """One finding when any sample is concerned."""
    if not concerned:
        return
    task, count, total = concerned[0].task, len(concerned), len(looked_at)
    examples = tuple(sample.id for sample in concerned[:EXAMPLES])
    message = f"{task}: {count} of {total} {words} ({', '.join(examples)}{', ...' if count > EXAMPLES else ''})"
    yield Finding(code, task, condition, count, total, examples, message)


def _tainted(sample: Sample) -> bool:
    """Whether the irrelevant text supports a candidate (in any words), or holds one as a word."""
    bare = description(sample.texts[IRRELEVANT], sample.question, complete=sample.complete)
    return IRRELEVANT in sample.text_labels or bool(_named(bare, sample.candidates))


def _named(text: str, candidates: tuple[str, ...]) -> set[str]:
    """The candidates that a text names as whole words, normalised; a longer one hides a shorter one inside it."""
    return set(_names(candidates).findall(normalize(text)))


@lru_cache(maxsize=1024)
def _names(candidates: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((normalize(candidate) for candidate in candidates), key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
