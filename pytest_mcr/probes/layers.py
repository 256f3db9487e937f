"""``--mcr-layers``: which layers of a model are measured. Layer 0 is the embeddings, layer l the output of block l."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_mcr.errors import OptionError

EXPECTED = "expected all, every:N (every N-th and the last) or numbers such as 16,32"


def at_depth(share: float, depth: int) -> int:
    """The layer at a relative depth, in (0, 1]; 1 is the last block, and never the embeddings."""
    return max(1, round(depth * share))


@dataclass(frozen=True, slots=True)
class Layers:
    """A choice of layers, for a model of any depth.

    Attributes:
        text: as it was typed.
        step: every so many layers; None where numbers were given.
        numbers: the given layers, sorted, without repeats.
    """

    text: str
    step: int | None
    numbers: tuple[int, ...] = ()

    def of(self, depth: int) -> list[int]:
        """The chosen layers of a model, in ascending order.

        Args:
            depth: blocks of the model, 1 or more.

        Raises:
            OptionError: a layer that the model does not have.
        """
        if self.step is None:
            beyond = [number for number in self.numbers if number > depth]
            if beyond:
                raise OptionError(
                    f"--mcr-layers {self.text}: the model has no layer {beyond[0]}; "
                    f"expected numbers from 0 (the embeddings) to {depth} (the last)"
                )
            return list(self.numbers)
        first = 0 if self.step == 1 else self.step
        return sorted({*range(first, depth + 1, self.step), depth})


def parse_layers(text: str) -> Layers:
    """Read ``all``, ``every:4`` or ``16,32``.

    Raises:
        OptionError: it is none of these.
    """
    bare = text.strip()
    if bare == "all":
        return Layers(bare, 1)
    if found := re.fullmatch(r"every:0*([1-9][0-9]{0,5})", bare, re.ASCII):
        return Layers(bare, int(found[1]))
    if re.fullmatch(r"[0-9]{1,6}(\s*,\s*[0-9]{1,6})*", bare, re.ASCII):
        return Layers(bare, None, tuple(sorted({int(number) for number in bare.split(",")})))
    raise OptionError(f"--mcr-layers {text!r}: {EXPECTED}")
