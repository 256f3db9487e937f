# mypy: allow-untyped-calls
"""The last layer's feed-forward part runs only where it is read, and only in models that bear it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.prefix_cache import new_cache
from pytest_mcr.models.prefix_network import Network
from pytest_mcr.models.prefix_tail import Tail, leaves_out
from tests.unit.tiny_requests import TOLERANCE, ask, clip, decoder_of, drift, loaded, mixed, plain


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


def bears_it(model: HfModel) -> bool:
    inputs = model._inputs.build([ask(clip(0))])
    real = plain(model).model
    return leaves_out(real, inputs, lambda: new_cache(Network(real), 0))


@contextmanager
def counted(model: HfModel) -> Iterator[list[int]]:
    """Places that the last feed-forward part runs at, by pass."""
    seen: list[int] = []
    part = plain(model).model.get_decoder().layers[-1].mlp.gate_proj

    def note(_: Any, given: tuple[torch.Tensor, ...]) -> None:
        seen.append(given[0].numel() // given[0].shape[-1])

    hook = part.register_forward_pre_hook(note)
    try:
        yield seen
    finally:
        hook.remove()


def test_a_prefix_runs_it_nowhere_and_a_tree_where_it_is_read(model: HfModel) -> None:
    request = ask(clip(1), "Is there a dog in the yard of the house?", ("yes", "no"), tokens=0)
    with counted(model) as ran, torch.inference_mode():
        model.respond([request])
    labels = sum(len(plain(model).processor.tokenizer(label)["input_ids"]) for label in request.candidates)
    assert ran == [1 + labels]  # the prompt's last token and the labels'; once, so not for the prefix


def test_answers_are_those_of_the_plain_path(model: HfModel) -> None:
    assert decoder_of(model).network.tail is not None
    assert drift(model, mixed()) < TOLERANCE


def test_the_model_is_as_before_when_the_context_is_left(model: HfModel) -> None:
    tail = Tail(plain(model).model)
    part = plain(model).model.get_decoder().layers[-1].mlp

    def fail() -> None:
        with tail.read_at(None):
            assert not part(torch.ones(1, 2, 64)).any()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert part(torch.ones(1, 2, 64)).any()
    assert "forward" not in vars(part)


def test_a_part_that_mixes_places_is_run_everywhere(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(tiny_model_dir)
    assert bears_it(model)
    kind = type(plain(model).model.get_decoder().layers[-1].mlp)
    own = kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, hidden: own(self, hidden.cumsum(-2)))
    assert not bears_it(model)
    assert decoder_of(loaded(tiny_model_dir)).network.tail is None


def test_a_model_whose_layers_are_elsewhere_is_run_whole(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(tiny_model_dir)
    real = plain(model).model
    monkeypatch.setattr(real, "get_decoder", torch.nn.Module)
    assert Tail(real).exists is False
    assert not leaves_out(real, {}, list)
