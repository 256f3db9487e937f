"""The crossed design of the awareness suite: which text is read beside which clip, so that no text gives a clip away.

As published, a clip's faithful and adversarial texts are written apart, and a probe can tell them by their style. Here
texts change clips. A *block* holds as many clips of every answer and one text for every answer; each of its clips is
read with each of its texts. So a clip's answer and a text's are independent, every text agrees with its block's clips
as often as any other, and blocks share neither clip nor text.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, Sample
from pytest_mcr.core.prompts import normalize

NOT_CROSSED: Final = "not crossed"
"""Begins the reason of every number that the data does not allow."""
POINTING: Final = frozenset(
    {"yes", "no", "true", "false", "correct", "incorrect", "right", "wrong", "both", "neither", "none", "maybe",
     "unknown", "not sure", "none of the above", "all of the above"}
)  # fmt: skip
"""Answers that mean nothing without their question."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A clip read with a text.

    Attributes:
        text: of this sample or of another.
        label: that the text supports.
        block: of the design.
    """

    sample: Sample
    text: str
    label: str
    block: str

    @property
    def conflict(self) -> bool:
        """Whether the text supports another answer than the clip."""
        return self.label != self.sample.gold


@dataclass(frozen=True, slots=True)
class Crossing:
    """The design of one task.

    Attributes:
        pairs: in the order of clips, then labels; empty where nothing can be crossed.
        left_out: clips that no block has room for.
        reason: why there are no pairs.
    """

    task: str
    pairs: tuple[Pair, ...]
    left_out: int
    reason: str | None = None


def cross(samples: Sequence[Sample], *, limit: int, seed: int) -> list[Crossing]:
    """The design of every task.

    Args:
        samples: of any tasks.
        limit: clips a task, the first of a seeded order.
        seed: of the orders.
    """
    tasks: dict[str, list[Sample]] = {}
    for sample in samples:
        tasks.setdefault(sample.task, []).append(sample)
    return [_cross_task(task, _ordered(own, seed)[:limit], seed) for task, own in sorted(tasks.items())]


def uncrossed(clips: Sequence[str], texts: Sequence[str], golds: Sequence[str], labels: Sequence[str]) -> str | None:
    """Why rows are not crossed, None where they are: a lost row would let a text or its label tell about the clip.

    Args:
        clips: by row.
        texts: by row.
        golds: answer of each row's clip.
        labels: answer of each row's text.
    """
    heard: dict[str, Counter[str]] = {}
    read: dict[str, Counter[str]] = {}
    for clip, text, gold, label in zip(clips, texts, golds, labels, strict=True):
        heard.setdefault(clip, Counter())[label] += 1
        read.setdefault(text, Counter())[gold] += 1
    wanted: dict[str, set[str]] = {clip: set() for clip in heard}
    for clip, text in zip(clips, texts, strict=True):
        wanted[clip] |= read[text].keys()
    for clip, counts in heard.items():
        if counts.keys() != wanted[clip] or len(set(counts.values())) > 1 or len(counts) < 2:
            return f"{NOT_CROSSED}: clip {clip!r} is not read with a text of every answer"
    for text, counts in read.items():
        if len(set(counts.values())) > 1 or len(counts) < 2:
            return f"{NOT_CROSSED}: text {text[:80]!r} is not read with as many clips of every answer"
    return None


def topic(sample: Sample) -> tuple[str, ...] | None:
    """What must be alike in two samples before a text of one may be read beside the clip of the other.

    Texts that name an answer ("a sudden cough") go with every clip that has the same answers to choose from. Answers
    such as yes, or a letter, have their meaning from the question, and a whole prompt holds it: then the question must
    be the same, too. None for an open question: its texts have no label to compare.
    """
    if not sample.candidates:
        return None
    names = sorted(map(normalize, sample.candidates))
    pointing = any(name in POINTING or len(name.strip("().:")) <= 1 for name in names)
    return (*names, normalize(sample.question)) if pointing or sample.complete else tuple(names)


def _cross_task(task: str, samples: Sequence[Sample], seed: int) -> Crossing:
    topics: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        about = topic(sample)
        if about is not None:
            topics.setdefault(about, []).append(sample)
    pairs: list[Pair] = []
    for number, about in enumerate(sorted(topics)):
        pairs += _blocks(f"{task}.{number}", topics[about], seed)
    order = {sample.id: place for place, sample in enumerate(sorted(samples, key=lambda sample: sample.id))}
    pairs.sort(key=lambda pair: order[pair.sample.id])
    used = len({pair.sample.id for pair in pairs})
    reason = None
    if not pairs:
        open_ended = (
            "no closed set of answers" if not topics else "no two clips with different answers share a question"
        )
        reason = f"{NOT_CROSSED}: {open_ended} to exchange their texts"
    return Crossing(task, tuple(pairs), len(samples) - used, reason)


def _blocks(name: str, samples: Sequence[Sample], seed: int) -> list[Pair]:
    """The blocks of samples whose texts may be exchanged; as many clips of every answer, the rest is left out."""
    clips: dict[str, list[Sample]] = {}
    for sample in samples:
        clips.setdefault(sample.gold, []).append(sample)
    texts = _texts(samples, seed)
    labels = _labels({label: len(own) for label, own in clips.items() if texts.get(label)})
    if not labels:
        return []
    each = min(len(clips[label]) for label in labels)
    count = min(each, *(len(texts[label]) for label in labels))
    return [
        Pair(sample, texts[label][place % count], label, f"{name}.{place % count}")
        for gold in labels
        for place, sample in enumerate(clips[gold][:each])
        for label in sorted(labels)
    ]


def _labels(sizes: Mapping[str, int]) -> list[str]:
    """The answers that give the most clips when every answer has as many: rare ones would cost the others theirs."""
    ordered = sorted(sizes, key=lambda label: (-sizes[label], label))
    best = max(range(len(ordered) + 1), key=lambda count: count * sizes[ordered[count - 1]] if count > 1 else 0)
    return ordered[:best] if best > 1 else []


def _texts(samples: Iterable[Sample], seed: int) -> dict[str, list[str]]:
    """Different texts by the answer they support, in a seeded order; a text with two answers is none."""
    labels: dict[str, set[str]] = {}
    wording: dict[str, str] = {}
    for sample in samples:
        for condition in (FAITHFUL, ADVERSARIAL):
            label, text = sample.text_labels.get(condition), sample.texts.get(condition)
            if label is not None and text is not None:
                labels.setdefault(normalize(text), set()).add(label)
                wording.setdefault(normalize(text), text)
    found: dict[str, list[str]] = {}
    for key in sorted(labels, key=lambda key: _drawn(seed, key)):
        if len(labels[key]) == 1:
            found.setdefault(next(iter(labels[key])), []).append(wording[key])
    return found


def _ordered(samples: Iterable[Sample], seed: int) -> list[Sample]:
    return sorted(samples, key=lambda sample: (_drawn(seed, sample.id), sample.id))


def _drawn(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"awareness:{seed}:{name}".encode("utf-8", "surrogatepass")).digest()
