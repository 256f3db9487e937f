"""The lab model on the embedded mini benchmark, four conditions a clip, against the loops that others run.

Both sides get decoded clips in memory, pay for features themselves, and have two CPU cores. The engine spends them on
two lanes. A loop of single cases can only spend them on each product, which makes a model of this size slower; so it
is timed with one thread and with two, and the faster stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from benchmarks import agreement, questions
from benchmarks.alternating import Timing, Way, alternate
from benchmarks.engine import ask, load_engine
from benchmarks.questions import Clip
from benchmarks.rows import Row, at_least
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.protocol import Request, Response

CORES: Final = 2
THREADS: Final = {1: "1 thread", 2: "2 threads"}
PART: Final = 10
"""Every tenth clip is the baselines' subsample."""
TEXT, SCORES, BOTH = "text", "scores", "text and scores"
ASKED: Final[dict[str, Callable[[Sequence[Request]], list[Request]]]] = {
    TEXT: questions.text_only,
    SCORES: questions.scores_only,
    BOTH: list,
}
"""What the engine is asked for; the default run asks for both."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of every way, and what was answered about the subsample."""

    timings: dict[str, Timing]
    answers: dict[str, list[Response]]
    naive: list[str]


class Lab:
    """The comparisons on the lab model, measured together at the first need.

    Args:
        every: keep every n-th clip of the mini benchmark, for a quick look.
    """

    def __init__(self, every: int = 1) -> None:
        self._every = every

    @cached_property
    def clips(self) -> list[Clip]:
        """Four requests a clip."""
        return questions.mini_clips()[:: self._every]

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        return {
            "lab-generate": lambda: self._row("lab-generate", TEXT, 5.0),
            "lab-score": lambda: self._row("lab-score", SCORES, 8.0),
        }

    @cached_property
    def measured(self) -> Measured:
        """Naive, batched, and the engine asked for text, scores, or both, in turn."""
        from benchmarks.naive import Naive, use_threads

        engine = load_engine("lab", threads=CORES)
        naive = Naive.load(fixture("lab-model"))
        some = self.clips[::PART]
        whole, part = questions.flat(self.clips), questions.flat(some)
        parts = len(whole) / len(part)

        def respond(kind: str, clips: Sequence[Clip]) -> list[Response]:
            use_threads(1)  # a lane's
            return [answer for chunk in questions.chunks(clips) for answer in ask(engine, ASKED[kind](chunk))]

        def loop(generate: Callable[[Sequence[Request]], list[str]], threads: int) -> Way:
            def run(requests: Sequence[Request]) -> list[str]:
                use_threads(threads)
                return generate(requests)

            return Way(lambda: run(whole), lambda: run(part), parts)

        ways = {
            **{f"naive, {words}": loop(naive.generate, threads) for threads, words in THREADS.items()},
            **{f"batched, {words}": loop(naive.generate_batched, threads) for threads, words in THREADS.items()},
            TEXT: Way(lambda: respond(TEXT, self.clips)),
            SCORES: Way(lambda: respond(SCORES, self.clips)),
            BOTH: Way(lambda: respond(BOTH, self.clips)),
        }
        timings = alternate(ways)
        answers = {kind: respond(kind, some) for kind in ASKED}
        engine.close()
        return Measured(timings, answers, naive.generate(part))

    def _row(self, work: str, kind: str, target: float) -> Row:
        timings = self.measured.timings
        naive = min(timing.seconds for name, timing in timings.items() if name.startswith("naive"))
        texts = self.measured.answers[BOTH if kind == SCORES else kind]
        agreed, problem = agreement.compare_texts(texts, self.measured.naive)
        lines = [
            f"{len(questions.flat(self.clips))} cases, decoded clips in memory, features on both sides, "
            f"{CORES} cores; {agreed}",
            *(f"{name}: {timing.words()}, {naive / timing.seconds:.2f}x" for name, timing in timings.items()),
        ]
        return at_least(
            work,
            "naive generate, the faster of 1 and 2 threads",
            naive / timings[kind].seconds,
            target,
            *lines,
            problem=problem,
        )
