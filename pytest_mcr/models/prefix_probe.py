"""Which way of continuing a prefix a model takes, found out at load by comparing numbers, not by its name.

A clip of noise with prompts and labels of unequal length is asked about through the tree, and through the plain path.
Only what gives the same scores, and the same words up to rounding, is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch

from pytest_mcr.models import hf_trials as trials
from pytest_mcr.models.hf_ahead import key_of
from pytest_mcr.models.hf_batches import out_of_memory
from pytest_mcr.models.hf_decode import Decoder
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.prefix import Engine, Way, clip_of
from pytest_mcr.models.prefix_cache import new_cache, sees_all
from pytest_mcr.models.prefix_network import Network, is_headless
from pytest_mcr.models.prefix_stages import Stages
from pytest_mcr.models.prefix_tail import EXTENTS, Extent, leaves_out
from pytest_mcr.models.prefix_walk import Ask, Told
from pytest_mcr.models.prefix_window import narrows
from pytest_mcr.models.protocol import Audio, Request

PROMPTS: Final = (
    "Is there a dog?",
    "Text: A dog is barking in the yard, and somebody laughs.\nQuestion: Is there a dog? Answer with yes or no.",
    "Is there a cat?",
)
LABELS: Final = (("yes", "no", "yes, a dog"), ("no",), ("maybe so", "yes"))
WORDS: Final = 4
DRIFT: Final = {torch.float32: 1e-3}
DRIFT_16_BIT: Final = 0.1
"""Most that a score may differ, in nats; with 16 bits, where a batch of another shape alone moves scores, at least
`NOISE` times what padding moves them on the plain path itself."""
NOISE: Final = 3.0

UNABLE: Final = (*trials.UNABLE, NotImplementedError, IndexError, ArithmeticError)
"""What processors, attention, caches and masks that were not made for this raise."""


@dataclass(frozen=True, slots=True)
class Capability:
    """How a model continues prefixes.

    Attributes:
        way: ``tree``, ``rows``, or None: neither, so that every prompt runs whole.
        reason: why not the tree, one line; None where it is.
    """

    way: Way | None
    reason: str | None


def probed_network(model: Any, inputs: Inputs, join: Callable[[Sequence[Tensors]], Tensors]) -> Network:
    """A model's network, with the head apart and the audio's window narrowed where that gives the same numbers.

    Args:
        model: the part that speaks.
        inputs: of the model.
        join: as for `Engine`.
    """
    try:
        clips = [trials.noise(seconds, inputs.sample_rate) for seconds in (trials.SECONDS, 2 * trials.SECONDS)]
        prompts = [join([inputs.build([Request("probe", clip, PROMPTS[0], (), 1, False)])]) for clip in clips]
    except UNABLE as error:  # the first request meets the same error, and says so
        _line(error)
        return Network(model)
    bare = Network(model)

    def bears(extent: Extent) -> bool:
        return leaves_out(model, extent, prompts[0], lambda: new_cache(bare, 0), 3 if bare.three_axes else 1)

    return Network(
        model,
        headless=_tried(lambda: is_headless(model, prompts[0])),
        narrows=_tried(lambda: narrows(model, prompts)),
        leaves_out=next((extent for extent in EXTENTS if _tried(partial(bears, extent))), None),
    )


class Probe:
    """Tries a model on noise.

    Args:
        decoder: of the plain path, the reference.
        inputs: of the model.
        join: as for `Engine`.
        audio_token: the token id that stands for one audio embedding.
        label_ids: token ids of a label.
    """

    def __init__(
        self,
        decoder: Decoder,
        inputs: Inputs,
        join: Callable[[Sequence[Tensors]], Tensors],
        audio_token: int,
        label_ids: Callable[[str], list[int]],
    ) -> None:
        self._decoder = decoder
        self._inputs = inputs
        self._join = join
        self._audio_token = audio_token
        self._labels = [[label_ids(label) for label in labels] for labels in LABELS]
        # Lengths so far apart that the prefixes of the two need padding.
        longer = min(4 * trials.SECONDS, inputs.window or 4 * trials.SECONDS)
        seconds = (trials.SECONDS, longer) if inputs.shares_batches else (trials.SECONDS,)
        self._clips = [trials.noise(length, inputs.sample_rate) for length in seconds]

    @torch.inference_mode()
    def capability(self) -> Capability:
        """The best way that gives the plain path's numbers."""
        try:
            plain = [self._plain(clip) for clip in self._clips]
            allowed = self._allowed(plain)
        except UNABLE as error:
            return Capability(None, f"the plain path failed on noise: {_line(error)}")
        reasons: list[str] = []
        ways: tuple[Way, ...] = ("tree", "rows")
        for way in ways:
            problem = self._problem(way, plain, allowed)
            if problem is None:
                return Capability(way, "; ".join(reasons) or None)
            reasons.append(f"{way}: {problem}")
        return Capability(None, "; ".join(reasons))

    def _problem(self, way: Way, plain: list[list[Told]], allowed: float) -> str | None:
        """Why a way will not do."""
        if way == "tree" and not sees_all(new_cache(self._decoder.network, 0)):
            return "not every layer of the cache attends to all tokens"
        try:
            told = self._engine(way)
            drift = max(map(_drift, _flat(told), _flat(plain)))
            regret = max(self._regret(clip, line) for clip, line in zip(self._clips, told, strict=True))
        except UNABLE as error:
            return _line(error)
        if not drift <= allowed:
            return f"scores differ from the plain path's by {drift:.2g} nats, {allowed:.2g} are allowed"
        if not regret <= allowed:
            return f"words are not the most likely by {regret:.2g} nats, {allowed:.2g} are allowed"
        return None

    def _engine(self, way: Way) -> list[list[Told]]:
        """All clips together through the engine, without what would be kept afterwards."""
        engine = Engine(self._decoder, self._join, way, Stages(self._decoder.network.device))
        clips = []
        for clip in self._clips:
            encoded = self._inputs.encode(clip, PROMPTS)
            asks = [Ask(ids, labels, WORDS) for ids, labels in zip(encoded.ids, self._labels, strict=True)]
            clips.append(clip_of(key_of(clip), asks, encoded.audio, self._audio_token))
        if not all(clip.continues for clip in clips):
            raise ValueError("the prompts of a clip do not share its audio")
        return engine.answer(clips)

    def _plain(self, clip: Audio) -> list[Told]:
        """Each prompt alone and whole."""
        told = []
        for prompt, labels in zip(PROMPTS, self._labels, strict=True):
            prefilled = self._decoder.prefill(self._whole([clip], [prompt]))
            told.append(Told([], self._decoder.score(prefilled, [labels])[0]))
        return told

    def _regret(self, clip: Audio, told: list[Told]) -> float:
        """By how much the plain path likes another word better than one that was said, at most."""
        worst = 0.0
        for prompt, one in zip(PROMPTS, told, strict=True):
            if one.words:
                prefilled = self._decoder.prefill(self._whole([clip], [prompt]))
                worst = max(worst, self._decoder.regret(prefilled, one.words))
        return worst

    def _allowed(self, plain: list[list[Told]]) -> float:
        allowed = DRIFT.get(self._decoder.network.dtype)
        if allowed is not None:
            return allowed
        padded = self._decoder.prefill(self._whole([self._clips[0]] * len(PROMPTS), PROMPTS))
        scores = self._decoder.score(padded, self._labels)
        moved = max(_drift(Told([], row), one) for row, one in zip(scores, plain[0], strict=True))
        return max(DRIFT_16_BIT, NOISE * moved)

    def _whole(self, clips: Sequence[Audio], prompts: Sequence[str]) -> Tensors:
        asked = [Request("probe", clip, prompt, (), 1, False) for clip, prompt in zip(clips, prompts, strict=True)]
        return self._join([self._inputs.build(asked)])


def _tried(question: Callable[[], bool]) -> bool:
    """The answer, no where the model cannot even be asked."""
    try:
        return question()
    except UNABLE as error:
        _line(error)
        return False


def _flat(told: list[list[Told]]) -> list[Told]:
    return [one for line in told for one in line]


def _drift(one: Told, two: Told) -> float:
    """The largest difference of a score; not a number where one is not."""
    return max(
        (abs(first - second) for first, second in zip(one.scores, two.scores, strict=True)),
        key=lambda gap: float("inf") if gap != gap else gap,
    )


def _line(error: Any) -> str:
    """Type and first line of an exception.

    Raises:
        BaseException: the error itself, where memory ran out: that says nothing about the model.
    """
    if out_of_memory(error):
        raise error
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
