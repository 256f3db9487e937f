"""A random Qwen2-Audio, 256 wide and 8 layers deep, on clips of 30 s: where the clip is most of the prompt.

Both sides get decoded clips in memory and pay for features themselves, with the same number of CPU threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import agreement, questions
from benchmarks.alternating import Way, alternate
from benchmarks.engine import ask, counted, load_engine, tokens_of, torch_model
from benchmarks.rows import Row, at_least
from pytest_mcr.models.protocol import Request

if TYPE_CHECKING:
    from benchmarks.naive import Naive
    from benchmarks.random_model import Size
    from pytest_mcr.models.hf import HfModel

THREADS: Final = 2
SECONDS: Final = 30.0
FORCED: Final = 8
"""Tokens of every answer; the model cannot stop earlier."""
TEXTS: Final = 100
LABELS: Final = 4
PART: Final = 10


class Long:
    """The comparisons on the long model.

    Args:
        root: folder for the checkpoint.
        size: of the model, None for the long one.
        clips: of 30 s.
        texts: on one clip.
    """

    def __init__(self, root: Path, size: Size | None = None, clips: int = 4, texts: int = TEXTS) -> None:
        self._root = root
        self._size = size
        self._clips = clips
        self._texts = texts

    def rows(self) -> dict[str, Callable[[], Row]]:
        """Measurements by work."""
        return {"long-score": self.score, "long-generate": self.generate, "texts-100": self.texts}

    def score(self) -> Row:
        """Labels' scores of four conditions against four plain forwards, as a share of what the tokens allow."""
        requests = questions.scores_only(self.requests)
        timings = alternate(
            {
                "four plain forwards": Way(lambda: self.naive.forward(requests)),
                "ours": Way(lambda: ask(self.engine, requests)),
            }
        )
        with counted(self.naive.model) as plain:
            self.naive.forward(requests)
        with counted(torch_model(self.engine)) as engine:
            answers = ask(self.engine, requests)
        bound = tokens_of(plain) / tokens_of(engine)
        achieved = timings["four plain forwards"].seconds / timings["ours"].seconds
        some = requests[:: len(requests) // 4]
        agreed, problem = agreement.compare_scores(answers[:: len(requests) // 4], self.naive.score(some))
        return at_least(
            "long-score", "the token bound of four plain forwards", achieved / bound, 0.85,
            f"{self._about(requests)}; {agreed}",
            f"token bound {bound:.3f} ({tokens_of(plain)} tokens / {tokens_of(engine)} run, padding included), "
            f"achieved {achieved:.3f}",
            *(f"{name}: {timing.words()}" for name, timing in timings.items()),
            problem=problem,
        )  # fmt: skip

    def generate(self) -> Row:
        """Eight forced tokens."""
        requests = questions.text_only(self.requests, FORCED)
        timings = alternate(
            {
                "naive": Way(lambda: self.naive.generate(requests)),
                "batched": Way(lambda: self.naive.generate_batched(requests, rows=4)),
                "ours": Way(lambda: ask(self.engine, requests)),
            }
        )
        agreed, problem = agreement.compare_texts(ask(self.engine, requests), self.naive.generate(requests))
        naive = timings["naive"].seconds
        return at_least(
            "long-generate", "naive generate", naive / timings["ours"].seconds, 2.0,
            f"{self._about(requests)}, {FORCED} forced tokens; {agreed}",
            *(f"{name}: {timing.words()}, {naive / timing.seconds:.2f}x" for name, timing in timings.items()),
            problem=problem,
        )  # fmt: skip

    def texts(self) -> Row:
        """Many texts on one clip."""
        requests = questions.scores_only(questions.texts_on_one_clip(self._texts, SECONDS, LABELS))
        part = requests[::PART]
        timings = alternate(
            {
                "naive scoring": Way(
                    lambda: self.naive.score(requests), lambda: self.naive.score(part), len(requests) / len(part)
                ),
                "ours": Way(lambda: ask(self.engine, requests)),
            }
        )
        agreed, problem = agreement.compare_scores(ask(self.engine, requests)[::PART], self.naive.score(part))
        return at_least(
            "texts-100", "one plain forward a text and label",
            timings["naive scoring"].seconds / timings["ours"].seconds, 25.0,
            f"{len(requests)} texts on one clip of {SECONDS:g} s, {LABELS} labels each, {THREADS} threads; {agreed}",
            *(f"{name}: {timing.words()}" for name, timing in timings.items()),
            problem=problem,
        )  # fmt: skip

    @cached_property
    def requests(self) -> list[Request]:
        """Four conditions of each clip."""
        return questions.flat(questions.noise_clips(self._clips, SECONDS))

    @cached_property
    def folder(self) -> Path:
        """The checkpoint."""
        from benchmarks.random_model import LONG, build_folder

        return build_folder(self._size or LONG, self._root / "long-model")

    @cached_property
    def engine(self) -> HfModel:
        """The engine; sets the number of threads for both sides."""
        return load_engine(str(self.folder), threads=THREADS)

    @cached_property
    def naive(self) -> Naive:
        """The baseline, with weights of its own."""
        from benchmarks.naive import Naive

        return Naive.load(self.folder)

    def _about(self, requests: Sequence[Request]) -> str:
        clips = len({request.audio.digest for request in requests if request.audio})
        return f"{clips} clips of {SECONDS:g} s x {len(requests) // clips} conditions, {THREADS} threads"
