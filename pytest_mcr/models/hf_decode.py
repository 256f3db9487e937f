"""One prefill, many continuations: greedy text and teacher-forced label scores from the same key-value cache.

Left-padded rows of one batch are prefilled once. Each candidate is then fed after the prompt on that cache, and the
cache is taken back to the prompt; greedy decoding goes last. Position ids and the full mask are given explicitly,
because a model that is left to guess them in a left-padded continuation guesses wrongly without an error.

Everything is read off raw logits in float32: no temperature, repetition penalty, n-gram ban or suppression list.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

HEADLESS: Final = frozenset({"qwen2_audio"})
"""Families that ignore ``logits_to_keep``; their head is applied to the last position by hand, which is what their
own forward does to all positions (a 156,000-word vocabulary at 800 positions would not fit)."""

Tensors = dict[str, torch.Tensor]


@dataclass(slots=True)
class Prefilled:
    """A batch after its prompts.

    Attributes:
        cache: the model's key-value cache.
        mask: attention mask so far, shape (rows, positions).
        lengths: real tokens a row, shape (rows, 1).
        logits: float32 logits of the next token, shape (rows, vocabulary).
    """

    cache: Any
    mask: torch.Tensor
    lengths: torch.Tensor
    logits: torch.Tensor


class Decoder:
    """Runs a causal model over prompts, labels and its own words.

    Args:
        model: the part that speaks (an Omni checkpoint's thinker).
        family: its ``config.model_type``.
        stops: token ids that end an answer.
        turn_end: the token id that closes the assistant's turn in the chat template.
        pad: any token id; fills rows that are masked there.
    """

    def __init__(self, model: Any, family: str, stops: frozenset[int], turn_end: int, pad: int) -> None:
        self.model = model
        self.stops = stops
        self.turn_end = turn_end
        self._pad = pad
        self._headless = family in HEADLESS
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._three_axes = has_three_axes(model.config)

    def prefill(self, inputs: Tensors) -> Prefilled:
        """Run the prompts of a batch, audio included.

        Args:
            inputs: left-padded ``input_ids`` and ``attention_mask`` of shape (rows, tokens), and audio tensors.

        Raises:
            ArithmeticError: the logits are not numbers.
        """
        mask = inputs["attention_mask"]
        cache = DynamicCache(config=self.model.config.get_text_config())
        given = {name: value for name, value in inputs.items() if name != "attention_mask"}
        if not self._three_axes:  # those families derive their positions from ids and mask themselves
            given["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = self._forward(keep_last=True, attention_mask=mask, past_key_values=cache, use_cache=True, **given)
        last = logits[:, -1].float()
        if last.isnan().any():  # its argmax would be a token like any other
            raise ArithmeticError("the model's logits are NaN; type --mcr-dtype float32 if the dtype overflows")
        return Prefilled(cache, mask, mask.sum(-1, keepdim=True), last)

    def score(self, prefilled: Prefilled, labels: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        """Log-probability of each row's labels.

        Args:
            prefilled: the prompts; unchanged afterwards.
            labels: for each row, the token ids of its labels (no end token); rows may have different numbers.

        Returns:
            For each row and label the sum over the label's tokens t_i and the end-of-turn token of
            log p(t_i | prompt, t_<i), in nats, teacher-forced.
        """
        columns = max((len(row) for row in labels), default=0)
        totals: list[list[float]] = [[] for _ in labels]
        first = prefilled.logits.log_softmax(-1)
        for column in range(columns):
            chosen = [row[column] if column < len(row) else [] for row in labels]
            values = self._score_column(prefilled, first, chosen).tolist()
            for total, row, value in zip(totals, labels, values, strict=True):
                if column < len(row):
                    total.append(value)
        return totals

    def _score_column(self, prefilled: Prefilled, first: torch.Tensor, labels: list[Sequence[int]]) -> torch.Tensor:
        """One label a row; an empty one scores the end token alone, and is dropped by the caller."""
        device = first.device
        longest = max(1, *(len(label) for label in labels))
        fed = torch.tensor([[*label, *[self._pad] * (longest - len(label))] for label in labels], device=device)
        lengths = torch.tensor([[len(label)] for label in labels], device=device)
        real = torch.arange(longest, device=device)[None] < lengths
        with _Borrowed(prefilled.cache, longest) as cache:
            logits = self._continue(prefilled, cache, fed, real.long())
        after = torch.cat([first[:, None], logits.log_softmax(-1)], 1)  # row i: what follows i label tokens
        ends = torch.full((len(labels), 1), self.turn_end, device=device)
        targets = torch.cat([fed, ends], 1).scatter(1, lengths, self.turn_end)
        picked = after.gather(-1, targets[..., None])[..., 0]
        counted = torch.arange(longest + 1, device=device)[None] <= lengths
        return torch.where(counted, picked, 0.0).sum(-1)

    def greedy(self, prefilled: Prefilled, limits: Sequence[int]) -> list[list[int]]:
        """The most likely next token, again and again, until a stop token or the row's limit.

        Args:
            prefilled: the prompts; used up by this.
            limits: most tokens of each row.

        Returns:
            Token ids a row, without the stop token.
        """
        words: list[list[int]] = [[] for _ in limits]
        open_rows = set(range(len(limits)))
        logits = prefilled.logits
        for step in range(max(limits, default=0)):
            chosen = logits.argmax(-1)
            for row, token in enumerate(chosen.tolist()):
                if row in open_rows:
                    if token in self.stops:
                        open_rows.discard(row)
                        continue
                    words[row].append(token)
                    if step + 1 >= limits[row]:
                        open_rows.discard(row)
            if not open_rows:
                break
            ones = torch.ones_like(chosen)[:, None]
            logits = self._continue(prefilled, prefilled.cache, chosen[:, None], ones)[:, -1]
            prefilled.mask = torch.cat([prefilled.mask, ones], 1)
            prefilled.lengths = prefilled.lengths + 1
        return words

    def _continue(self, prefilled: Prefilled, cache: Any, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Float32 logits after each of the fed tokens, shape (rows, fed, vocabulary)."""
        positions = prefilled.lengths + torch.arange(ids.shape[1], device=ids.device)[None]
        if self._three_axes:  # text and audio advance all three axes alike
            positions = positions.expand(3, *positions.shape)
        mask = torch.cat([prefilled.mask, real], 1)
        logits = self._forward(
            keep_last=False, input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache,
            use_cache=True,
        )  # fmt: skip
        return logits.float()

    def _forward(self, *, keep_last: bool, **inputs: Any) -> torch.Tensor:
        if self._headless:
            hidden = self.model.model(**inputs).last_hidden_state
            logits: torch.Tensor = self.model.lm_head(hidden[:, -1:] if keep_last else hidden)
            return logits
        if keep_last and self._keeps:
            inputs["logits_to_keep"] = 1
        everywhere: torch.Tensor = self.model(**inputs).logits
        return everywhere


class _Borrowed:
    """A cache lent for one continuation: rolled back where every layer can be, else a deep copy."""

    def __init__(self, cache: Any, fed: int) -> None:
        self._rolls_back = all(type(layer) is DynamicLayer for layer in cache.layers)
        self._cache = cache if self._rolls_back else copy.deepcopy(cache)
        self._fed = fed

    def __enter__(self) -> Any:
        return self._cache

    def __exit__(self, *_: object) -> None:
        if self._rolls_back:
            self._cache.crop(-self._fed)


def has_three_axes(config: Any) -> bool:
    """Whether positions have three axes (time, height, width), as in the Omni thinkers."""
    text = config.get_text_config()
    ropes = [getattr(text, name, None) or {} for name in ("rope_parameters", "rope_scaling")]
    return any("mrope_section" in rope for rope in ropes)
