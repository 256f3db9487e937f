"""What about a dataset could mislead a reader of its numbers: warnings with counts, never errors.

Works on the manifest alone; `audit_clips` looks at the sound files. What each check guards: a leaking question is
answered without hearing, a mislabelled text turns a follow into a mistake, an unbalanced answer or text label makes
accuracy and follow rates reachable by a constant answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from pytest_mcr.core.answers import described_label
from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, Sample
from pytest_mcr.core.prompts import normalize
from pytest_mcr.core.reading import mentions
from pytest_mcr.core.reading.labels import labels
from pytest_mcr.core.reading.words import clean, words
from pytest_mcr.data.audit_balance import balance
from pytest_mcr.data.audit_finding import Finding, finding
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.labels import description

__all__ = ["Finding", "audit", "doubts"]

MOST_UNKNOWN: Final = 0.2
"""Above this share of unknown text labels, text-follow and TDR are null."""


def audit(dataset: Dataset) -> list[Finding]:
    """Check a dataset; findings in order of task, then check. An empty list is a clean bill."""
    found: list[Finding] = []
    for task in dataset.tasks:
        samples = [sample for sample in dataset.samples if sample.task == task]
        found += _wording(task, samples)
        found += _labels(task, samples)
        found += balance(task, samples)
    return found


def doubts(findings: Sequence[Finding]) -> list[str]:
    """The messages of the findings that can mislead."""
    return [found.message for found in findings if found.misleads]


def _wording(task: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    closed = [sample for sample in samples if sample.candidates]
    named = {sample.id: _named(sample.question, sample.candidates) for sample in closed}
    giving = [sample for sample in closed if named[sample.id] == {normalize(sample.gold)}]
    yield from finding("gold_in_question", NEUTRAL, giving, closed, "questions name the gold answer and no other")
    alone = [sample for sample in closed if len(named[sample.id]) == 1]
    leading = [sample for sample in alone if named[sample.id] != {normalize(sample.gold)}]
    yield from finding(
        "question_names_one_answer", NEUTRAL, leading, closed, "questions name a single candidate, which is wrong"
    )
    having = [sample for sample in closed if IRRELEVANT in sample.texts]
    tainted = [sample for sample in having if _tainted(sample)]
    yield from finding("irrelevant_names_answer", IRRELEVANT, tainted, having, "irrelevant texts name a candidate")
    both = [sample for sample in samples if {FAITHFUL, ADVERSARIAL} <= sample.texts.keys()]
    equal = [sample for sample in both if _same_text(sample)]
    yield from finding("same_text", ADVERSARIAL, equal, both, "adversarial texts equal the faithful text")
    first: dict[tuple[str, str], str] = {}
    asked = [(sample, first.setdefault((sample.audio, normalize(sample.question)), sample.id)) for sample in samples]
    twice = [sample for sample, earliest in asked if earliest != sample.id]
    yield from finding("repeated_question", None, twice, samples, "samples repeat a question about the same audio file")


def _labels(task: str, samples: Sequence[Sample]) -> Iterator[Finding]:
    checks = (
        (FAITHFUL, False, "faithful_contradicts_gold", "faithful texts support another answer than the gold one"),
        (ADVERSARIAL, True, "adversarial_supports_gold", "adversarial texts support the gold answer"),
    )
    for condition, suspect, code, what in checks:
        having = [sample for sample in samples if condition in sample.texts]
        known = [sample for sample in having if condition in sample.text_labels]
        wrong = [sample for sample in known if _supports_gold(sample, condition) is suspect]
        yield from finding(code, condition, wrong, known, what)
        told = {sample.id for sample in wrong} | {sample.id for sample in having if _same_text(sample)}
        misread = [sample for sample in known if sample.id not in told and _reads_otherwise(sample, condition)]
        what = f"{condition} texts read as supporting another answer than the label they are counted under"
        yield from finding("text_reads_otherwise", condition, misread, known, what)
        yield from _unknown(condition, [sample for sample in having if sample.candidates])


def _unknown(condition: str, closed: Sequence[Sample]) -> Iterator[Finding]:
    """Texts without a label; an adversarial one may then contradict nothing. Open-ended texts have none to name."""
    unknown = [sample for sample in closed if condition not in sample.text_labels]
    too_many = len(unknown) > MOST_UNKNOWN * len(closed)
    effect = ", too many to report text-follow and TDR: give text_labels" if too_many else ""
    if condition == ADVERSARIAL:
        what = f"adversarial texts name no single label, so that they may contradict nothing{effect}"
        yield from finding("adversarial_names_no_label", condition, unknown, closed, what)
    else:
        what = f"{condition} texts support no label that can be read off them{effect}"
        yield from finding("text_label_unknown", condition, unknown, closed, what)


def _same_text(sample: Sample) -> bool:
    texts = sample.texts
    return {FAITHFUL, ADVERSARIAL} <= texts.keys() and normalize(texts[FAITHFUL]) == normalize(texts[ADVERSARIAL])


def _supports_gold(sample: Sample, condition: str) -> bool:
    return normalize(sample.text_labels[condition]) == normalize(sample.gold)


def _reads_otherwise(sample: Sample, condition: str) -> bool:
    """Whether the words of a text support another label than the one given, or taken for granted of two."""
    bare = description(sample.texts[condition], sample.question, complete=sample.complete)
    read = described_label(bare, sample.question, sample.candidates)
    return read is not None and normalize(read) != normalize(sample.text_labels[condition])


def _tainted(sample: Sample) -> bool:
    """Whether the irrelevant text supports a candidate (in any words), or holds one as a word."""
    bare = description(sample.texts[IRRELEVANT], sample.question, complete=sample.complete)
    return IRRELEVANT in sample.text_labels or bool(_named(bare, sample.candidates))


def _named(text: str, candidates: tuple[str, ...]) -> set[str]:
    """The candidates that a text names as whole words, normalised; a longer one hides a shorter one inside it.

    A candidate ``yes`` or ``no`` is an everyday word ("there is no milk"), so it counts only where it is an answer, or
    where both are offered.
    """
    found = set(_names(candidates).findall(normalize(text)))
    closed = labels(candidates)
    polar = {normalize(candidates[i]) for i in (closed.yes, closed.no) if i is not None}
    if len(polar & found) == 1:
        said = mentions.find_mentions(words(clean(text)), closed, {})
        found -= polar - {normalize(candidates[m.candidate]) for m in said}
    return found


@lru_cache(maxsize=1024)
def _names(candidates: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((normalize(candidate) for candidate in candidates), key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
