"""What the sound files of a dataset are: lengths, rates, copies, silence, and files that cannot be decoded.

Every clip is decoded once, which takes a few milliseconds each; the manifest's own checks (`audit`) need no sound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_mcr.core.case import Sample
from pytest_mcr.core.prompts import normalize
from pytest_mcr.data.audio import decode
from pytest_mcr.data.audit_finding import Finding, finding
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import AudioError

ALIKE: Final = 0.005
"""Relative difference of durations up to which clips are said to have one length."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What one sound file is.

    Attributes:
        digest: of the decoded samples; equal for copies under other names.
        seconds: duration.
        rate: Hz.
        silent: every sample is zero.
    """

    digest: str
    seconds: float
    rate: int
    silent: bool


def read_clips(dataset: Dataset) -> tuple[dict[str, Clip], dict[str, str]]:
    """Decode every file once.

    Returns:
        The clips by the samples' audio path, and the reason for each path that gave none.
    """
    clips: dict[str, Clip] = {}
    problems: dict[str, str] = {}
    for sample in dataset.samples:
        if sample.audio in clips or sample.audio in problems:
            continue
        try:
            audio = decode(dataset.path(sample))
        except AudioError as error:
            problems[sample.audio] = str(error)
            continue
        seconds = len(audio.samples) / audio.rate
        clips[sample.audio] = Clip(audio.digest, seconds, audio.rate, silent=not np.any(audio.samples))
    return clips, problems


def audit_clips(dataset: Dataset, clips: Mapping[str, Clip], problems: Mapping[str, str]) -> list[Finding]:
    """Check the clips of a dataset; findings in order of task, then check."""
    found: list[Finding] = []
    for task in dataset.tasks:
        found += _checks([sample for sample in dataset.samples if sample.task == task], clips, problems)
    return found


def _checks(samples: Sequence[Sample], clips: Mapping[str, Clip], problems: Mapping[str, str]) -> Iterator[Finding]:
    broken = [sample for sample in samples if sample.audio in problems]
    first = f", first: {problems[broken[0].audio]}" if broken else ""
    yield from finding("undecodable_clip", None, broken, samples, f"clips cannot be decoded{first}")
    heard = [sample for sample in samples if sample.audio in clips]
    silent = [sample for sample in heard if clips[sample.audio].silent]
    yield from finding("silent_clip", None, silent, heard, "clips are digital silence: nothing to hear")
    yield from _copies([sample for sample in heard if not clips[sample.audio].silent], clips)
    rates = Counter(clips[sample.audio].rate for sample in heard)
    if len(rates) > 1:
        rare = [sample for sample in heard if clips[sample.audio].rate != rates.most_common(1)[0][0]]
        what = f"clips have another rate than the usual {rates.most_common(1)[0][0]} Hz"
        yield from finding("mixed_rates", None, rare, heard, what)


def _copies(samples: Sequence[Sample], clips: Mapping[str, Clip]) -> Iterator[Finding]:
    """Clips that are sample for sample another one under another name; the same file twice is the manifest's matter."""
    first: dict[str, Sample] = {}
    answers: dict[tuple[str, str], set[str]] = {}
    for sample in samples:
        first.setdefault(clips[sample.audio].digest, sample)
        answers.setdefault((clips[sample.audio].digest, normalize(sample.question)), set()).add(normalize(sample.gold))
    copies = [sample for sample in samples if first[clips[sample.audio].digest].audio != sample.audio]
    asked: set[tuple[str, str]] = set()
    again: list[Sample] = []
    for sample in samples:
        key = (clips[sample.audio].digest, normalize(sample.question))
        if key in asked and sample in copies:
            again.append(sample)
        asked.add(key)
    split = [s for s in samples if len(answers[clips[s.audio].digest, normalize(s.question)]) > 1]
    yield from finding(
        "two_golds",
        None,
        split,
        samples,
        "samples ask the same of the same sound as another with another gold answer",
    )
    twice = [sample for sample in again if sample not in split]
    yield from finding(
        "repeated_clip", None, twice, samples, "samples repeat a question about a copy of an earlier clip"
    )
    others = [sample for sample in copies if sample not in again and sample not in split]
    yield from finding(
        "duplicate_clips", None, others, samples, "clips are copies of an earlier one, and count as one clip with it"
    )


def describe(samples: Sequence[Sample], clips: Mapping[str, Clip]) -> dict[str, object]:
    """Facts about the clips of one task.

    Returns:
        ``samples``; ``clips``: different sounds; ``seconds``: least, median and longest duration, null without clips;
        ``rates``: clips by rate in Hz.
    """
    known = {sample.audio: clips[sample.audio] for sample in samples if sample.audio in clips}
    lengths = sorted(clip.seconds for clip in known.values())
    middle = lengths[len(lengths) // 2] if lengths else 0.0
    return {
        "samples": len(samples),
        "clips": len({clip.digest for clip in known.values()}),
        "seconds": [round(value, 3) for value in (lengths[0], middle, lengths[-1])] if lengths else None,
        "rates": {str(rate): count for rate, count in sorted(Counter(clip.rate for clip in known.values()).items())},
    }


def clips_line(facts: Mapping[str, object]) -> str:
    """The same facts in a line."""
    seconds, rates = facts["seconds"], facts["rates"]
    assert isinstance(rates, dict)
    if not isinstance(seconds, list):
        return f"{facts['samples']} samples, no clip could be decoded"
    low, middle, high = seconds
    length = f"{low:.2f} s each" if high - low <= ALIKE * high else f"{low:.2f} to {high:.2f} s, median {middle:.2f} s"
    hertz = ", ".join(f"{rate} Hz" if len(rates) == 1 else f"{rate} Hz ({count})" for rate, count in rates.items())
    return f"{facts['samples']} samples, {facts['clips']} different clips, {length}, {hertz}"
