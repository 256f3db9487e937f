# mypy: allow-untyped-calls
"""A checkpoint beside a processor that cannot be saved, and how a processor is built without its picture parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import transformers as hf


def blind(kind: Any) -> Any:
    """A processor class that may be built without its picture parts."""

    class Blind(kind):  # type: ignore[misc]
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            return None if argument is None else super().check_argument_for_proper_class(argument_name, argument)

    return Blind


VISION = ("<|image|>", "<|video|>", "<|vision_bos|>", "<|vision_eos|>")


def seeing(tokenizer: Any, **named: str) -> Any:
    """A tokenizer that names its special tokens as attributes, as those of multimodal checkpoints do."""
    for name, token in named.items():
        setattr(tokenizer, name, token)
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
    return tokenizer


@dataclass(frozen=True)
class StandIn:
    """A saved checkpoint without a processor, and the processor."""

    folder: Path
    processor: Any
    patches: tuple[AbstractContextManager[Any], ...] = ()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The auto class gives the stand-in, as it would load the family's own."""
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(hf.AutoProcessor, "from_pretrained", return_value=self.processor))
            for patch in self.patches:  # of what the model class itself cannot be built without
                stack.enter_context(patch)
            yield
