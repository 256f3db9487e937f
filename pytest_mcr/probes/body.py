"""The inside of a local model: its blocks, its final norm, and a forward pass read at the last position.

Nothing is looked up by a family's name. The final norm is the part of the decoder whose output is the decoder's own;
logits of inner layers come from the model's own head, norm, capping and scaling included: the states of all layers are
handed to the final norm as if they were so many positions. That this gives the model's own logits is tried first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from pytest_mcr.errors import McrError
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.hf_load import Checkpoint
from pytest_mcr.models.prefix_network import has_three_axes, raise_not_numbers
from pytest_mcr.models.prefix_probe import UNABLE


class UnfitError(McrError):
    """A model whose inside cannot be measured in this way; one line says why."""


@dataclass(frozen=True, slots=True)
class Look:
    """A forward pass at the last position.

    Attributes:
        logits: float32; row l of shape (layers + 1, vocabulary) is what the head reads off layer l, 0 the embeddings.
            A single row, the model's own logits, for a pass that reads the last layer alone.
        states: hidden states of the same rows, shape (rows, width), in the model's dtype; empty without a final norm.
    """

    logits: torch.Tensor
    states: torch.Tensor


class Body:
    """A model taken apart.

    Args:
        checkpoint: loaded model.

    Raises:
        UnfitError: its decoder has no list of blocks.

    Attributes:
        model: the part that speaks.
        decoder: its language model.
        blocks: of the decoder.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.model: Any = checkpoint.model
        self.decoder = _decoder(self.model)
        self.blocks: list[Any] = list(self.decoder.layers)
        self._norm: Any = None
        self._replays = False
        self._heard: _Heard | None = None

    @property
    def depth(self) -> int:
        """Blocks."""
        return len(self.blocks)

    def find_norm(self, prompt: Tensors) -> None:
        """Find the final norm, without which inner layers cannot be read.

        Args:
            prompt: any, from `tensors`; it is run once.

        Raises:
            UnfitError: no part of the decoder, or several, give its final states.
        """
        self._norm = _norm(self.model, self.decoder, prompt)

    def try_replay(self, prompt: Tensors) -> None:
        """Find out whether a prompt whose clip was heard once can be run again without hearing it: much the cheaper.

        Args:
            prompt: any, from `tensors`.
        """
        own = self.own_logits(prompt)
        self._replays = True
        try:
            self._replays = all(torch.equal(self.own_logits(prompt), own) for _ in range(2))
        except UNABLE:  # a model that insists on the features of its placeholders
            self._replays = False

    def forget_norm(self) -> None:
        """Read the last layer by the model's own forward pass from now on: what the norm gave was not that."""
        self._norm = None

    def own_logits(self, prompt: Tensors) -> torch.Tensor:
        """The model's own float32 logits after the prompt, shape (vocabulary,): what all else is compared with.

        Args:
            prompt: from `tensors`.
        """
        return _numbers(self._run(prompt)[-1])

    def look(self, prompt: Tensors, *, every: bool = False, last: int = 1) -> Look:
        """Run a prompt and read it at the last position, at every layer or at the last alone.

        Args:
            prompt: from `tensors`.
            every: rows for the embeddings and each block, not for the last block alone; after `find_norm`.
            last: read so many positions at the end, ``last`` rows in place of each row; after `find_norm`.

        Raises:
            UnfitError: the states of the blocks are no (1, tokens, width) tensors.
            ArithmeticError: the logits are not numbers.
        """
        if self._norm is None:
            return Look(self.own_logits(prompt)[None], torch.empty(0))
        seen: list[torch.Tensor] = []
        stacked: list[torch.Tensor] = []

        def begin(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
            seen.append(_last(args[0] if args else given["hidden_states"], last))

        def note(_: Any, __: Any, output: Any) -> None:
            seen.append(_last(state_of(output), last))

        def read(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
            stacked.append(torch.cat(seen) if every else _last(args[0], last))
            return (stacked[0][None], *args[1:])

        with ExitStack() as hooks:
            if every:
                hooks.enter_context(_removed(self.blocks[0].register_forward_pre_hook(begin, with_kwargs=True)))
                for block in self.blocks:
                    hooks.enter_context(_removed(block.register_forward_hook(note)))
            hooks.enter_context(_removed(self._norm.register_forward_pre_hook(read)))
            logits = self._run(prompt)
        if len(logits) != len(stacked[0]):
            raise UnfitError(f"the head gave {len(logits)} rows of logits for {len(stacked[0])} states")
        return Look(_numbers(logits), stacked[0])

    def _run(self, prompt: Tensors) -> torch.Tensor:
        """Float32 logits of the prompt, shape (tokens, vocabulary)."""
        last, given = self._heard, prompt

        def note(_: Any, args: tuple[Any, ...], inside: dict[str, Any]) -> None:
            self._heard = _Heard(prompt, args, inside)

        def replace(*_: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            assert last is not None
            return last.args, last.inside

        again = self._replays and last is not None and last.prompt is prompt
        if again:
            given = {name: prompt[name] for name in ("input_ids", "attention_mask", "position_ids")}
        with _removed(self.decoder.register_forward_pre_hook(replace if again else note, with_kwargs=True)):
            logits: torch.Tensor = self.model(**given, use_cache=False).logits[0].float()
        return logits


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the language model was given for a prompt: its clip as embeddings among those of the words."""

    prompt: Tensors
    args: tuple[Any, ...]
    inside: dict[str, Any]


def tensors(
    ids: Sequence[int], audio: Tensors, checkpoint: Checkpoint, positions: Sequence[int] | None = None
) -> Tensors:
    """A prompt as the model takes it.

    Args:
        ids: token ids.
        audio: tensors of its clip, batch size 1.
        checkpoint: whose device and dtype they are brought to.
        positions: position of each token; None for 0, 1, 2 ...
    """
    row = torch.tensor([list(ids)], device=checkpoint.device)
    flat = torch.tensor([list(range(len(ids)) if positions is None else positions)], device=checkpoint.device)
    given = {
        name: value.to(checkpoint.device, checkpoint.dtype if value.is_floating_point() else None)
        for name, value in audio.items()
    }
    places = flat.expand(3, *flat.shape) if has_three_axes(checkpoint.model.config) else flat
    return {**given, "input_ids": row, "attention_mask": torch.ones_like(row), "position_ids": places}


def state_of(output: Any) -> torch.Tensor:
    """The hidden states in what a block returns."""
    found: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return found


@contextmanager
def hooked(modules: Sequence[Any], make: Callable[[Any], Any]) -> Iterator[None]:
    """Hooks on modules as long as the context lasts.

    Args:
        modules: in the order in which the hooks are registered.
        make: registers a hook on a module and returns its handle.
    """
    with ExitStack() as hooks:
        for module in modules:
            hooks.enter_context(_removed(make(module)))
        yield


@contextmanager
def _removed(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


def _last(states: torch.Tensor, count: int) -> torch.Tensor:
    if states.dim() != 3 or len(states) != 1:
        raise UnfitError(f"its blocks pass on states of shape {tuple(states.shape)}; expected (1, tokens, width)")
    return states[0, -count:]


def _numbers(logits: torch.Tensor) -> torch.Tensor:
    if logits.isnan().any():
        raise_not_numbers()
    return logits


def _decoder(model: Any) -> Any:
    decoder = model.get_decoder()
    while not hasattr(decoder, "layers") and (inner := decoder.get_decoder()) is not decoder:
        decoder = inner
    if not isinstance(getattr(decoder, "layers", None), torch.nn.ModuleList) or not len(decoder.layers):
        raise UnfitError(f"{type(decoder).__name__} has no list of blocks named layers")
    return decoder


def _norm(model: Any, decoder: Any, prompt: Tensors) -> Any:
    """The part of the decoder whose output is the decoder's."""
    outputs: dict[Any, torch.Tensor] = {}
    whole: list[torch.Tensor] = []

    def note(module: Any, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            outputs[module] = output

    def end(_: Any, __: Any, output: Any) -> None:
        whole.append(output.last_hidden_state if hasattr(output, "last_hidden_state") else state_of(output))

    parts = [module for module in decoder.children() if not isinstance(module, torch.nn.ModuleList)]
    with (
        hooked(parts, lambda module: module.register_forward_hook(note)),
        hooked([decoder], lambda module: module.register_forward_hook(end)),
    ):
        model(**prompt, use_cache=False)
    found = [module for module, output in outputs.items() if output.shape == whole[-1].shape and output is whole[-1]]
    if len(found) != 1:
        raise UnfitError(f"no part of {type(decoder).__name__} gives its final states; expected one final norm")
    return found[0]
