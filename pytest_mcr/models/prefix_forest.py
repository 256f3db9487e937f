"""Token trees run through a model: one row a clip, every node seeing its prefix, its ancestors and itself.

The mask is what makes many prompts on one cache possible (tree attention: Miao et al. 2024, SpecInfer,
arXiv 2305.09781, section 4): a node's position is its prefix's length plus its depth, wherever it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_mcr.models.prefix_cache import Prefix
from pytest_mcr.models.prefix_network import Network, Read
from pytest_mcr.models.prefix_tree import Tree

FILLER: Final = 0
"""Token of padding nodes, which see themselves only besides the prefix, and which nobody sees or reads."""

Wanted = Mapping[int, Sequence[int]]
"""For a tree's nodes, the tokens whose log-probability after them is asked for."""


class Forest:
    """Trees on the prefixes of a batch.

    Args:
        network: of the model.
        prefix: whose cache the trees are written behind.
        trees: one a row.

    Attributes:
        best: for each row, the most likely next token by node, of the nodes that were read.
        chances: for each row, log-probabilities in nats by (node, next token).
        used: cache positions written behind the prefix.
    """

    def __init__(self, network: Network, prefix: Prefix, trees: Sequence[Tree]) -> None:
        self._network = network
        self._prefix = prefix
        self._trees = trees
        self._lengths = [len(row) for row in prefix.ids]
        self._columns: list[list[int]] = [list(range(tree.built)) for tree in trees]
        self._live = list(range(len(trees)))  # cache rows still there, as rows of ours
        self._mask = prefix.mask
        self.best: list[dict[int, int]] = [{} for _ in trees]
        self.chances: list[dict[tuple[int, int], float]] = [{} for _ in trees]
        self.used = 0

    def run_built(self, wanted: Sequence[Wanted]) -> None:
        """Run all nodes that the trees were built with, in one forward pass.

        Args:
            wanted: for each row the nodes to read; others are only written to the cache.
        """
        width = max((tree.built for tree in self._trees), default=0)
        if not width:
            return
        own = np.arange(width)
        ends = np.tile(own + 1, (len(self._trees), 1))  # of padding: sees and is seen by itself
        for row, tree in enumerate(self._trees):
            ends[row, : tree.built] = tree.ends()
        index = torch.from_numpy(own).to(self._network.device)
        last = torch.from_numpy(ends).to(self._network.device)
        # In preorder, node i descends from node j exactly when j <= i < end of j.
        below = (index[None, None] <= index[None, :, None]) & (index[None, :, None] < last[:, None])
        seen = self._mask.bool()[:, None].expand(-1, width, -1)
        self._run([list(range(tree.built)) for tree in self._trees], torch.cat([seen, below], -1), wanted)

    def run_added(self, nodes: Sequence[Sequence[int]]) -> None:
        """Run nodes that were added to the trees since, and read them all.

        Args:
            nodes: for each row those that were not run yet, whose parents were.
        """
        rows = [nodes[row] for row in self._live]
        width = max(map(len, rows))
        seen = np.zeros((len(rows), width, self.used + width), np.bool_)
        seen[:, np.arange(width), self.used + np.arange(width)] = True
        for line, (row, added) in enumerate(zip(self._live, rows, strict=True)):
            columns = self._columns[row]
            columns += range(self.used, self.used + len(added))
            for place, node in enumerate(added):
                seen[line, place, [columns[above] for above in self._trees[row].ancestors(node)]] = True
        prefix = self._mask.bool()[:, None].expand(-1, width, -1)
        trees = torch.from_numpy(seen).to(self._network.device)
        self._run(rows, torch.cat([prefix, trees], -1), [dict.fromkeys(added, ()) for added in rows])

    def drop(self, done: Sequence[bool]) -> None:
        """Take finished rows out of the cache, once they are half of it; the prefix is of no use afterwards."""
        left = [line for line, row in enumerate(self._live) if not done[row]]
        if 0 < len(left) <= len(self._live) // 2:
            indices = torch.tensor(left, device=self._network.device)
            self._prefix.cache.batch_select_indices(indices)
            self._mask = self._mask[indices]
            self._live = [self._live[line] for line in left]

    def clear(self) -> None:
        """Take all nodes back out of the cache."""
        if self.used:
            self._prefix.cache.crop(-self.used)
            self.used = 0

    def _run(self, nodes: Sequence[Sequence[int]], visible: torch.Tensor, wanted: Sequence[Wanted]) -> None:
        """One forward pass of some nodes of each live row.

        Args:
            nodes: for each live row.
            visible: what each node sees, shape (live rows, nodes, positions).
            wanted: as for `run_built`, for each live row.
        """
        width = visible.shape[1]
        ids = np.full((len(nodes), width), FILLER)
        positions = np.zeros((len(nodes), width), np.int64)
        for line, (row, chosen) in enumerate(zip(self._live, nodes, strict=True)):
            tree = self._trees[row]
            ids[line, : len(chosen)] = [tree.tokens[node] for node in chosen]
            positions[line, : len(chosen)] = [tree.depths[node] for node in chosen]
            positions[line] += self._lengths[row]
        read = self._read(nodes, wanted, ids, positions, visible)
        self.used += width
        place = 0
        for row, asked in zip(self._live, wanted, strict=True):
            for node, tokens in asked.items():
                self.best[row][node] = read.best[place]
                for token, chance in zip(tokens, read.chances[place], strict=False):  # padded to the longest
                    self.chances[row][node, token] = chance
                place += 1

    def _read(
        self,
        nodes: Sequence[Sequence[int]],
        wanted: Sequence[Wanted],
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        visible: torch.Tensor,
    ) -> Read:
        network = self._network
        first = [chosen[0] if chosen else 0 for chosen in nodes]  # a run's nodes are numbered without a gap
        places = [
            (line, node - first[line], tokens) for line, asked in enumerate(wanted) for node, tokens in asked.items()
        ]
        lowest = torch.finfo(network.dtype).min
        mask = torch.zeros(visible.shape, dtype=network.dtype, device=network.device).masked_fill_(~visible, lowest)
        return network.read(
            [line for line, _, _ in places],
            [column for _, column, _ in places],
            [tokens for _, _, tokens in places],
            input_ids=torch.from_numpy(ids).to(network.device),
            attention_mask=mask[:, None],
            position_ids=network.positions(torch.from_numpy(positions).to(network.device)),
            past_key_values=self._prefix.cache,
            use_cache=True,
        )
