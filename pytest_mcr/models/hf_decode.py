"""The plain path: whole prompts prefilled as they are, then greedy text and label scores on their own cache.

The reference that the engine of shared prefixes is compared with, and its fallback. Left-padded rows of one batch are
prefilled once. Each candidate is then fed after the prompt on that cache, and the cache is taken back to the prompt;
greedy decoding goes last. Position ids and the full mask are given explicitly, because a model that is left to guess
them in a left-padded continuation guesses wrongly without an error.

Everything is read off raw logits in float32: no temperature, repetition penalty, n-gram ban or suppression list.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.models.prefix_cache import sees_all
from pytest_mcr.models.prefix_network import Network, raise_not_numbers


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
        network: the model.
        stops: token ids that end an answer.
        turn_end: the token id that closes the assistant's turn in the chat template.
        pad: any token id; fills rows that are masked there.
    """

    def __init__(self, network: Network, stops: frozenset[int], turn_end: int, pad: int) -> None:
        self.network = network
        self.stops = stops
        self.turn_end = turn_end
        self._pad = pad

    def prefill(self, inputs: Tensors) -> Prefilled:
        """Run the prompts of a batch, audio included.

        Args:
            inputs: left-padded ``input_ids`` and ``attention_mask`` of shape (rows, tokens), and audio tensors.

        Raises:
            ArithmeticError: the logits are not numbers.
        """
        mask = inputs["attention_mask"]
        cache = DynamicCache(config=self.network.model.config.get_text_config())
        given: dict[str, Any] = dict(inputs)
        if not self.network.three_axes:  # those families derive their positions from ids and mask themselves
            given["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = self.network.logits(last=True, past_key_values=cache, use_cache=True, **given)
        return self._ready(cache, mask, mask.sum(-1, keepdim=True), logits)

    def resume(self, cache: Any, mask: torch.Tensor, suffixes: Sequence[Sequence[int]]) -> Prefilled:
        """Run the rest of prompts whose beginning is cached.

        Args:
            cache: a row a prompt; used up by this.
            mask: of the cache, shape (rows, positions).
            suffixes: tokens of each row, one or more; shorter ones are padded between beginning and rest.
        """
        longest = max(map(len, suffixes))
        gaps = [longest - len(suffix) for suffix in suffixes]
        ids = [[self._pad] * gap + [*suffix] for gap, suffix in zip(gaps, suffixes, strict=True)]
        real = torch.tensor([[0] * gap + [1] * (longest - gap) for gap in gaps], device=mask.device)
        begun = mask.sum(-1, keepdim=True)
        positions = begun + (real.cumsum(-1) - 1).clamp(min=0)
        mask = torch.cat([mask, real], 1)
        logits = self.network.logits(
            last=True, input_ids=torch.tensor(ids, device=mask.device), attention_mask=mask,
            position_ids=self.network.positions(positions), past_key_values=cache, use_cache=True,
        )  # fmt: skip
        return self._ready(cache, mask, begun + real.sum(-1, keepdim=True), logits)

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
        open_rows = {row for row, limit in enumerate(limits) if limit > 0}
        for step in range(max(limits, default=0)):
            chosen = prefilled.logits.argmax(-1)
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
            self.step(prefilled, chosen)
        return words

    def step(self, prefilled: Prefilled, tokens: torch.Tensor) -> None:
        """Feed one more token a row, shape (rows,), and have the logits of what follows it."""
        ones = torch.ones_like(tokens)[:, None]
        prefilled.logits = self._continue(prefilled, prefilled.cache, tokens[:, None], ones)[:, -1]
        prefilled.mask = torch.cat([prefilled.mask, ones], 1)
        prefilled.lengths = prefilled.lengths + 1

    def regret(self, prefilled: Prefilled, words: Sequence[int]) -> float:
        """By how much another token is more likely than one of the words, at most, in nats; 0 for greedy words.

        Args:
            prefilled: one prompt; used up by this.
            words: token ids that follow it, one or more.
        """
        said = torch.tensor([[*words]], device=prefilled.logits.device)
        logits = self._continue(prefilled, prefilled.cache, said, torch.ones_like(said))
        before = torch.cat([prefilled.logits[:, None], logits[:, :-1]], 1)
        return float((before.max(-1).values - before.gather(-1, said[..., None])[..., 0]).max())

    def _continue(self, prefilled: Prefilled, cache: Any, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Float32 logits after each of the fed tokens, shape (rows, fed, vocabulary)."""
        positions = prefilled.lengths + torch.arange(ids.shape[1], device=ids.device)[None]
        return self.network.logits(
            last=False, input_ids=ids, attention_mask=torch.cat([prefilled.mask, real], 1),
            position_ids=self.network.positions(positions), past_key_values=cache, use_cache=True,
        )  # fmt: skip

    def _ready(self, cache: Any, mask: torch.Tensor, lengths: torch.Tensor, logits: torch.Tensor) -> Prefilled:
        last = logits[:, -1]
        if last.isnan().any():  # its argmax would be a token like any other
            raise_not_numbers()
        return Prefilled(cache, mask, lengths, last)


class _Borrowed:
    """A cache lent for one continuation: rolled back where every layer can be, else a deep copy."""

    def __init__(self, cache: Any, fed: int) -> None:
        self._rolls_back = sees_all(cache)
        self._cache = cache if self._rolls_back else copy.deepcopy(cache)
        self._fed = fed

    def __enter__(self) -> Any:
        return self._cache

    def __exit__(self, *_: object) -> None:
        if self._rolls_back:
            self._cache.crop(-self._fed)
