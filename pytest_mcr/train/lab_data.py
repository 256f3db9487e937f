"""The lab model's training material: a pool of clips as log-mel features, and rows of prompts with answers.

Every description that a row pairs with a clip is true of that clip; a remark about something else claims nothing
about it. Rows without audio describe a clip that is not played.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from pytest_mcr.core.case import FAITHFUL, NEUTRAL, PLACEBO, Sample
from pytest_mcr.core.prompts import DISCRETION, PAPER, Template, render
from pytest_mcr.data.synth import RATE, Generator, Split, clip
from pytest_mcr.data.synth_events import EVENTS
from pytest_mcr.data.synth_voices import PROSODY, VOCAL
from pytest_mcr.data.texts import LABELS, Writer
from pytest_mcr.train.lab_templates import WORDINGS

NAMING: Final = "NAMING"
"""A training task without a benchmark: which event is heard? It teaches the tower the events that AQA asks about."""

NAMING_QUESTIONS: Final = (
    "Which sound is in this recording?",
    "What is heard in this recording?",
    "What do you hear in the clip?",
    "Name the sound.",
)
SHARES: Final = {"AQA": 0.42, "SER": 0.2, "VSC": 0.2, NAMING: 0.18}


@dataclass(frozen=True, slots=True)
class Clip:
    """A training clip: what it holds (events, or one label) and its log-mel features, shape (mels, frames), float16."""

    task: str
    holds: tuple[str, ...]
    features: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Row:
    """One training example; `clip` is None without audio."""

    prompt: str
    answer: str
    clip: Clip | None


def vorbis(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encode to Ogg Vorbis and back, so that training hears what the benchmark's files sound like."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="OGG", subtype="VORBIS")
    buffer.seek(0)
    decoded: NDArray[np.float32] = soundfile.read(buffer, dtype="float32")[0]
    return decoded


def generators(task: str, holds: Sequence[str]) -> list[Generator]:
    """The sound generators of a clip that holds these events or this label."""
    bank = {"AQA": EVENTS, "SER": PROSODY, "VSC": VOCAL}[task]
    return [bank[name] for name in holds]


def make_pool(extractor: Any, size: int, seed: int) -> list[Clip]:
    """Synthesise `size` training clips (half of them events) and extract their features.

    Args:
        extractor: the processor's feature extractor.
        size: number of clips.
        seed: of the choice of events and of every clip.
    """
    rng = np.random.default_rng([seed, 1])
    pool = []
    for number in range(size):
        task = ("AQA", "SER", "AQA", "VSC")[number % 4]
        if task == "AQA":
            holds = tuple(str(name) for name in rng.choice(list(EVENTS), 1 + (rng.random() < 0.4), replace=False))
        else:
            holds = (LABELS[task][(number // 4) % len(LABELS[task])],)
        samples = vorbis(clip((seed, 2, number), generators(task, holds), "train"))
        mel = extractor(samples, sampling_rate=RATE, padding="longest", return_tensors="np")["input_features"][0]
        pool.append(Clip(task, holds, mel[:, : len(samples) // extractor.hop_length].astype(np.float16)))
    return pool


class Rows:
    """An endless, seeded source of training rows."""

    def __init__(self, pool: Sequence[Clip], seed: int) -> None:
        self.rng = np.random.default_rng([seed, 3])
        self.writer = Writer(self.rng, "train")
        self.by_task = {task: [clip for clip in pool if clip.task == task] for task in LABELS}
        self.by_task[NAMING] = [clip for clip in self.by_task["AQA"] if len(clip.holds) == 1]

    def heard(self, described: float, remarked: float) -> Row:
        """A row with audio.

        Args:
            described: probability of a true description beside the clip.
            remarked: probability of an unrelated remark beside it.
        """
        task = self._task()
        clips = self.by_task[task]
        heard = clips[int(self.rng.integers(len(clips)))]
        chance = self.rng.random()
        kind = FAITHFUL if chance < described else "irrelevant" if chance < described + remarked else NEUTRAL
        return self._row(task, heard.holds, kind, heard)

    def read(self, mismatched: bool = False) -> Row:
        """A row whose answer is in its text: without audio, or (a control) with a clip that the text is not about."""
        task = self._task()
        if task in ("AQA", NAMING):
            holds = tuple(
                str(name) for name in self.rng.choice(list(EVENTS), 1 + (self.rng.random() < 0.4), replace=False)
            )
            holds = holds[:1] if task == NAMING else holds
        else:
            holds = (self.writer.pick(LABELS[task]),)
        other = None
        if mismatched:
            clips = self.by_task[task]
            other = clips[int(self.rng.integers(len(clips)))]
        return self._row(task, holds, FAITHFUL, other)

    def _task(self) -> str:
        return str(self.rng.choice(list(SHARES), p=list(SHARES.values())))

    def _row(self, task: str, holds: tuple[str, ...], kind: str, heard: Clip | None) -> Row:
        writer, event, other = self.writer, None, None
        if task == "AQA":
            label = writer.pick(LABELS[task])
            absent = [name for name in EVENTS if name not in holds]
            event = writer.pick(holds if label == "yes" else absent)
            other = None if label == "yes" else writer.pick(holds)
        else:
            label = holds[0]
        if task == NAMING:
            question, described, options = writer.pick(NAMING_QUESTIONS), ("AQA", "yes", label), tuple(EVENTS)
        else:
            question, described, options = writer.question(task, event), (task, label, event), LABELS[task]
        text = ""
        if kind == FAITHFUL:
            text = writer.description(*described, other=other)
        elif kind != NEUTRAL:
            text = writer.remark()
        return Row(self._prompt(question, options, kind, text), label, heard)

    def _prompt(self, question: str, options: Sequence[str], kind: str, text: str) -> str:
        if self.rng.random() < 0.15:
            options = [options[i] for i in self.rng.permutation(len(options))]
        template = self._template()
        if kind == NEUTRAL and self.rng.random() < 0.3:
            kind = PLACEBO
        sample = Sample(
            id="", task="", audio="", question=question, gold="", texts={kind: text}, candidates=tuple(options)
        )
        return render(template, sample, kind)

    def _template(self) -> Template:
        chance = self.rng.random()
        return (
            DISCRETION if chance < 0.45 else PAPER if chance < 0.6 else WORDINGS[int(self.rng.integers(len(WORDINGS)))]
        )


def corpus(seed: int, lines: int = 6000) -> Iterator[str]:
    """Text for the tokenizer: rendered prompts and answers, remarks, and nothing from the test half."""
    rows = Rows([], seed)
    for _ in range(lines):
        row = rows.read()
        yield row.prompt
        yield row.answer
        yield rows.writer.remark()


__all__ = ["NAMING", "Clip", "Row", "Rows", "Split", "corpus", "generators", "make_pool", "vorbis"]
