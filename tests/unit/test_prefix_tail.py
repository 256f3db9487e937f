# mypy: allow-untyped-calls
"""The end of the last layer runs only where it is read, and only as far as a model bears it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.prefix_cache import new_cache
from pytest_mcr.models.prefix_network import Network
from pytest_mcr.models.prefix_tail import EXTENTS, Extent, Tail, leaves_out
from tests.unit.tiny_requests import TOLERANCE, ask, clip, decoder_of, drift, loaded, mixed, plain


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


def borne(model: HfModel) -> list[Extent]:
    inputs = model._inputs.build([ask(clip(0))])
    real = plain(model).model
    return [extent for extent in EXTENTS if leaves_out(real, extent, inputs, lambda: new_cache(Network(real), 0), 1)]


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


@pytest.mark.parametrize("extent", EXTENTS)
def test_the_model_is_as_before_when_the_context_is_left(model: HfModel, extent: Extent) -> None:
    tail = Tail(plain(model).model, extent)
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
    assert borne(model) == ["attention", "mlp"]
    kind = type(plain(model).model.get_decoder().layers[-1].mlp)
    own = kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, hidden: own(self, hidden.cumsum(-2)))
    assert borne(model) == []
    assert decoder_of(loaded(tiny_model_dir)).network.tail is None


def test_an_attention_whose_output_at_a_place_needs_the_others_gives_it_everywhere(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(plain(loaded(tiny_model_dir)).model.get_decoder().layers[-1].self_attn)
    own = kind.forward

    def mixed_up(self: Any, *given: Any, **named: Any) -> Any:
        out, weights = own(self, *given, **named)
        return out.cumsum(-2), weights

    monkeypatch.setattr(kind, "forward", mixed_up)
    model = loaded(tiny_model_dir)
    assert borne(model) == ["mlp"]
    tail = decoder_of(model).network.tail
    assert tail is not None
    assert tail.extent == "mlp"


def test_an_attention_of_another_kernel_gives_its_output_everywhere(tiny_model_dir: Path) -> None:
    assert borne(loaded(tiny_model_dir, "?attn=eager")) == ["mlp"]


def test_a_real_model_leaves_out_both(model: HfModel) -> None:
    tail = decoder_of(model).network.tail
    assert tail is not None
    assert tail.extent == "attention"


def test_a_model_whose_layers_are_elsewhere_is_run_whole(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(tiny_model_dir)
    real = plain(model).model
    monkeypatch.setattr(real, "get_decoder", torch.nn.Module)
    assert Tail(real, "mlp").exists is False
    assert Tail(real, "attention").exists is False
    assert borne(model) == []
