"""The dominance suite's rates on the lab model: every prompt of a clip in one call, against one prompt at a time.

Both sides get decoded clips in memory, pay for features themselves, have two CPU cores, and give text and scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from benchmarks import agreement, questions
from benchmarks.alternating import Way, alternate
from benchmarks.engine import load_engine, refuse_errors, unheard
from benchmarks.lab import CORES
from benchmarks.rows import Row, at_least
from pytest_mcr.core.dominance_design import plans
from pytest_mcr.core.prompts import DISCRETION
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.models.protocol import Audio, Request, Response
from pytest_mcr.run.subsets import dominance_subset
from pytest_mcr.run.varied import bases, variants

EXAMPLES: Final = 20
PART: Final = 10
TOKENS: Final = 32


class Dominance:
    """The comparison.

    Args:
        every: keep every n-th clip of the mini benchmark, for a quick look.
    """

    def __init__(self, every: int = 1) -> None:
        self._every = every

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        return {"dominance-rate": self.rate}

    def rate(self) -> Row:
        """All clips with 20 varied texts each, against a tenth of them through the plain path."""
        engine = load_engine("lab", threads=CORES)
        clips = asked()[:: self._every]
        some = clips[::PART]
        parts = sum(map(len, clips)) / sum(map(len, some))

        def together(chosen: list[list[Request]]) -> list[Response]:
            return [answer for clip in chosen for answer in refuse_errors(engine.respond(unheard(clip)))]

        def alone(chosen: list[list[Request]]) -> list[Response]:
            return [answer for clip in chosen for answer in refuse_errors(engine.respond_plain(clip))]

        timings = alternate(
            {"engine": Way(lambda: together(clips)), "plain": Way(lambda: alone(clips), lambda: alone(some), parts)}
        )
        agreed, problem = agreement.compare_texts(together(some), [str(one.text) for one in alone(some)])
        engine.close()
        seconds = timings["engine"].seconds
        return at_least(
            "dominance-rate", "the same prompts one at a time", timings["plain"].seconds / seconds, 10.0,
            f"{len(clips)} clips x {EXAMPLES} varied texts, {sum(map(len, clips))} prompts, {CORES} cores; {agreed}",
            *(f"{name}: {timing.words()}" for name, timing in timings.items()),
            problem=problem,
        )  # fmt: skip


def asked() -> list[list[Request]]:
    """The prompts of each clip of the mini benchmark, as the suite asks them."""
    dataset = questions.mini()
    chosen = dominance_subset(dataset.samples, 0, len(dataset.samples))
    strata = plans(1 + max(place for place, _ in chosen), EXAMPLES)
    found = []
    for place, sample in chosen:
        clip = resample(decode(dataset.path(sample)), questions.RATE)
        quiet = replace(clip, samples=np.zeros_like(clip.samples), digest=f"silence of {len(clip.samples)}")
        played: dict[str, Audio | None] = {"clip": clip, "silence": quiet, "none": None}
        ours = [*bases(sample, DISCRETION), *variants(sample, DISCRETION, strata[place], 0)]
        found.append([one.question.request(played[one.question.sound], TOKENS) for one in ours])
    return found
