"""Questions on trees: label scores and greedy text of many prompts that share clips, from few forward passes.

Each prompt's rest and, below it, each of its labels are paths of its clip's tree. One pass scores every label. Greedy
text walks the tree: a label that the model would say anyway is a draft that costs nothing, and only where the walk
leaves the tree does a step have to be run, for all open prompts of the batch together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_mcr.models.prefix_cache import Prefix
from pytest_mcr.models.prefix_forest import Forest
from pytest_mcr.models.prefix_network import Network
from pytest_mcr.models.prefix_stages import Stages
from pytest_mcr.models.prefix_tree import ROOT, Tree


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt.

    Attributes:
        ids: its tokens; the whole prompt, or what follows a prefix.
        labels: token ids of each label, none empty and without an end token.
        limit: most new tokens; 0 for scores alone.
    """

    ids: list[int]
    labels: Sequence[Sequence[int]]
    limit: int

    def after(self, tokens: int) -> Ask:
        """The same prompt without its first tokens."""
        return Ask(self.ids[tokens:], self.labels, self.limit)


@dataclass(slots=True)
class Told:
    """What the model says to one prompt.

    Attributes:
        words: greedy token ids, without the stop token.
        scores: by label, the sum of log p over its tokens and the end-of-turn token, in nats.
    """

    words: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    """A prompt on its way: where it stands in its row's tree, at first at its own last token."""

    row: int
    node: int
    ask: Ask
    told: Told = field(default_factory=Told)


class Walker:
    """Answers prompts on trees.

    Args:
        network: of the model.
        stops: token ids that end an answer.
        turn_end: the token id that closes the assistant's turn.
        stages: where the time goes.
    """

    def __init__(self, network: Network, stops: frozenset[int], turn_end: int, stages: Stages) -> None:
        self._network = network
        self._stops = stops
        self._turn_end = turn_end
        self._stages = stages

    def answer(self, prefix: Prefix, asks: Sequence[Sequence[Ask]], *, last: bool) -> list[list[Told]]:
        """Answer prompts that continue prefixes.

        Args:
            prefix: one row a clip.
            asks: for each row its prompts, without the tokens of the prefix, each with at least one more.
            last: the prefix is not needed afterwards; else it comes back as it was.

        Raises:
            ArithmeticError: the model's logits are not numbers.
        """
        with self._stages("suffix"):
            trees = [Tree(path for ask in row for path in _paths(ask)) for row in asks]
            walks = [
                _Walk(row, tree.walk(ROOT, ask.ids)[-1], ask)
                for row, tree in enumerate(trees)
                for ask in asks[row]
            ]  # fmt: skip
            forest = Forest(self._network, prefix, trees)
            forest.run_built(self._wanted(trees, walks))
            for walk in walks:
                chances = forest.chances[walk.row]
                steps = [self._steps(trees[walk.row], walk.node, label) for label in walk.ask.labels]
                walk.told.scores = [sum(chances[step] for step in path) for path in steps]
        with self._stages("decode"):
            self._speak(forest, trees, [walk for walk in walks if walk.ask.limit > 0], may_drop=last)
            if not last:
                forest.clear()
        told = iter(walks)
        return [[next(told).told for _ in row] for row in asks]

    def _wanted(self, trees: Sequence[Tree], walks: Sequence[_Walk]) -> list[dict[int, list[int]]]:
        """Nodes that a score or a walk can need: all from a prompt's last token on; with tokens of which labels."""
        wanted: list[dict[int, list[int]]] = [{} for _ in trees]
        ends = [tree.ends() for tree in trees]
        for walk in walks:
            for node in range(walk.node, ends[walk.row][walk.node]):
                wanted[walk.row].setdefault(node, [])
            for label in walk.ask.labels:
                for node, token in self._steps(trees[walk.row], walk.node, label):
                    if token not in wanted[walk.row][node]:
                        wanted[walk.row][node].append(token)
        return wanted

    def _steps(self, tree: Tree, leaf: int, label: Sequence[int]) -> list[tuple[int, int]]:
        """Each token of a label and its end, with the node that it follows."""
        return list(zip([leaf, *tree.walk(leaf, label)], [*label, self._turn_end], strict=True))

    def _speak(self, forest: Forest, trees: Sequence[Tree], walks: list[_Walk], *, may_drop: bool) -> None:
        """Greedy words of all walks, the most likely token again and again."""
        while True:
            added: list[list[int]] = [[] for _ in trees]
            going = []
            for walk in walks:
                tree = trees[walk.row]
                token = self._advance(walk, tree, forest.best[walk.row])
                if token is not None:
                    known = len(tree.tokens)
                    walk.node = tree.add(walk.node, token)
                    added[walk.row] += [walk.node] if walk.node == known else []  # else another walk's of this step
                    going.append(walk)
            if not going:
                return
            walks = going
            if may_drop:
                open_rows = {walk.row for walk in walks}
                forest.drop([row not in open_rows for row in range(len(trees))])
            forest.run_added(added)

    def _advance(self, walk: _Walk, tree: Tree, best: dict[int, int]) -> int | None:
        """Walk on along nodes that were run; the token with which the walk leaves them, None where it ends."""
        while True:
            token = best[walk.node]
            if token in self._stops:
                return None
            walk.told.words.append(token)
            if len(walk.told.words) >= walk.ask.limit:
                return None
            child = tree.child(walk.node, token)
            if child is None or child not in best:
                return token
            walk.node = child


def _paths(ask: Ask) -> list[list[int]]:
    """The prompt with each of its labels, each a path of the tree."""
    return [[*ask.ids, *label] for label in ask.labels] or [[*ask.ids]]
