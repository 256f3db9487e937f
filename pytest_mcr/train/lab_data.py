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

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO, Sample
from pytest_mcr.core.prompts import DISCRETION, PAPER, Template, render
from pytest_mcr.data.build import generators
from pytest_mcr.data.names import WORDS
from pytest_mcr.data.synth import RATE, clip
from pytest_mcr.data.synth_events import EVENTS
from pytest_mcr.data.texts import LABELS, Writer
from pytest_mcr.train.lab_templates import WORDINGS

GLUE: Final = "\x1f"
"""Holds the words of a name together while a text is muddled."""

NAMING_QUESTIONS: Final = (
    "Which sound is in this recording?",
    "What is heard in this recording?",
    "What do you hear in the clip?",
    "Name the sound.",
)
"""A training task without a benchmark: it teaches the tower the events that AQA asks about."""

SHARES: Final = (("AQA", 0.52), ("SER", 0.26), ("VSC", 0.22))
"""Shares of the tasks among the clips that are asked about."""

NAMED: Final = 0.2
"""Share of the questions about events that ask for the event's name."""


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


def make_pool(extractor: Any, size: int, seed: int, turns: Sequence[str] = ("AQA", "SER", "AQA", "VSC")) -> list[Clip]:
    """Synthesise `size` training clips and extract their features.

    Args:
        extractor: the processor's feature extractor.
        size: number of clips.
        seed: of the choice of events and of every clip.
        turns: tasks of the clips, over and over; half are events if left out.
    """
    rng = np.random.default_rng([seed, 1])
    pool = []
    for number in range(size):
        task = turns[number % len(turns)]
        label = LABELS[task][(number // len(turns)) % len(LABELS[task])]
        holds = draw_events(rng) if task == "AQA" else (label,)
        samples = vorbis(clip((seed, 2, number), generators(task, holds), "train"))
        mel = extractor(samples, sampling_rate=RATE, padding="longest", return_tensors="np")["input_features"][0]
        pool.append(Clip(task, holds, mel[:, : len(samples) // extractor.hop_length].astype(np.float16)))
    return pool


class Rows:
    """An endless, seeded source of training rows."""

    def __init__(self, pool: Sequence[Clip], seed: int, shares: Sequence[tuple[str, float]] = SHARES) -> None:
        self.rng = np.random.default_rng([seed, 3])
        self.shares = dict(shares)
        self.writer = Writer(self.rng, "train")
        self.by_task = {task: [clip for clip in pool if clip.task == task] for task in LABELS}

    def heard(self, asks: int, described: float, remarked: float, drowned: float = 0.0) -> list[Row]:
        """Rows about one clip: as many questions as `asks`, each as if it were the only one.

        Args:
            asks: number of rows.
            described: probability of a true description beside the clip.
            remarked: probability of an unrelated remark beside it.
            drowned: probability that noise hides the clip; then all rows carry a true description.
        """
        heard = self._clip(self._task())
        if self.rng.random() < drowned:
            heard, described, remarked = drown(heard, self.rng), 1.0, 0.0
        kinds = self.rng.choice(
            [FAITHFUL, IRRELEVANT, NEUTRAL], asks, p=[described, remarked, 1 - described - remarked]
        )
        return [self._row(heard.task, heard.holds, str(kind), heard) for kind in kinds]

    def about(self, condition: str) -> Row:
        """A row about one clip under a condition; under ``adversarial`` (not for AQA) its text claims another label."""
        heard = self._clip(self._task())
        return self._row(heard.task, heard.holds, condition, heard)

    def read(self, mismatched: bool = False) -> list[Row]:
        """A row whose answer is in its text: without audio, or (a control) with a clip that the text is not about."""
        task = self._task()
        holds = draw_events(self.rng) if task == "AQA" else (self.writer.pick(LABELS[task]),)
        return [self._row(task, holds, FAITHFUL, self._clip(task) if mismatched else None)]

    def _task(self) -> str:
        return str(self.rng.choice(list(self.shares), p=list(self.shares.values())))

    def _clip(self, task: str) -> Clip:
        clips = self.by_task[task]
        return clips[int(self.rng.integers(len(clips)))]

    def _row(self, task: str, holds: tuple[str, ...], kind: str, heard: Clip | None) -> Row:
        writer, event, instead = self.writer, None, None
        question, options = writer.pick(NAMING_QUESTIONS), tuple(EVENTS)
        label = support = holds[0]
        if task == "AQA" and len(holds) == 1 and self.rng.random() < NAMED:
            event, support = label, "yes"
        else:
            if task == "AQA":
                label = support = writer.pick(LABELS[task])
                event = writer.pick(holds if label == "yes" else [name for name in EVENTS if name not in holds])
                instead = writer.pick(holds) if label == "no" else None
            question, options = writer.question(task, event), LABELS[task]
        text = ""
        if kind == ADVERSARIAL:
            support = writer.pick([other for other in LABELS[task] if other != label])
        if kind in (FAITHFUL, ADVERSARIAL):
            text = muddle(writer, writer.description(task, support, event, instead), task, event or support)
        elif kind == IRRELEVANT:
            text = writer.remark()
        return Row(self._prompt(question, options, kind, text), label, heard)

    def _prompt(self, question: str, options: Sequence[str], kind: str, text: str) -> str:
        if self.rng.random() < 0.15:
            options = [options[i] for i in self.rng.permutation(len(options))]
        if kind == NEUTRAL and self.rng.random() < 0.3:
            kind = PLACEBO
        sample = Sample(
            id="", task="", audio="", question=question, gold="", texts={kind: text}, candidates=tuple(options)
        )
        return render(self._template(), sample, kind)

    def _template(self) -> Template:
        chance = self.rng.random()
        if chance < 0.6:
            return DISCRETION if chance < 0.45 else PAPER
        return WORDINGS[int(self.rng.integers(len(WORDINGS)))]


def draw_events(rng: np.random.Generator) -> tuple[str, ...]:
    """One event, or two in a third of the clips."""
    return tuple(str(name) for name in rng.choice(list(EVENTS), 1 + (rng.random() < 0.3), replace=False))


def drown(heard: Clip, rng: np.random.Generator) -> Clip:
    """Hide a clip in noise: what it holds is still true, but only a text can tell."""
    floor = float(heard.features.max()) + rng.uniform(0.0, 0.2)
    noise = floor + 0.07 * rng.standard_normal(heard.features.shape)
    return Clip(heard.task, heard.holds, np.maximum(heard.features, noise).astype(np.float16))


def muddle(writer: Writer, text: str, task: str, name: str) -> str:
    """Now and then hide a description among unrelated words, so that names and not whole sentences are learned.

    An unrelated remark may stand before or after it. Where no negation can be lost (SER, VSC), words other than the
    label's own are dropped, put in and shuffled. What is said of the clip stays true.
    """
    if writer.rng.random() < 0.2:
        pair = [text, writer.remark()]
        text = " ".join(pair if writer.rng.random() < 0.5 else pair[::-1])
    if task == "AQA" or writer.rng.random() < 0.5:
        return text
    glued = text
    for spoken in sorted({form for slot in WORDS[task][name].seen.values() for form in slot}, key=len, reverse=True):
        for form in (spoken, spoken[0].upper() + spoken[1:]):
            glued = glued.replace(form, form.replace(" ", GLUE))
    kept = {form.replace(" ", GLUE).casefold() for slot in WORDS[task][name].seen.values() for form in slot}
    words = [word for word in glued.split(" ") if word.strip(".,:").casefold() in kept or writer.rng.random() < 0.75]
    for _ in range(int(writer.rng.integers(0, 4))):
        filler = writer.pick(writer.remark().split()).strip(".,")
        words.insert(int(writer.rng.integers(len(words) + 1)), filler)
    if writer.rng.random() < 0.3:
        words = [words[i] for i in writer.rng.permutation(len(words))]
    return " ".join(words).replace(GLUE, " ")


def corpus(seed: int, lines: int = 6000) -> Iterator[str]:
    """Text for the tokenizer: rendered prompts and answers, remarks, and nothing from the test half."""
    rows = Rows([], seed)
    for _ in range(lines):
        row = rows.read()[0]
        yield row.prompt
        yield row.answer
        yield rows.writer.remark()
