# mypy: allow-untyped-calls
"""Attention that answers at chosen places gives there what it gives everywhere, and stores the same keys."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.prefix_queries import CHOSEN, Queries, _slots
from tests.unit.tiny_requests import loaded, plain

ROWS, TOKENS, PAST = 3, 9, 4
PLACES = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, TOKENS - 1)), min_size=1, max_size=9, unique=True)


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


def attention_of(model: HfModel) -> Any:
    return plain(model).model.get_decoder().layers[-1].self_attn


def tensors(*places: int) -> torch.Tensor:
    return torch.tensor(places)


@torch.inference_mode()
def attend(attention: Any, *, masked: bool = True) -> torch.Tensor:
    """What it gives for noise, with every node seeing its own half of the others."""
    noise = torch.Generator().manual_seed(0)
    hidden = torch.randn(ROWS, TOKENS, attention.config.hidden_size, generator=noise)
    angles = torch.randn(1, TOKENS, attention.head_dim, generator=noise)
    sees = (torch.rand(ROWS, 1, TOKENS, TOKENS, generator=noise) < 0.5) | torch.eye(TOKENS, dtype=torch.bool)
    mask = torch.zeros(sees.shape).masked_fill_(~sees, torch.finfo(torch.float32).min)
    out: torch.Tensor = attention(hidden, (angles.cos(), angles.sin()), mask if masked else None)[0]
    return out


@given(PLACES, st.booleans())
@settings(max_examples=40)
def test_chosen_places_are_as_if_all_were_asked(model: HfModel, places: list[tuple[int, int]], masked: bool) -> None:
    attention = attention_of(model)
    chosen = tensors(*(row for row, _ in places)), tensors(*(column for _, column in places))
    whole = attend(attention, masked=masked)
    with Queries(attention).read_at(chosen):
        some = attend(attention, masked=masked)
    torch.testing.assert_close(some[chosen], whole[chosen], rtol=0, atol=1e-5 * float(whole.abs().max()))
    unread = torch.ones(ROWS, TOKENS, dtype=torch.bool)
    unread[chosen] = False
    assert not some[unread].any()


def test_one_place_asks_the_kernel_for_one_query(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    own = torch.nn.functional.scaled_dot_product_attention

    def note(query: torch.Tensor, *others: Any, **given: Any) -> torch.Tensor:
        asked.append(query.shape[2])
        return own(query, *others, **given)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", note)
    for places in ((tensors(0, 2), tensors(3, 8)), None):
        with Queries(attention_of(model)).read_at(places):
            attend(attention_of(model))
    groups = attention_of(model).num_key_value_groups  # queries of a group are put behind one another
    assert asked == [groups]  # and for no place nothing at all


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99)), min_size=1, max_size=30))
def test_every_place_has_a_slot_of_its_own(places: list[tuple[int, int]]) -> None:
    row, column = tensors(*(one for one, _ in places)), tensors(*(one for _, one in places))
    slot, index = _slots(row, column, 5)
    assert torch.equal(index[row, slot], column)
    assert len(set(zip(row.tolist(), slot.tolist(), strict=True))) == len(places)
    assert index.shape[1] == max(row.tolist().count(one) for one in range(5))


def test_the_module_is_as_before_when_the_context_is_left(model: HfModel) -> None:
    attention = attention_of(model)
    config, whole = attention.config, attend(attention)

    def fail() -> None:
        with Queries(attention).read_at(None):
            assert attention.config._attn_implementation == CHOSEN
            assert attention.config.hidden_size == config.hidden_size
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert attention.config is config
    assert torch.equal(attend(attention), whole)


def test_another_kernel_or_shape_is_left_alone(tiny_model_dir: Path, model: HfModel) -> None:
    assert Queries(attention_of(model)).exists
    assert not Queries(attention_of(loaded(tiny_model_dir, "?attn=eager"))).exists
    assert not Queries(torch.nn.Identity()).exists
    with Queries(torch.nn.Identity()).read_at(None):
        pass
