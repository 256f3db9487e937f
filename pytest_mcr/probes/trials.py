"""What of a model's inside can be measured, tried on a conflict by comparing numbers, not by the family's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch

from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.hf_load import Checkpoint
from pytest_mcr.models.prefix_probe import UNABLE
from pytest_mcr.probes.attention import attend
from pytest_mcr.probes.body import Body, UnfitError
from pytest_mcr.probes.knockout import Cut, knocked_out
from pytest_mcr.probes.patching import patched
from pytest_mcr.probes.questions import Posed

ALIKE: Final = {torch.float32: 1e-5}
ALIKE_16_BIT: Final = 2e-2
"""How far logits that must agree may be apart, as a share of the largest."""
CLEARLY: Final = 10.0
"""How many times as far the same change must move them where it is not undone."""


@dataclass(frozen=True, slots=True)
class Fitness:
    """Why a model does not allow a measurement, one line each; None where it does.

    Attributes:
        lens: logits of inner layers.
        knockout: cutting edges.
        patching: replacing states.
        attention: weights of the last position.
        values: value-weighted attention.
    """

    lens: str | None = None
    knockout: str | None = None
    patching: str | None = None
    attention: str | None = None
    values: str | None = None


def try_out(checkpoint: Checkpoint, posed: Posed) -> tuple[Body | None, Fitness]:
    """Take a model apart and try what it allows.

    Args:
        checkpoint: of the model.
        posed: a conflict to try on.

    Returns:
        The model taken apart, None where it cannot be; and the reasons.
    """
    try:
        body = Body(checkpoint)
    except UnfitError as error:
        return None, Fitness(*[str(error)] * 5)
    body.try_replay(posed.joint)
    lens = lens_refusal(body, posed.joint)
    if lens is not None:
        body.forget_norm()
    seen: list[str | None] = []
    attention = _reason(lambda: seen.append(attend(body, posed.joint).reason))
    return body, Fitness(
        lens=lens,
        knockout=_reason(lambda: _knockout(body, posed)),
        patching=lens or _reason(lambda: _patching(body, posed)),
        attention=attention,
        values=attention or seen[0],
    )


def lens_refusal(body: Body, prompt: Tensors) -> str | None:
    """Why the inner layers of a model cannot be read, None where they can; finds the final norm.

    Args:
        body: the model taken apart.
        prompt: any, from `tensors`.
    """
    return _reason(lambda: _lens(body, prompt))


def _reason(trial: Callable[[], object]) -> str | None:
    try:
        trial()
    except UnfitError as error:
        return str(error)
    except UNABLE as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return None


def _lens(body: Body, prompt: Tensors) -> None:
    body.find_norm(prompt)
    own = body.own_logits(prompt)
    for every in (False, True):
        look = body.look(prompt, every=every)
        rows = body.depth + 1 if every else 1
        if len(look.logits) != rows:
            raise UnfitError(f"{len(look.logits)} layers were read; expected {rows}")
        if not _alike(body, look.logits[-1], own):
            raise UnfitError("the head of the last layer does not give the model's own logits")


def _knockout(body: Body, posed: Posed) -> None:
    """What is cut from everything must not count: the words of a text that nobody sees may be any."""
    everywhere, length = range(1, body.depth + 1), posed.spans.length
    own = body.look(posed.joint).logits[-1]
    other = body.look(_reworded(posed)).logits[-1]
    moved = _apart(own, other)
    if moved <= CLEARLY * ALIKE[torch.float32] * float(own.abs().max()):
        raise UnfitError("other words in the text's place change nothing, so that a cut could not be told")
    with knocked_out(body, everywhere, Cut((), to_all=True), length):
        nothing = body.look(posed.joint).logits[-1]
    if not torch.equal(nothing, own):
        raise UnfitError("cutting nothing changes its logits")
    cut = Cut(posed.spans.text, to_all=True)
    with knocked_out(body, everywhere, cut, length):
        one, two = (body.look(prompt).logits[-1] for prompt in (posed.joint, _reworded(posed)))
    if not _alike(body, one, two) or CLEARLY * _apart(one, two) > moved:
        raise UnfitError("a text that is cut off in every block still changes its logits")


def _patching(body: Body, posed: Posed) -> None:
    joint, alone = (body.look(prompt, every=True) for prompt in (posed.joint, posed.alone))
    with patched(body, body.depth, alone.states[-1]):
        replaced = body.look(posed.joint).logits[-1]
    if not _alike(body, replaced, alone.logits[-1]):
        raise UnfitError("the last state of another run does not give that run's logits")
    middle = (body.depth + 1) // 2
    with patched(body, middle, joint.states[middle]):
        same = body.look(posed.joint).logits[-1]
    if not _alike(body, same, joint.logits[-1]):
        raise UnfitError("a state that is replaced by itself changes the logits")


def _reworded(posed: Posed) -> Tensors:
    """The prompt with the words of its text in reverse, or shifted by an id where that is the same."""
    ids = posed.joint["input_ids"].clone()
    places = list(posed.spans.text)
    words = ids[0, places]
    ids[0, places] = words.flip(0) if not torch.equal(words, words.flip(0)) else words + 1
    return {**posed.joint, "input_ids": ids}


def _allowed(body: Body, own: torch.Tensor) -> float:
    return ALIKE.get(body.model.dtype, ALIKE_16_BIT) * float(own.abs().max())


def _apart(one: torch.Tensor, two: torch.Tensor) -> float:
    return float((one - two).abs().max())


def _alike(body: Body, one: torch.Tensor, own: torch.Tensor) -> bool:
    return _apart(one, own) <= _allowed(body, own)
