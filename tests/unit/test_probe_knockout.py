# mypy: allow-untyped-calls
"""The white box on a tiny Qwen2-Audio: exact relations, each with a control that shows that it could fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import Checkpoint, load_checkpoint
from pytest_mcr.probes import lens
from pytest_mcr.probes.attention import attend, eager, log_density, share
from pytest_mcr.probes.body import Body, UnfitError, tensors
from pytest_mcr.probes.knockout import Cut, knocked_out, without
from pytest_mcr.probes.patching import patched
from pytest_mcr.probes.questions import Conflict, Posed, pose
from pytest_mcr.probes.trials import Fitness, try_out
from tests.unit.tiny import build
from tests.unit.tiny_conflicts import ALONE, conflict, gap
from tests.unit.tiny_requests import TOLERANCE, clip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = build(tmp_path_factory.mktemp("tiny") / "deep", layers=3)
    return load_checkpoint(folder, device="cpu", dtype="float32", attention=None)


@pytest.fixture(scope="module")
def inputs(checkpoint: Checkpoint) -> Iterator[Inputs]:
    made = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id)
    yield made
    made.close()


@pytest.fixture(scope="module")
def posed(checkpoint: Checkpoint, inputs: Inputs) -> Posed:
    return pose(conflict(), inputs, checkpoint)


@pytest.fixture(params=["sdpa", "eager"])
def body(request: pytest.FixtureRequest, checkpoint: Checkpoint, posed: Posed) -> Iterator[Body]:
    checkpoint.model.set_attn_implementation(request.param)
    made = Body(checkpoint)
    made.find_norm(posed.joint)
    yield made
    checkpoint.model.set_attn_implementation("sdpa")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def ids_of(prompt: dict[str, torch.Tensor]) -> list[int]:
    return [int(token) for token in prompt["input_ids"][0]]


def test_the_tokens_of_a_real_prompt_are_told_apart(posed: Posed, checkpoint: Checkpoint) -> None:
    tokenizer = checkpoint.processor.tokenizer
    ids = ids_of(posed.joint)

    def words(places: tuple[int, ...]) -> str:
        return str(tokenizer.decode([ids[place] for place in places]))

    assert words(posed.spans.text) == "Text: A dog is barking in the yard.\n"
    assert words(posed.spans.question) == ALONE
    assert "You are a helpful assistant" in words(posed.spans.template)
    assert {ids[place] for place in posed.spans.audio} == {checkpoint.audio_token_id}
    assert posed.spans.exact


def test_every_layer_is_read_by_the_models_own_head(body: Body, posed: Posed) -> None:
    for prompt in (posed.joint, posed.alone):
        look, own = body.look(prompt, every=True), body.own_logits(prompt)
        hidden = body.model(**prompt, use_cache=False, output_hidden_states=True).hidden_states
        assert look.logits.shape[0] == len(hidden) == body.depth + 1
        curve = lens.margins(look, posed.labels)
        expected = float(own[posed.labels.gold] - own[posed.labels.text])
        assert curve[-1] == pytest.approx(expected, abs=TOLERANCE)
        for layer in range(body.depth):  # by definition: norm, then the difference of two rows of the head
            rows = body.model.get_output_embeddings().weight
            state = body.decoder.norm(hidden[layer][0, -1])
            by_hand = float(state @ (rows[posed.labels.gold] - rows[posed.labels.text]))
            assert curve[layer] == pytest.approx(by_hand, abs=TOLERANCE)
        assert np.ptp(curve) > 100 * TOLERANCE
        assert gap(body.look(prompt).logits[0], own) < TOLERANCE


def test_cutting_nothing_is_bit_equal(body: Body, posed: Posed) -> None:
    own = body.look(posed.joint).logits
    with knocked_out(body, [1, 2, 3], Cut((), to_all=True), posed.spans.length):
        assert torch.equal(body.look(posed.joint).logits, own)
    with knocked_out(body, [1, 2, 3], Cut((0,), to_all=True), posed.spans.length):  # the sink is not cut
        assert torch.equal(body.look(posed.joint).logits, own)
    with knocked_out(body, [], Cut(posed.spans.text, to_all=True), posed.spans.length):
        assert torch.equal(body.look(posed.joint).logits, own)


def test_a_text_cut_off_everywhere_is_an_absent_text_at_the_same_positions(
    body: Body, posed: Posed, checkpoint: Checkpoint
) -> None:
    ids, text = ids_of(posed.joint), set(posed.spans.text)
    kept = [place for place in range(len(ids)) if place not in text]
    audio = {name: value for name, value in posed.joint.items() if "feature" in name}
    absent = body.own_logits(tensors([ids[place] for place in kept], audio, checkpoint, kept))
    everywhere = [1, 2, 3]
    cuts = {
        "all": (everywhere, Cut(posed.spans.text, to_all=True)),
        "last alone": (everywhere, Cut(posed.spans.text, to_all=False)),
        "two of three blocks": ([1, 2], Cut(posed.spans.text, to_all=True)),
        "one token less": (everywhere, Cut(posed.spans.text[1:], to_all=True)),
        "audio": (everywhere, Cut(posed.spans.audio, to_all=True)),
    }
    gaps = {}
    for name, (layers, cut) in cuts.items():
        with knocked_out(body, layers, cut, posed.spans.length):
            gaps[name] = gap(body.look(posed.joint).logits[0], absent)
    assert gaps.pop("all") < TOLERANCE
    assert min(gaps.values()) > 100 * TOLERANCE
    closed_up = body.own_logits(tensors([ids[place] for place in kept], audio, checkpoint))
    assert gap(closed_up, absent) > 100 * TOLERANCE  # positions are kept: a cut text is not quite an absent one


def test_the_hooks_are_gone_afterwards(body: Body, posed: Posed) -> None:
    own = body.look(posed.joint).logits
    cut = Cut(posed.spans.text, to_all=True)
    with knocked_out(body, [1], cut, posed.spans.length), patched(body, 1, torch.zeros(64)):
        assert not torch.equal(body.look(posed.joint).logits, own)
    assert torch.equal(body.look(posed.joint).logits, own)
    with pytest.raises(RuntimeError), patched(body, 1, torch.zeros(63)):  # of another width
        body.look(posed.joint)
    assert torch.equal(body.look(posed.joint).logits, own)


def test_a_mask_that_has_no_edges_is_refused(posed: Posed) -> None:
    edges = torch.zeros(3, 3, dtype=torch.bool)
    for mask in (torch.ones(1, 3), torch.ones(1, 1, 3, 4), "block"):
        with pytest.raises(UnfitError, match="expected an entry for each edge"):
            without(mask, edges)  # type: ignore[arg-type]


def test_patching_goes_from_no_effect_to_the_other_run(body: Body, posed: Posed) -> None:
    joint, alone = body.look(posed.joint, every=True), body.look(posed.alone, every=True)
    own = body.look(posed.joint).logits
    with patched(body, 2, joint.states[2]):
        assert torch.equal(body.look(posed.joint).logits, own)
    with patched(body, body.depth, alone.states[-1]):  # at the top it replaces the output, by construction
        assert gap(body.look(posed.joint).logits[0], alone.logits[-1]) < TOLERANCE
    with patched(body, 1, alone.states[1]):
        between = body.look(posed.joint).logits[0]
    assert gap(between, joint.logits[-1]) > 100 * TOLERANCE
    assert gap(between, alone.logits[-1]) > 100 * TOLERANCE


def test_attention_adds_up_and_the_model_is_given_back_as_it_was(body: Body, posed: Posed) -> None:
    before = (body.decoder.config._attn_implementation, body.look(posed.joint).logits)
    found = attend(body, posed.joint)
    assert found.reason is None
    assert found.values is not None
    assert found.weights.shape == found.values.shape == (body.depth, posed.spans.length)
    assert found.weights.sum(1) == pytest.approx(1.0, abs=1e-5)
    assert body.decoder.config._attn_implementation == before[0]
    assert torch.equal(body.look(posed.joint).logits, before[1])
    text, audio = (found.weights[:, list(places)] for places in (posed.spans.text, posed.spans.audio))
    assert log_density(found.weights, posed.spans) == pytest.approx(np.log(text.mean(1) / audio.mean(1)))
    rest = 1 - found.weights[:, list(posed.spans.sink)].sum(1)
    assert share(found.weights, posed.spans.text, posed.spans) == pytest.approx(text.sum(1) / rest, abs=1e-5)
    with pytest.raises(ZeroDivisionError), eager(body):
        raise ZeroDivisionError
    assert body.decoder.config._attn_implementation == before[0]


def test_labels_with_a_common_beginning_are_compared_behind_it(checkpoint: Checkpoint, inputs: Inputs) -> None:
    plain, forced = (pose(conflict(text=text), inputs, checkpoint) for text in ("yes", "no dog"))
    begin = [int(token) for token in checkpoint.processor.tokenizer("no")["input_ids"]]
    assert list(forced.labels.forced) == begin
    assert forced.labels.gold == checkpoint.turn_end
    assert ids_of(forced.joint) == [*ids_of(plain.joint), *begin]
    assert ids_of(forced.alone) == [*ids_of(plain.alone), *begin]
    assert forced.spans.exact


def test_a_prompt_without_a_text_is_no_conflict(checkpoint: Checkpoint, inputs: Inputs) -> None:
    same = Conflict("AQA-0000", clip(1), ALONE, ALONE, "no", "yes", ("yes", "no"))
    with pytest.raises(ValueError, match="expected a text line in one"):
        pose(same, inputs, checkpoint)


def test_the_whole_model_is_fit(checkpoint: Checkpoint, posed: Posed) -> None:
    body, fitness = try_out(checkpoint, posed)
    assert body is not None
    assert fitness == Fitness()


@pytest.mark.parametrize(
    ("broken", "field", "reason"),
    [
        ("deaf to masks", "knockout", "a text that is cut off in every block still changes its logits"),
        ("mute text", "knockout", "other words in the text's place change nothing"),
        ("scaled logits", "lens", None),
        ("other top", "lens", "the head of the last layer does not give the model's own logits"),
    ],
)
def test_a_model_that_does_not_bear_it_says_why(
    checkpoint: Checkpoint, posed: Posed, monkeypatch: pytest.MonkeyPatch, broken: str, field: str, reason: str | None
) -> None:
    model, decoder = checkpoint.model, checkpoint.model.get_decoder()
    head = model.get_output_embeddings()
    handles: list[Any] = []
    if broken == "deaf to masks":  # a block that lets the last position see everything, whatever it is told
        monkeypatch.setattr(
            "pytest_mcr.probes.knockout.without", lambda mask, edges: torch.ones_like(edges).tril()[None, None]
        )
    elif broken == "mute text":
        table, places = model.get_input_embeddings(), list(posed.spans.text)
        handles.append(table.register_forward_hook(lambda _, __, out: out.index_fill(1, torch.tensor(places), 0.0)))
    elif broken == "scaled logits":  # capping and scaling belong to the head and are honoured
        handles.append(head.register_forward_hook(lambda _, __, out: 30 * torch.tanh(out / 30) / 2))
    else:  # a head that looks at more than one position
        handles.append(head.register_forward_pre_hook(lambda _, args: (args[0] + args[0][:, :1],)))
    try:
        body, fitness = try_out(checkpoint, posed)
    finally:
        for handle in handles:
            handle.remove()
    assert body is not None
    found = getattr(fitness, field)
    assert found is None if reason is None else reason in found
    assert decoder.config._attn_implementation == "sdpa"


def test_flash_attention_is_told_what_to_type(
    checkpoint: Checkpoint, posed: Posed, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = Body(checkpoint)
    monkeypatch.setattr(body.decoder.config, "_attn_implementation_internal", "flash_attention_2")
    with (
        pytest.raises(UnfitError, match=r"flash_attention_2.*append \?attn=sdpa"),
        knocked_out(body, [1], Cut(posed.spans.text, to_all=True), posed.spans.length),
    ):
        pass


def test_sixteen_bits_are_enough(tmp_path: Path) -> None:
    folder = build(tmp_path / "narrow", layers=3)
    checkpoint = load_checkpoint(folder, device="cpu", dtype="bfloat16", attention=None)
    inputs = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id)
    _, fitness = try_out(checkpoint, pose(conflict(), inputs, checkpoint))
    inputs.close()
    assert fitness == Fitness()


def test_a_sliding_window_is_cut_in_its_own_mask(tmp_path: Path) -> None:
    folder = build(tmp_path / "sliding", sliding_window=24)
    checkpoint = load_checkpoint(folder, device="cpu", dtype="float32", attention=None)
    inputs = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id)
    _, fitness = try_out(checkpoint, pose(conflict(), inputs, checkpoint))
    inputs.close()
    assert (fitness.lens, fitness.knockout) == (None, None)


def test_a_clip_is_heard_once_and_never_for_another(
    checkpoint: Checkpoint, inputs: Inputs, posed: Posed, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    tower = checkpoint.model.model.audio_tower
    handle = tower.register_forward_hook(lambda *_: heard.append(1))
    try:
        body = Body(checkpoint)
        own = body.own_logits(posed.joint)
        body.try_replay(posed.joint)
        heard.clear()
        assert torch.equal(body.own_logits(posed.joint), own)
        assert heard == []
        other = {**posed.joint, "input_features": posed.joint["input_features"].flip(-1)}
        assert gap(body.own_logits(other), own) > 100 * TOLERANCE
        assert len(heard) == 1
        # A model that insists on features, or gives other numbers without them, hears its clips each time.
        forward = checkpoint.model.forward
        monkeypatch.setattr(checkpoint.model, "forward", lambda *args, input_features, **given: forward(
            *args, input_features=input_features, **given
        ))  # fmt: skip
        stubborn = Body(checkpoint)
        stubborn.try_replay(posed.joint)
        heard.clear()
        assert torch.equal(stubborn.own_logits(posed.joint), own)
        assert len(heard) == 1
    finally:
        handle.remove()
