"""What the models are asked: requests as a run makes them, their clips decoded beforehand and kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import cycle, islice

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, Sample
from pytest_mcr.core.prompts import DISCRETION, render
from pytest_mcr.data import release
from pytest_mcr.data.audio import decode, noise, resample
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.run.chunks import CHUNK_CASES

RATE = 16_000
Clip = list[Request]
"""The four conditions of one clip."""


@cache
def mini() -> Dataset:
    """The embedded mini benchmark."""
    return release.load(fixture("mini-mcr"))


def mini_clips() -> list[Clip]:
    """The embedded mini benchmark, a list of four requests a clip."""
    dataset = mini()
    return [conditions_of(sample, resample(decode(dataset.path(sample)), RATE)) for sample in dataset.samples]


def noise_clips(count: int, seconds: float, seed: int = 0) -> list[Clip]:
    """The mini benchmark's prompts, its tasks in turn, over clips of seeded noise."""
    samples = mini().samples
    tasks = sorted({sample.task for sample in samples})
    each = {task: cycle([sample for sample in samples if sample.task == task]) for task in tasks}
    turns = islice(cycle(tasks), count)
    return [conditions_of(next(each[task]), noise(seconds, RATE, seed + n)) for n, task in enumerate(turns)]


def conditions_of(sample: Sample, audio: Audio) -> Clip:
    """A sample's four cases."""
    return [_request(sample, condition, audio) for condition in CONDITIONS]


def texts_on_one_clip(count: int, seconds: float, labels: int) -> list[Request]:
    """As many different texts over one clip, asked about with the first candidates of a closed question."""
    samples = mini().samples
    asked = next(sample for sample in samples if len(sample.candidates) >= labels)
    texts = dict.fromkeys(text for sample in samples for text in sample.texts.values())
    audio = noise(seconds, RATE, 0)
    changed = (
        replace(asked, texts={ADVERSARIAL: text}, candidates=asked.candidates[:labels])
        for text in islice(sorted(texts, key=lambda text: (len(text), text)), count)
    )
    return [_request(sample, ADVERSARIAL, audio) for sample in changed]


def prompts_of_mini() -> list[str]:
    """All prompts of the mini benchmark: what the tokenizers of random models are trained on."""
    samples = mini().samples
    return [render(DISCRETION, sample, condition) for sample in samples for condition in CONDITIONS]


def flat(clips: Sequence[Clip]) -> list[Request]:
    """The requests of some clips, in order."""
    return [request for clip in clips for request in clip]


def chunks(clips: Sequence[Clip]) -> list[list[Request]]:
    """As a run puts them together: eight clips, four conditions."""
    requests = flat(clips)
    return [requests[at : at + CHUNK_CASES] for at in range(0, len(requests), CHUNK_CASES)]


def text_only(requests: Sequence[Request], tokens: int | None = None) -> list[Request]:
    """The same requests without scores, with room for `tokens` if given."""
    return [replace(one, want_scores=False, max_new_tokens=tokens or one.max_new_tokens) for one in requests]


def scores_only(requests: Sequence[Request]) -> list[Request]:
    """The same requests without a word to say."""
    return [replace(one, want_scores=True, max_new_tokens=0) for one in requests]


def _request(sample: Sample, condition: str, audio: Audio) -> Request:
    prompt, tokens = render(DISCRETION, sample, condition), DISCRETION.max_new_tokens
    return Request(f"{sample.id}-{condition}", audio, prompt, sample.candidates, tokens, want_scores=True)
