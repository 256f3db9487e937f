"""Token trees are compared with the plain definition: the set of all beginnings of all paths."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.models.prefix_tree import ROOT, Tree, common_length

TOKENS = st.lists(st.integers(0, 2), max_size=6)
PATHS = st.lists(TOKENS, max_size=8)


def spelled(tree: Tree, node: int) -> tuple[int, ...]:
    """Tokens from the prefix down to a node."""
    return tuple(tree.tokens[above] for above in reversed(tree.ancestors(node)))


@given(PATHS)
def test_a_tree_has_one_node_for_each_beginning(paths: list[list[int]]) -> None:
    tree = Tree(paths)
    beginnings = {tuple(path[:length]) for path in paths for length in range(1, len(path) + 1)}
    found = [spelled(tree, node) for node in range(tree.built)]
    assert len(found) == len(beginnings)
    assert set(found) == beginnings
    assert tree.depths == [len(tokens) - 1 for tokens in found]
    assert found == sorted(found)


@given(PATHS)
def test_descendants_are_numbered_without_a_gap(paths: list[list[int]]) -> None:
    tree = Tree(paths)
    for node, end in enumerate(tree.ends()):
        below = [other for other in range(tree.built) if node in tree.ancestors(other)]
        assert below == list(range(node, end))


@given(PATHS, TOKENS)
def test_a_path_is_found_again_and_another_is_not(paths: list[list[int]], other: list[int]) -> None:
    tree = Tree(paths)
    for path in paths:
        nodes = tree.walk(ROOT, path)
        assert [tree.tokens[node] for node in nodes] == path
        assert [tree.parents[node] for node in nodes] == [ROOT, *nodes][: len(path)]
    if other and not any(path[: len(other)] == other for path in paths):
        node: int | None = ROOT
        for token in other:
            node = None if node is None else tree.child(node, token)
        assert node is None


@given(PATHS, st.lists(st.tuples(st.integers(-1, 30), st.integers(0, 3)), max_size=10))
def test_nodes_added_later_come_behind_and_only_once(paths: list[list[int]], additions: list[tuple[int, int]]) -> None:
    tree = Tree(paths)
    for parent, token in additions:
        parent = min(parent, len(tree.tokens) - 1)
        before = tree.child(parent, token)
        node = tree.add(parent, token)
        assert node == (len(tree.tokens) - 1 if before is None else before)
        assert (tree.parents[node], tree.tokens[node]) == (parent, token)
        assert tree.add(parent, token) == tree.child(parent, token) == node
    assert len({spelled(tree, node) for node in range(len(tree.tokens))}) == len(tree.tokens)
    assert len(tree.ends()) == tree.built


@given(st.lists(TOKENS, min_size=1, max_size=5))
def test_what_rows_have_in_common(rows: list[list[int]]) -> None:
    alike = [len(set(column)) == 1 for column in zip(*rows, strict=False)]
    assert common_length(rows) == [*alike, False].index(False)
