# mypy: allow-untyped-calls
"""An ablation's model as the plugin asks it: whole answers, whole clips, whole prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_mcr.errors import ModelError
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.train.fusion_adapter import FusionAdapter, model
from pytest_mcr.train.fusion_blocks import FUSIONS
from pytest_mcr.train.fusion_data import Teacher
from pytest_mcr.train.fusion_ears import Ears
from pytest_mcr.train.fusion_model import FusionModel, load, save
from tests.unit.tiny_ablation import SMALL


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
def teacher(ears: Ears) -> Teacher:
    return Teacher(ears.tokenizer, ears.width)


def noise(samples: int, seed: int = 0) -> Audio:
    drawn = np.random.default_rng(seed).standard_normal(samples, dtype=np.float32) / np.float32(10)
    return Audio(drawn, 16_000, f"noise {samples} {seed}")


def asked(text: str, audio: Audio | None, candidates: Sequence[str] = (), room: int = 4) -> Request:
    return Request("an id", audio, text, tuple(candidates), room, want_scores=True)


@pytest.fixture(scope="module", params=FUSIONS)
def adapter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FusionAdapter:
    folder = tmp_path_factory.mktemp("models") / f"{request.param}-none"
    torch.manual_seed(0)
    save(FusionModel(request.param, SMALL), folder, {"arm": "none", "seed": 0, "conflict_samples": 0})
    return model({"folder": str(folder)})


def test_batches_answer_as_one_by_one(adapter: FusionAdapter) -> None:
    requests = [
        asked("Which sound?", noise(16_000), ["cough", "laughter"]), asked("Is it?" * 9, None, ["yes", "no"]),
        asked("What emotion is it?", noise(40_001, 1), ["happy", "sad", "throat clearing"]),
        asked("Nothing to say", noise(9_000), room=0),
    ]  # fmt: skip
    together, alone = adapter.respond(requests), adapter.respond_plain(requests)
    for one, two in zip(together, alone, strict=True):
        assert one.text == two.text
        assert (one.error, two.error) == (None, None)
        assert (one.scores or {}) == pytest.approx(two.scores or {}, abs=1e-4)
    assert together[3].text == ""
    assert together[3].scores is None


def test_scores_are_the_log_p_of_whole_answers(adapter: FusionAdapter, ears: Ears, teacher: Teacher) -> None:
    network, clip = adapter._network, noise(20_000)
    found = adapter.respond([asked("Which?", clip, ["cough", "throat clearing"])])[0].scores
    assert found is not None
    heard = ears.heard(ears.mels(clip.samples))
    with torch.inference_mode():
        for candidate, score in found.items():
            tokens, begun, total = teacher.answer(candidate), list[int](), 0.0
            for token in tokens:
                states = network(teacher.batch([teacher.prompt("Which?")], [begun], [heard]))
                total += network.logits(states[0, -1]).log_softmax(-1)[token].item()
                begun.append(token)
            assert score == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize(("samples", "words"), [(100, "a clip of 0.006 s"), (130_000, "a clip of 8.125 s")])
def test_a_clip_that_is_not_heard_whole_is_an_error(adapter: FusionAdapter, samples: int, words: str) -> None:
    good, bad = adapter.respond([asked("Which?", noise(16_000)), asked("Which?", noise(samples))])
    assert good.text is not None
    assert bad.text is None
    assert bad.scores is None
    assert bad.error == f"{words}; expected 0.025 to 8 s"


def test_a_prompt_that_is_not_read_whole_is_an_error(adapter: FusionAdapter) -> None:
    [found] = adapter.respond([asked("word " * 3000, noise(16_000), ["a"])])
    assert found.text is None
    assert found.error is not None
    assert "expected at most 2048 with the answer" in found.error


def test_weights_and_scores_are_in_the_fingerprint(adapter: FusionAdapter, tmp_path: Path) -> None:
    network, told = load(adapter.folder)
    save(network, tmp_path / "same", told)
    same = model({"folder": str(tmp_path / "same")})
    assert same.fingerprint() == adapter.fingerprint()
    assert model({"folder": str(tmp_path / "same"), "scores": "no"}).fingerprint() != adapter.fingerprint()
    with torch.no_grad():
        network.words.weight[0, 0] += 1
    save(network, tmp_path / "other", told)
    assert model({"folder": str(tmp_path / "other")}).fingerprint() != adapter.fingerprint()
    assert adapter.traits["fusion"] == network.fusion
    assert (
        model({"folder": str(tmp_path / "same"), "scores": "no"}).respond([asked("Which?", None, ["a"])])[0].scores
        is None
    )


@pytest.mark.parametrize("words", [{}, {"folder": "x", "seed": "1"}, {"folder": "x", "scores": "maybe"}])
def test_options_are_checked(words: dict[str, str]) -> None:
    with pytest.raises(ModelError, match=r"takes folder=DIR and scores=yes\|no, .* given; type: --mcr-model"):
        model(words)


def test_a_gate_is_read_where_the_answer_begins(adapter: FusionAdapter) -> None:
    requests = [asked("Which?", noise(16_000)), asked("Which of them is it?", noise(16_000, 1))]
    if adapter.traits["fusion"] != "gated":
        with pytest.raises(TypeError, match="has no gate"):
            adapter.gates(requests)
        return
    together, alone = adapter.gates(requests), [adapter.gates([one])[0] for one in requests]
    assert together == [pytest.approx(one, abs=1e-5) for one in alone]
    assert all(0 < gate < 1 for gate, _ in together)
