"""The training loop of a LoRA adapter: accumulation, dev loss, early stop, and states to go on from."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from pytest_mcr.models.prefix_window import Window
from pytest_mcr.train.lora_batch import Examples, Turn, loss_of
from pytest_mcr.train.lora_data import Example, Split
from pytest_mcr.train.lora_model import Weights, set_weights, weights_of
from pytest_mcr.train.lora_state import FILE, Place, load_state, save_state

WARM_UP: Final = 0.05
"""Share of the steps in which the rate rises."""
PATIENCE: Final = 2
"""Dev measurements without a lower loss after which training stops."""
SAVE_SECONDS: Final = 20.0
TALK_SECONDS: Final = 10.0

Report = Callable[[str], None]


class StoppedError(Exception):
    """Ctrl-C: the state is saved."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast.

    Attributes:
        epochs: passes over the examples, at most: training stops when the dev loss no longer falls.
        steps: exactly so many optimizer steps in place of that; None for `epochs`.
        batch: examples a forward pass.
        accumulate: forward passes an optimizer step.
        rate: peak learning rate.
    """

    epochs: int
    steps: int | None
    batch: int
    accumulate: int
    rate: float
    seed: int

    def an_epoch(self, examples: int) -> int:
        """Optimizer steps of one pass over so many examples."""
        return -(-examples // (self.batch * self.accumulate))

    def total(self, examples: int) -> int:
        """Optimizer steps at most."""
        return self.steps if self.steps is not None else self.epochs * self.an_epoch(examples)

    def examples_of(self, step: int, examples: Sequence[Example]) -> list[Example]:
        """The examples of an optimizer step, from 0: a function of seed and step, so that nothing need be saved."""
        epoch, turn = divmod(step, self.an_epoch(len(examples)))
        order = np.random.default_rng([self.seed, 12, epoch]).permutation(len(examples))
        size = self.batch * self.accumulate
        return [examples[i] for i in order[turn * size : (turn + 1) * size]]

    def rate_at(self, step: int, total: int) -> float:
        """Learning rate of a step, from 0: a short linear rise, then a cosine down to a twentieth."""
        rise = max(1, round(WARM_UP * total))
        if step < rise:
            return self.rate * (step + 1) / rise
        return self.rate * (0.525 + 0.475 * math.cos(math.pi * (step - rise) / max(1, total - rise)))


class Training:
    """One training.

    Args:
        model: with its adapter.
        parameters: of the adapter, by name.
        examples: makes turns.
        parts: what to learn from and to stop by.
        plan: how long and how fast.
        out: folder of the unfinished state.
        settings: what a state must have been made with.
        window: of the audio tower, None for the whole.
        report: called with progress lines.
    """

    def __init__(
        self, model: Any, parameters: Mapping[str, torch.nn.Parameter], examples: Examples, parts: Split, plan: Plan,
        out: Path, settings: Mapping[str, Any], window: Window | None, report: Report,
    ) -> None:  # fmt: skip
        self.model = model
        self.place = Place()
        self._parameters = parameters
        self._examples = examples
        self._parts = parts
        self._plan = plan
        self._path = out / FILE
        self._settings = settings
        self._window = window
        self._report = report
        self._best: Weights = {}
        self._optimizer = torch.optim.AdamW(parameters.values(), lr=plan.rate, weight_decay=0.0)
        self._cuda = next(iter(parameters.values())).device.type == "cuda"

    def resume(self) -> None:
        """Go on from the saved state.

        Raises:
            OptionError: it cannot be read, or is of another training.
        """
        self.place, self._best = load_state(self._path, self._settings, self._parameters, self._optimizer)
        self._report(f"goes on after step {self.place.step}")

    def run(self) -> Weights:
        """Train to the end, or until the dev loss has not fallen for a while.

        Returns:
            The weights with the least dev loss.

        Raises:
            StoppedError: Ctrl-C; the state is saved.
            ArithmeticError: the loss is no number.
            torch.OutOfMemoryError: a batch does not fit; the last state is saved.
        """
        total = self._plan.total(len(self._parts.train))
        an_epoch = min(self._plan.an_epoch(len(self._parts.train)), total)
        self._save()
        clock = _Clock(self.place.step)
        with interruptible() as stopped:
            while self.place.step < total and not self._stale():
                self._step(total)
                if self.place.step % an_epoch == 0 or self.place.step == total:
                    self._measure()
                    self._save()
                elif clock.due("save", SAVE_SECONDS) or stopped():
                    self._save()
                if stopped():
                    raise StoppedError
                if clock.due("talk", TALK_SECONDS) and self.place.summed[1]:
                    self._report(clock.progress(self.place, total))
        if self._stale():
            self._report(f"stopped early: no lower dev loss for {PATIENCE} epochs")
        set_weights(self.model, self._best)
        return self._best

    def _stale(self) -> bool:
        return self._plan.steps is None and self.place.stale >= PATIENCE

    def _step(self, total: int) -> None:
        turns = [self._examples.turn(one) for one in self._plan.examples_of(self.place.step, self._parts.train)]
        tokens = sum(turn.answer for turn in turns)
        self._optimizer.zero_grad(set_to_none=True)
        for batch in self._examples.batches(turns, self._plan.batch):
            loss = self._loss(batch)
            (loss / tokens).backward()  # type: ignore[no-untyped-call]
            self.place.summed[0] += loss.item()
        self.place.summed[1] += tokens
        if not math.isfinite(self.place.summed[0]):
            raise ArithmeticError(f"the loss of step {self.place.step + 1} is no number")
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.rate_at(self.place.step, total)
        self._optimizer.step()
        self.place.step += 1

    def _loss(self, batch: Sequence[Turn]) -> torch.Tensor:
        half = torch.autocast("cuda", torch.bfloat16) if self._cuda else nullcontext()
        with half:
            return loss_of(self.model, self._examples.tensors(batch), batch, self._window)

    def dev_loss(self) -> float:
        """Mean loss of the dev examples now, in nats a token."""
        turns = [self._examples.turn(one) for one in self._parts.dev]
        with torch.no_grad():
            summed = sum(self._loss(batch).item() for batch in self._examples.batches(turns, self._plan.batch))
        return summed / sum(turn.answer for turn in turns)

    def _measure(self) -> None:
        """Take the dev loss; keeps the weights where it is the least so far."""
        place, dev = self.place, self.dev_loss()
        place.history.append([place.step, place.summed[0] / max(place.summed[1], 1), dev])
        self._report(f"step {place.step}: loss {place.history[-1][1]:.4f}, dev {dev:.4f} nats a token")
        place.summed = [0.0, 0.0]
        if place.best_loss is None or dev < place.best_loss:
            place.best_loss, place.best_step, place.stale = dev, place.step, 0
            self._best = weights_of(self.model)
        else:
            place.stale += 1

    def _save(self) -> None:
        save_state(self._path, self._settings, self.place, self._parameters, self._optimizer, self._best)


class _Clock:
    """What is due, and how long the rest will take."""

    def __init__(self, step: int) -> None:
        self._first = step
        self._began = time.perf_counter()
        self._last: dict[str, float] = {}

    def due(self, what: str, seconds: float) -> bool:
        now = time.perf_counter()
        if now - self._last.setdefault(what, self._began) < seconds:
            return False
        self._last[what] = now
        return True

    def progress(self, place: Place, total: int) -> str:
        spent = time.perf_counter() - self._began
        left = spent / max(place.step - self._first, 1) * (total - place.step)
        loss = place.summed[0] / max(place.summed[1], 1)
        return f"step {place.step} of {total}: loss {loss:.4f}, at most {left:.0f} s left"


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of a step; a second one does not wait.

    Yields:
        Whether it was pressed.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return

    def note(*_: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
