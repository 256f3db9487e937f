"""Token trees: everything that is asked after a common prefix, paths that begin alike sharing their nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

ROOT: Final = -1
"""The parent of a tree's first tokens: the last token of the prefix."""


class Tree:
    """Tokens that follow one prefix.

    The paths given at first are numbered in preorder, so that a node's descendants are those numbered from it up to
    its end. Nodes that are added later come behind.

    Args:
        paths: token sequences that begin after the prefix; what they have in common is stored once.

    Attributes:
        tokens: by node.
        parents: by node, `ROOT` at the prefix.
        depths: by node, 0 right after the prefix.
        built: how many nodes the paths made.
    """

    def __init__(self, paths: Iterable[Sequence[int]]) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}
        before: Sequence[int] = ()
        nodes: list[int] = []  # of the path before
        for path in sorted(map(list, paths)):  # in this order a trie's nodes are made in preorder
            del nodes[_shared(before, path) :]
            nodes += self._grow(nodes[-1] if nodes else ROOT, path[len(nodes) :])
            before = path
        self.built = len(self.tokens)

    def add(self, parent: int, token: int) -> int:
        """The child of a node by its token, made if there is none."""
        node = self._children.setdefault((parent, token), len(self.tokens))
        if node == len(self.tokens):
            self.tokens.append(token)
            self.parents.append(parent)
            self.depths.append(0 if parent == ROOT else self.depths[parent] + 1)
        return node

    def child(self, parent: int, token: int) -> int | None:
        """The child of a node by its token, None if there is none."""
        return self._children.get((parent, token))

    def walk(self, node: int, tokens: Sequence[int]) -> list[int]:
        """Nodes of a path that starts below a node.

        Raises:
            KeyError: the tree has no such path.
        """
        found = []
        for token in tokens:
            node = self._children[node, token]
            found.append(node)
        return found

    def ancestors(self, node: int) -> list[int]:
        """A node and all above it, up to the prefix."""
        found = []
        while node != ROOT:
            found.append(node)
            node = self.parents[node]
        return found

    def _grow(self, parent: int, tokens: Sequence[int]) -> range:
        """Nodes of a path below a node that has no child of its first token."""
        first, depth = len(self.tokens), 0 if parent == ROOT else self.depths[parent] + 1
        made = range(first, first + len(tokens))
        parents = [parent, *made[:-1]] if tokens else []
        self.tokens += tokens
        self.parents += parents
        self.depths += range(depth, depth + len(tokens))
        self._children.update(zip(zip(parents, tokens, strict=True), made, strict=True))
        return made

    def ends(self) -> list[int]:
        """For each node as built, the number behind its last descendant's."""
        sizes = [1] * self.built
        for node in reversed(range(self.built)):
            if self.parents[node] != ROOT:
                sizes[self.parents[node]] += sizes[node]
        return [node + size for node, size in enumerate(sizes)]


def common_length(rows: Sequence[list[int]]) -> int:
    """How many tokens all rows begin with alike; at least one row."""
    return _shared(min(rows), max(rows))  # whatever these two share, all between them share


def _shared(one: Sequence[int], two: Sequence[int]) -> int:
    for place, (first, second) in enumerate(zip(one, two, strict=False)):
        if first != second:
            return place
    return min(len(one), len(two))
