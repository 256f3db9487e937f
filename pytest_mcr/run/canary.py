"""The canary: proof, before any score, that audio reaches the model and changes what it says.

One prompt and one candidate list; only the audio is swapped. All clips are cropped to one length and brought to one
level, because length alone changes the number of audio placeholders. A model with scores must move by more than ten
times its own noise (the same clip twice) and more than 0.05 nats on three of four pairs; a model with text alone must
not say the same about 8 clips, nor about 32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.data.audio import crop, level, noise
from pytest_mcr.errors import AdapterError, DeliveryError, ModelRaisedError, ResponseError
from pytest_mcr.models.protocol import Audio, Model, Request, Response
from pytest_mcr.run.ask import ask

CANARY_VERSION: Final = 1
"""Raise it with every change of the rules below: a pass that an earlier run kept then counts no more."""
PAIRS: Final = 4
PAIRS_NEEDED: Final = 3
LEAST_NATS: Final = 0.05
NOISE_FACTOR: Final = 10.0
TEXT_ROUNDS: Final = (8, 32)
SHORTEST, LONGEST = 0.5, 5.0  # seconds
LEVEL_RMS: Final = 0.05
OPEN_QUESTION: Final = "What is heard in this recording?"


@dataclass(frozen=True, slots=True)
class Canary:
    """The finding of a canary.

    Attributes:
        verdict: ``pass``, ``fail`` or ``not_applicable``.
        detail: one line for people.
    """

    verdict: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """The finding as builtins."""
        return {"verdict": self.verdict, "detail": self.detail}


def run_canary(model: Model, clips: Sequence[Audio], prompt: str, candidates: tuple[str, ...], tokens: int) -> Canary:
    """Run the canary on a model.

    Args:
        model: the model under test; one with ``recorded = True`` only replays answers and cannot be probed.
        clips: up to 32 different clips of the dataset at the model's rate; fewer are filled up with seeded noise.
        prompt: the neutral prompt of one sample, used for every clip.
        candidates: its closed answer set, empty when open-ended.
        tokens: room for an answer.
    """
    if getattr(model, "recorded", False):
        return Canary("not_applicable", "recorded answers: no audio was played to a model in this run")
    probes = alike(clips, TEXT_ROUNDS[-1])
    try:
        return (candidates and by_scores(model, probes, prompt, candidates, tokens)) or by_text(model, probes, tokens)
    except (AdapterError, DeliveryError, ModelRaisedError, ResponseError) as error:
        return Canary("fail", str(error))


def alike(clips: Sequence[Audio], count: int) -> list[Audio]:
    """Bring clips to one length and level, filling up to `count` with noise (seeds 0, 1, ...)."""
    audible = [clip for clip in clips if float(np.abs(clip.samples).max()) > 0]
    rate = audible[0].rate if audible else 16_000
    same_rate = [clip for clip in audible if clip.rate == rate][:count]
    shortest = min((len(clip.samples) / clip.rate for clip in same_rate), default=LONGEST)
    seconds = min(max(shortest, SHORTEST), LONGEST)
    filled = [*same_rate, *(noise(seconds, rate, seed) for seed in range(count - len(same_rate)))]
    return [level(crop(clip, seconds), LEVEL_RMS) for clip in filled]


def by_scores(
    model: Model, probes: Sequence[Audio], prompt: str, candidates: tuple[str, ...], tokens: int
) -> Canary | None:
    """Compare the candidates' log-probabilities over pairs of clips; None when the model gives no scores."""
    asked = [*probes[: 2 * PAIRS], probes[0]]
    responses = answers(model, asked, prompt, candidates, tokens)
    if any(response.scores is None for response in responses):
        return None
    rows = [normalized(response, candidates) for response in responses]
    floor = float(np.abs(rows[-1] - rows[0]).max())
    least = max(NOISE_FACTOR * floor, LEAST_NATS)
    moves = [float(np.abs(rows[2 * pair] - rows[2 * pair + 1]).max()) for pair in range(PAIRS)]
    moved = sum(move > least for move in moves)
    detail = (
        f"{moved} of {PAIRS} pairs of clips moved the candidates' log-probabilities by more than {least:.3g} nats "
        f"(largest move {max(moves):.3g}, same clip twice {floor:.2g})"
    )
    return Canary("pass" if moved >= PAIRS_NEEDED else "fail", detail)


def normalized(response: Response, candidates: tuple[str, ...]) -> NDArray[np.float64]:
    """Candidate log-probabilities, shape (K,), that sum to one over the candidates."""
    assert response.scores is not None
    row = np.array([response.scores[candidate] for candidate in candidates], dtype=np.float64)
    return row - float(np.logaddexp.reduce(row))


def by_text(model: Model, probes: Iterable[Audio], tokens: int) -> Canary:
    """Ask an open question about 8 clips, then about 32 if all the answers are the same."""
    heard = list(probes)
    for count in TEXT_ROUNDS:
        responses = answers(model, list(islice(heard, count)), OPEN_QUESTION, (), tokens)
        different = len({(response.text or "").strip() for response in responses})
        if different > 1:
            return Canary("pass", f"{different} different answers to an open question about {count} clips")
    return Canary("fail", f"the same answer to an open question about {TEXT_ROUNDS[-1]} different clips")


def answers(
    model: Model, clips: Sequence[Audio], prompt: str, candidates: tuple[str, ...], tokens: int
) -> list[Response]:
    """Ask the same about every clip.

    Raises:
        ResponseError: the model could not answer a probe.
    """
    requests = [
        Request(f"canary::{number}", clip, prompt, candidates, tokens, want_scores=bool(candidates))
        for number, clip in enumerate(clips)
    ]
    responses = ask(model, requests)
    for response in responses:
        if response.error is not None:
            raise ResponseError(f"the model could not answer a probe clip: {response.error}")
    return responses
