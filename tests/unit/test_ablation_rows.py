# mypy: allow-untyped-calls
"""What the ablation learns from, and that each fusion can learn it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from pytest_mcr.data.names import WORDS as NAMES
from pytest_mcr.train import fusion_loop
from pytest_mcr.train.fusion_blocks import FUSIONS, Fusion
from pytest_mcr.train.fusion_data import UNKNOWN, Labelled, Teacher, conflict_samples, heard_pool
from pytest_mcr.train.fusion_ears import Ears
from pytest_mcr.train.fusion_model import FusionModel
from pytest_mcr.train.lab_data import Clip
from tests.unit.tiny_ablation import SMALL, TINY


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def ears() -> Ears:
    return Ears()


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, ears: Ears) -> list[Clip]:
    path = tmp_path_factory.mktemp("ablation") / "clips.safetensors"
    made = heard_pool(path, TINY.clips, lambda: ears, print)

    def never() -> Ears:
        raise AssertionError("the clips are there")

    again = heard_pool(path, TINY.clips, never, print)
    assert all(np.array_equal(one.features, two.features) for one, two in zip(made, again, strict=True))
    return again


@pytest.fixture(scope="module")
def teacher(ears: Ears) -> Teacher:
    return Teacher(ears.tokenizer, ears.width)


def test_clips_are_kept_as_they_are_heard(pool: list[Clip]) -> None:
    assert [clip.task for clip in pool[:4]] == ["SER", "VSC", "SER", "VSC"]
    assert {clip.holds[0] for clip in pool} == {*NAMES["SER"], *NAMES["VSC"]}
    assert all(clip.features.shape[0] == 160 and 2 <= clip.features.shape[1] <= 50 for clip in pool)


def forms(task: str, label: str) -> set[str]:
    return {form.casefold() for slot in NAMES[task][label].seen.values() for form in slot}


def test_conflict_samples_say_what_is_not_so(pool: list[Clip]) -> None:
    samples = conflict_samples(pool, 200, 0)
    assert [sum(one.conflict == label for one in samples) for label in (1, 0, UNKNOWN)] == [80, 90, 30]
    for one in samples:
        assert one.row.clip is not None
        assert one.row.answer == one.row.clip.holds[0]
        text = one.row.prompt.casefold()
        others = [label for label in NAMES[one.row.clip.task] if label != one.row.answer]
        if one.conflict == 1:
            said = text.replace(", ".join(sorted(NAMES[one.row.clip.task])), "")
            assert any(form in said for label in others for form in forms(one.row.clip.task, label)), text


def test_samples_are_those_of_their_seed(pool: list[Clip]) -> None:
    one, two, other = (conflict_samples(pool, 30, seed) for seed in (0, 0, 1))
    assert [row.row.prompt for row in one] == [row.row.prompt for row in two]
    assert [row.row.prompt for row in one] != [row.row.prompt for row in other]


def test_arms_of_a_seed_differ_in_the_conflict_samples_alone(
    pool: list[Clip], teacher: Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[bool, list[list[Labelled]]] = {}
    for conflict in (False, True):
        monkeypatch.setattr(
            fusion_loop, "run_phase",
            lambda _, __, steps, ___, draw, told=conflict: drawn.update({told: [list(draw(s)) for s in range(steps)]}),
        )  # fmt: skip
        plan = replace(TINY.plan, hear=6, rows=8)
        fusion_loop.hear(FusionModel("cross", SMALL), teacher, plan, pool, 0, conflict=conflict)
    fixed = {one.row.prompt for one in conflict_samples(pool, TINY.plan.samples, 0)}
    for step, (none, some) in enumerate(zip(drawn[False], drawn[True], strict=True)):
        assert len(none) == len(some) == 8
        replaced = 0 if step in (2, 5) else 2  # every third is of reading alone
        assert [one.row for one in none[: 8 - replaced]] == [one.row for one in some[: 8 - replaced]]
        assert all(one.row.prompt in fixed for one in some[8 - replaced :])
        assert all(one.conflict == UNKNOWN for one in none)
        assert all(one.row.clip is None for one in none) == (step in (2, 5))


def test_samples_serve_again_only_when_all_served(pool: list[Clip]) -> None:
    samples = conflict_samples(pool, 10, 0)
    take = fusion_loop.over_and_over(samples, 3)
    first, second = take(7) + take(3), take(10)
    assert {id(one) for one in first} == {id(one) for one in second} == {id(one) for one in samples}
    assert [id(one) for one in first] != [id(one) for one in second]


@pytest.mark.parametrize("way", FUSIONS)
def test_each_fusion_learns_to_hear(way: Fusion, pool: list[Clip], teacher: Teacher) -> None:
    """Four clips with one question: only what is heard tells the answers apart."""
    torch.manual_seed(0)
    network = FusionModel(way, SMALL)
    four = [clip for clip in pool if clip.task == "VSC"][:4]
    rows = [Labelled(replace(conflict_samples(pool, 10, 0)[-1].row, clip=clip, answer=clip.holds[0])) for clip in four]
    last = fusion_loop.run_phase(network, teacher, 60, 1e-2, lambda _: rows)
    assert len({clip.holds for clip in four}) == 4
    assert last < 0.1


def test_a_loss_that_is_no_number_ends_the_training(pool: list[Clip], teacher: Teacher) -> None:
    network = FusionModel("cross", SMALL)
    with torch.no_grad():
        network.words.weight.fill_(float("nan"))
    with pytest.raises(ArithmeticError, match="cross: the loss of step 1 is no number"):
        fusion_loop.tune(network, teacher, TINY.plan, pool, 0)
