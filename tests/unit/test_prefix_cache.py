# mypy: allow-untyped-calls
"""Prefixes and their caches; the roomy layer is compared with transformers' own on random sequences of calls."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DYNAMIC_LAYER_TYPE_MAPPING, DynamicLayer

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.prefix_cache import Prefix, RoomyLayer, Shelf, new_cache, prefill, sees_all
from pytest_mcr.models.prefix_network import Network
from tests.unit.tiny import build
from tests.unit.tiny_requests import decoder_of, loaded, passes, plain

Call = tuple[str, int]
CALLS = st.lists(
    st.tuples(st.sampled_from(["update", "update", "update", "crop", "select", "copy"]), st.integers(1, 5)), max_size=12
)


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@pytest.fixture(scope="module")
def network(model: HfModel) -> Network:
    return decoder_of(model).network


def apply(layer: DynamicLayer, call: Call, generator: torch.Generator) -> DynamicLayer:
    kind, number = call
    length = layer.get_seq_length()
    rows = 3 if length == 0 else layer.keys.shape[0]  # type: ignore[union-attr]
    if kind == "update":
        layer.update(*torch.randn((2, rows, 2, number, 4), generator=generator))
    elif kind == "crop" and length > number:
        layer.crop(-number)
    elif kind == "select" and length:
        layer.batch_select_indices(torch.randint(rows, (number,), generator=generator))
    elif kind == "copy":
        layer = copy.deepcopy(layer)
    return layer


@given(CALLS, st.integers(0, 6))
def test_a_roomy_layer_holds_what_a_plain_one_holds(calls: list[Call], room: int) -> None:
    ours: DynamicLayer = RoomyLayer(room)
    theirs = DynamicLayer()
    one, two = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    for call in calls:
        ours, theirs = apply(ours, call, one), apply(theirs, call, two)
        assert ours.get_seq_length() == theirs.get_seq_length()
        if theirs.is_initialized:
            assert torch.equal(ours.keys, theirs.keys)  # type: ignore[arg-type]
            assert torch.equal(ours.values, theirs.values)  # type: ignore[arg-type]


def test_a_step_into_room_moves_nothing() -> None:
    layer = RoomyLayer(room=2)
    places = []
    for _ in range(4):
        layer.update(*torch.zeros(2, 1, 1, 1, 4))
        assert layer.keys is not None
        places.append(layer.keys.data_ptr())
    assert len(set(places)) == 2
    assert places[0] == places[1] == places[2]


def test_a_copy_of_a_roomy_layer_is_apart() -> None:
    layer = RoomyLayer(room=4)
    layer.update(*torch.zeros(2, 1, 1, 3, 4))
    other = copy.deepcopy(layer)
    layer.update(*torch.full((2, 1, 1, 1, 4), 1.0))
    other.update(*torch.full((2, 1, 1, 1, 4), 2.0))
    assert layer.keys is not None
    assert other.keys is not None
    assert float(layer.keys[..., -1, :].max()) == 1.0
    assert float(other.keys[..., -1, :].min()) == 2.0


def test_transformers_own_layers_are_left_as_they_are() -> None:
    assert RoomyLayer not in DYNAMIC_LAYER_TYPE_MAPPING.values()


def test_only_layers_that_see_all_are_replaced(network: Network, tmp_path: Path) -> None:
    cache = new_cache(network, 0)
    assert {type(layer) for layer in cache.layers} == {RoomyLayer}
    assert sees_all(cache)
    sliding = plain(loaded(build(tmp_path / "sliding", sliding_window=24))).model
    kinds = [type(layer).__name__ for layer in new_cache(Network(sliding), 0).layers]
    assert kinds == ["RoomyLayer", "DynamicSlidingWindowLayer"]
    assert not sees_all(new_cache(Network(sliding), 0))


def kept(network: Network, *ids: int) -> Prefix:
    with torch.inference_mode():
        return prefill(network, [list(ids)], {}, room=3)


KEY = ("digest", 1, 1)


def test_a_prefix_that_is_taken_serves_its_beginning(network: Network) -> None:
    shelf = Shelf()
    shelf.put(KEY, kept(network, 5, 6, 7, 8))
    taken = shelf.take(KEY, [5, 6, 9], least=2)
    assert taken is not None
    assert taken.ids == [[5, 6]]
    assert taken.width == taken.cache.get_seq_length() == 2
    fresh = kept(network, 5, 6)
    assert torch.allclose(taken.cache.layers[1].keys, fresh.cache.layers[1].keys, atol=1e-5)
    assert shelf.keys() == set()


@pytest.mark.parametrize(
    ("ids", "least", "found"),
    [([5, 6, 7, 8, 9], 4, 4), ([5, 6, 7, 8], 2, 4), ([5, 6, 9], 3, None), ([6, 5], 1, None)],
)
def test_a_prefix_must_hold_the_audio(network: Network, ids: list[int], least: int, found: int | None) -> None:
    shelf = Shelf()
    shelf.put(KEY, kept(network, 5, 6, 7, 8))
    taken = shelf.take(KEY, ids, least)
    assert (None if taken is None else taken.width) == found
    assert shelf.take(("another", 1, 1), ids, 1) is None


def test_the_clip_that_was_longest_not_used_goes(network: Network) -> None:
    shelf = Shelf(size=2)
    one, two, three = (("clip", number, 1) for number in range(3))
    for key in (one, two):
        shelf.put(key, kept(network, 5, 6))
    taken = shelf.take(one, [5, 6, 7], 1)
    assert taken is not None
    shelf.put(one, taken)
    shelf.put(three, kept(network, 5, 6))
    assert shelf.keys() == {one, three}
    shelf.clear()
    assert shelf.keys() == set()


def test_a_cache_that_cannot_be_cut_is_used_whole_or_not(tmp_path: Path) -> None:
    real: Any = plain(loaded(build(tmp_path / "sliding", sliding_window=3))).model
    network, shelf = Network(real), Shelf()
    for ids, found in (([5, 6, 7, 8, 9], 4), ([5, 6, 7], None)):
        shelf.put(KEY, kept(network, 5, 6, 7, 8))
        taken = shelf.take(KEY, ids, 1)
        assert (None if taken is None else taken.width) == found


def test_repeating_leaves_the_prefix_alone(network: Network) -> None:
    prefix = kept(network, 5, 6, 7)
    cache = prefix.repeated([0, 0])
    cache.crop(-2)
    assert cache.layers[0].keys.shape[0] == 2
    assert prefix.cache.layers[0].keys.shape[:1] + prefix.cache.layers[0].keys.shape[2:3] == (1, 3)


def test_shorter_prefixes_are_padded_on_the_left(model: HfModel, network: Network) -> None:
    with torch.inference_mode(), passes(plain(model).model) as seen:
        prefix = prefill(network, [[5, 6, 7, 8], [9, 10]], {}, room=0)
    assert [(one.rows, one.tokens) for one in seen] == [(2, 4)]
    assert prefix.mask.tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]
    alone = kept(network, 9, 10)
    assert torch.allclose(prefix.cache.layers[1].keys[1:, :, 2:], alone.cache.layers[1].keys, atol=1e-4)
