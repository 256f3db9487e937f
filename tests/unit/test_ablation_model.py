# mypy: allow-untyped-calls
"""The ablation's four fusions: equal in size, causal, blind to padding; what is saved is what is loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pytest_mcr.errors import ModelError
from pytest_mcr.train.fusion_blocks import FUSIONS, Cross, Fusion, Gated, TwoWay
from pytest_mcr.train.fusion_data import UNKNOWN, Lesson
from pytest_mcr.train.fusion_loop import SIGNAL_WEIGHT, loss_of
from pytest_mcr.train.fusion_model import (
    CONFIG,
    WEIGHTS,
    Batch,
    FusionModel,
    Size,
    hidden_of,
    load,
    parameters,
    save,
    sight_of,
)  # fmt: skip

SMALL = Size(parameters=12_000, width=16, layers=2, heard=5, vocabulary=40)


def made(fusion: Fusion, seed: int = 0) -> FusionModel:
    torch.manual_seed(seed)
    return FusionModel(fusion, SMALL).eval()


def batch(ids: list[list[int]], asked: list[int], heard: list[torch.Tensor]) -> Batch:
    pad = torch.nn.utils.rnn.pad_sequence
    return Batch(
        pad([torch.tensor(row) for row in ids], batch_first=True), torch.tensor(asked), pad(heard, batch_first=True),
        torch.tensor([len(one) for one in heard]),
    )  # fmt: skip


def clip(frames: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(frames, SMALL.heard, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20)
@given(st.integers(450_000, 900_000), st.sampled_from([48, 64, 96]), st.integers(2, 3))
def test_fusions_are_equally_large(aimed: int, width: int, layers: int) -> None:
    size = Size(aimed, width, layers)
    with torch.device("meta"):
        counts = [parameters(FusionModel(fusion, size)) for fusion in FUSIONS]
    assert max(counts) / min(counts) < 1.05
    assert all(abs(count / aimed - 1) < 0.05 for count in counts)


def test_too_few_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="1000 parameters are too few for twoway of width 96"):
        hidden_of("twoway", Size(1000))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_nothing_looks_ahead(fusion: Fusion) -> None:
    """What an answer goes on with changes nothing before it, also not by way of the audio."""
    model, heard = made(fusion), [clip(6)]
    one = model(batch([[3, 4, 5, 6, 7]], [3], heard))
    two = model(batch([[3, 4, 5, 6, 9]], [3], heard))
    assert torch.equal(one[:, :4], two[:, :4])
    assert not torch.allclose(one[:, 4], two[:, 4])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_neighbours_and_padding_change_nothing(fusion: Fusion) -> None:
    model = made(fusion)
    rows, asked = [[3, 4, 5], [7, 8, 9, 10, 11, 12], [1, 2, 3, 4]], [3, 4, 2]
    heard = [clip(2), clip(9, 2), torch.zeros(0, SMALL.heard)]
    together = model(batch(rows, asked, heard))
    for number, row in enumerate(rows):
        alone = model(batch([row], [asked[number]], [heard[number]]))[0]
        torch.testing.assert_close(together[number, : len(row)], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_both_are_heard(fusion: Fusion) -> None:
    model = made(fusion)
    states = [
        model(batch([[3, 4, text]], [3], [heard]))[0, -1]
        for text, heard in ((5, clip(6)), (6, clip(6)), (5, clip(6, 9)), (5, torch.zeros(0, SMALL.heard)))
    ]
    assert all(not torch.allclose(states[0], other, atol=1e-3) for other in states[1:])


def test_audio_asks_the_question_and_never_the_answer() -> None:
    sight = sight_of(batch([[1, 2, 3, 4], [1, 2, 3, 0]], [2, 3], [clip(2), clip(1)]))
    assert sight.question[:, 0, 0].tolist() == [[True, True, False, False], [True, True, True, False]]
    assert sight.audio[:, 0, 0].tolist() == [[True, True, True], [True, True, False]]
    assert sight.joint[1, 0, 3].tolist() == [True, True, False, True, False, False, False]


def test_two_ways_share_their_weights_and_halve_their_reach() -> None:
    """With the same states on both sides each learns the same."""
    torch.manual_seed(0)
    block, same = TwoWay(16, 8), torch.randn(1, 1, 16)
    x, a = block(same, same, sight_of(batch([[1]], [1], [torch.zeros(0, 5)])))
    torch.testing.assert_close(x, a)
    normed = block.norm(same)
    expected = same + (block.own(normed, normed, None) + block.other(normed, normed, None)) / 2
    torch.testing.assert_close(x, block.mlp(expected))


@pytest.mark.parametrize(("bias", "side"), [(60.0, "audio"), (-60.0, "text")])
def test_the_gate_lets_one_side_through(bias: float, side: str) -> None:
    torch.manual_seed(0)
    block, x, a = Gated(16, 8), torch.randn(1, 3, 16), torch.randn(1, 4, 16)
    with torch.no_grad():
        block.weigh.bias.fill_(bias)
    sight = sight_of(batch([[1, 2, 3]], [3], [clip(3)]))
    normed = block.norm(x)
    only = block.audio(normed, a, sight.audio) if side == "audio" else block.text(normed, normed, None)
    torch.testing.assert_close(block(x, a, sight)[0], block.mlp(x + only))
    assert block.gate.shape == block.conflict.shape == (1, 3)


def test_the_gate_knows_the_conflict_signal() -> None:
    torch.manual_seed(0)
    block, x, a = Gated(16, 8), torch.randn(1, 3, 16), torch.randn(1, 4, 16)
    sight = sight_of(batch([[1, 2, 3]], [3], [clip(3)]))
    block(x, a, sight)
    before = block.gate
    with torch.no_grad():
        block.signal[-1].bias += 5.0  # type: ignore[assignment, operator]
    block(x, a, sight)
    moved = block.gate.logit() - before.logit()
    torch.testing.assert_close(moved, torch.full_like(moved, 5.0 * block.weigh.weight[0, -1].item()))


def test_only_a_gated_model_has_gates() -> None:
    model = made("gated")
    model(batch([[1, 2]], [2], [clip(3)]))
    gate, signal = model.gates()
    assert gate.shape == signal.shape == (1, 2)
    assert bool(((gate > 0) & (gate < 1)).all())
    with pytest.raises(TypeError, match="cross has no gate"):
        made("cross").gates()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_loss_is_that_of_the_answers(fusion: Fusion) -> None:
    model = made(fusion)
    given = batch([[1, 2, 3, 4], [5, 6, 7, 8]], [3, 2], [clip(3), clip(2)])
    where, targets = torch.tensor([[0, 0, 1], [2, 3, 1]]), torch.tensor([4, 9, 7])
    lesson = Lesson(given, where, targets, torch.tensor([1, UNKNOWN]), torch.tensor([2, 1]))
    logs = model.logits(model(given)).log_softmax(-1)
    expected = -(logs[0, 2, 4] + logs[0, 3, 9] + logs[1, 1, 7]) / 3
    unlabelled = loss_of(model, replace(lesson, conflict=torch.tensor([UNKNOWN, UNKNOWN])))
    torch.testing.assert_close(unlabelled, expected)
    if fusion == "gated":
        expected = expected - SIGNAL_WEIGHT * functional.logsigmoid(model.gates()[1][0, 2])
    torch.testing.assert_close(loss_of(model, lesson), expected)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    model, given = made("twoway"), batch([[1, 2, 3]], [2], [clip(4)])
    save(model, tmp_path / "one", {"arm": "none", "seed": 3})
    again, told = load(tmp_path / "one")
    assert torch.equal(again(given), model(given))
    assert (told["fusion"], told["arm"], told["seed"]) == ("twoway", "none", 3)


@pytest.mark.parametrize("broken", ["no folder", "no weights", "torn", "fusion", "other weights", "no object"])
def test_another_folder_is_refused_in_one_line(tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "one"
    if broken != "no folder":
        save(made("cross"), folder, {})
    if broken == "no weights":
        (folder / WEIGHTS).unlink()
    elif broken == "torn":
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:99])
    elif broken == "fusion":
        told = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**told, "fusion": "late"}))
    elif broken == "other weights":
        save(made("gated"), tmp_path / "two", {})
        (tmp_path / "two" / WEIGHTS).replace(folder / WEIGHTS)
    elif broken == "no object":
        (folder / CONFIG).write_text("[]")
    with pytest.raises(ModelError) as caught:
        load(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{folder}: no model of the fusion ablation (")
    assert text.endswith("python -m pytest_mcr.train.fusion makes them")


def test_cross_attention_leaves_the_audio_alone() -> None:
    block, a = Cross(16, 8), torch.randn(1, 4, 16)
    assert block(torch.randn(1, 2, 16), a, sight_of(batch([[1, 2]], [2], [clip(3)])))[1] is a
