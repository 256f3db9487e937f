# mypy: allow-untyped-calls
"""LoRA fine-tuning on tiny real models: what is learned, what is kept, and what is refused in one line."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from pytest_mcr.core.prompts import DISCRETION, render
from pytest_mcr.data import release
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import load_checkpoint
from pytest_mcr.models.prefix_window import Window
from pytest_mcr.models.protocol import Request
from pytest_mcr.train import lora, lora_loop
from pytest_mcr.train.lora_batch import Examples, Turn, loss_of
from pytest_mcr.train.lora_data import Example, Split
from pytest_mcr.train.lora_loop import Plan, Training
from pytest_mcr.train.lora_model import add_adapter, save_adapter, targets
from tests.support import folders
from tests.unit import tiny_families
from tests.unit.tiny import build
from tests.unit.tiny_requests import loaded


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folders.dataset(tmp_path_factory.mktemp("lora") / "data", 6)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lora") / "tiny", seconds=2)


def train(model: Path, data: Path, out: Path, *words: str) -> int:
    usual = ("--samples", "6", "--batch", "2", "--steps", "6", "--threads", "1", "--dev", "0.2")
    return lora.main(["--model", str(model), "--data", str(data), "--out", str(out), *usual, *words])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


class Workbench:
    """A tiny model with an adapter and examples of a dataset."""

    def __init__(self, model: Path, data: Path) -> None:
        self.folder = model
        self.dataset = release.load(data)
        self.checkpoint = load_checkpoint(model, device="cpu", dtype="auto", attention=None)
        self.inputs = Inputs(self.checkpoint.processor, self.checkpoint.family, self.checkpoint.audio_token_id)
        self.examples = Examples(self.checkpoint, self.inputs, self.dataset.root, DISCRETION)
        self.config, self.parameters = add_adapter(self.checkpoint.model, 8, 0)

    def some(self, count: int, condition: str = "adversarial") -> list[Example]:
        return [Example(sample, condition) for sample in self.dataset.samples[:count]]


@pytest.fixture
def bench(model: Path, data: Path) -> Iterator[Workbench]:
    made = Workbench(model, data)
    yield made
    made.inputs.close()


def test_a_tiny_model_learns_four_false_texts_by_heart(bench: Workbench, tmp_path: Path) -> None:
    """And the adapter on disk, loaded as a user would, answers so through the engine and through the plain path."""
    four = bench.some(4)
    plan = Plan(epochs=1, steps=60, batch=4, accumulate=1, rate=1e-2, seed=0)
    training = Training(
        bench.checkpoint.model, bench.parameters, bench.examples, Split(four, four), plan, tmp_path, {}, None, print
    )
    kept = training.run()
    assert training.place.history[-1][2] < 0.02
    save_adapter(tmp_path / "adapter", bench.config, kept, "tiny")
    model, base = loaded(bench.folder, f"?adapter={tmp_path / 'adapter'}"), loaded(bench.folder)
    requests = [asked(bench, one) for one in four]
    golds = [one.sample.gold for one in four]
    assert [one.text for one in model.respond(requests)] == golds
    assert [one.text for one in model.respond_plain(requests)] == golds
    assert [one.text for one in base.respond(requests)] != golds
    assert model.fingerprint() != base.fingerprint()
    assert (model.traits["adapter"], base.traits["adapter"]) == ("adapter", None)


def asked(bench: Workbench, one: Example) -> Request:
    clip = resample(decode(bench.dataset.root / one.sample.audio), 16_000)
    return Request("an id", clip, render(DISCRETION, one.sample, one.condition), one.sample.candidates, 8, True)


def test_only_the_answer_and_the_end_of_the_turn_are_learned(bench: Workbench) -> None:
    [one] = bench.some(1)
    turn = bench.examples.turn(one)
    tokenizer = bench.checkpoint.processor.tokenizer
    assert tokenizer.decode(turn.ids[-turn.answer :]) == f"{one.sample.gold}<|im_end|>"
    prompt = turn.ids[: -turn.answer]
    clip = resample(decode(bench.dataset.root / one.sample.audio), 16_000)
    assert bench.inputs.encode(clip, [render(DISCRETION, one.sample, one.condition)]).ids == [prompt]
    # By definition: the negative log-probabilities that the model gives these tokens, one after the other.
    tensors = bench.examples.tensors([turn])
    with torch.no_grad():
        logits = bench.checkpoint.model(**tensors).logits[0].float().log_softmax(-1)
        loss = loss_of(bench.checkpoint.model, tensors, [turn])
    places = range(len(prompt), len(turn.ids))
    assert float(loss) == pytest.approx(-sum(float(logits[n - 1, turn.ids[n]]) for n in places), rel=1e-5)


def test_a_batch_is_the_sum_of_its_rows(bench: Workbench) -> None:
    """Rows of different lengths: padding is seen by nobody, narrow windows change nothing."""
    turns = [bench.examples.turn(one) for one in (*bench.some(3), *bench.some(2, "neutral"))]
    assert len({len(turn.ids) for turn in turns}) > 1
    model = bench.checkpoint.model

    def loss(rows: list[Turn], window: Window | None = None) -> float:
        with torch.no_grad():
            return float(loss_of(model, bench.examples.tensors(rows), rows, window))

    apart = sum(loss([turn]) for turn in turns)
    assert loss(turns) == pytest.approx(apart, rel=1e-4)
    assert loss(turns, Window(model)) == pytest.approx(apart, rel=1e-4)


def test_accumulated_steps_are_a_large_batch(model: Path, data: Path, tmp_path: Path) -> None:
    assert train(model, data, tmp_path / "one", "--batch", "4", "--steps", "2") == 0
    assert train(model, data, tmp_path / "two", "--batch", "1", "--accumulate", "4", "--steps", "2") == 0
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-4


def test_the_same_command_gives_the_same_bytes(model: Path, data: Path, tmp_path: Path) -> None:
    files = ("adapter_config.json", "adapter_model.safetensors", "README.md", "training.json")
    for name, words in (("a", ()), ("b", ()), ("c", ("--seed", "1"))):
        assert train(model, data, tmp_path / name, "--steps", "2", *words) == 0
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / files[1]).read_bytes() != (tmp_path / "c" / files[1]).read_bytes()
    for name in files:
        assert str(tmp_path) not in (tmp_path / "a" / name).read_text("utf-8", "replace")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(files)


def test_ctrl_c_and_resume_end_with_the_same_adapter(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(model, data, tmp_path / "whole") == 0
    step = Training._step

    def pressed(self: Training, total: int) -> None:
        step(self, total)
        if self.place.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Training, "_step", pressed)
    capsys.readouterr()
    assert train(model, data, tmp_path / "cut") == 2
    assert capsys.readouterr().err == "stopped; type the same command with --resume to go on\n"
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["unfinished.safetensors"]
    monkeypatch.undo()
    assert train(model, data, tmp_path / "cut") == 4
    assert "an unfinished training is there; add --resume" in capsys.readouterr().err
    assert train(model, data, tmp_path / "cut", "--resume", "--lr", "0.1") == 4
    assert "this training began with lr 0.002, now it is 0.1" in capsys.readouterr().err
    assert train(model, data, tmp_path / "cut", "--resume") == 0
    assert "goes on after step 4" in capsys.readouterr().out
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_a_killed_run_resumes_with_the_same_adapter(model: Path, data: Path, tmp_path: Path) -> None:
    assert train(model, data, tmp_path / "whole", "--steps", "300") == 0
    words = [sys.executable, "-m", "pytest_mcr.train.lora", "--model", str(model), "--data", str(data), "--out", "cut"]
    words += ["--samples", "6", "--batch", "2", "--steps", "300", "--threads", "1", "--dev", "0.2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lora.__file__).parents[2])}
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        try:
            deadline = time.monotonic() + 120
            while "dev" not in child.stdout.readline().partition("step")[2]:
                assert time.monotonic() < deadline
                assert child.poll() is None
        finally:
            child.kill()
    assert not (tmp_path / "cut" / "adapter_config.json").exists()
    assert train(model, data, tmp_path / "cut", "--steps", "300", "--resume") == 0
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5


def test_training_stops_early_and_keeps_the_best(bench: Workbench, tmp_path: Path) -> None:
    """Dev examples whose gold is another's: the better the four are learned, the worse they are."""
    four = bench.some(4)
    wrong = [replaced(one, other.sample.gold) for one, other in zip(four, [*four[1:], four[0]], strict=True)]
    plan = Plan(epochs=30, steps=None, batch=4, accumulate=1, rate=2e-2, seed=0)
    lines: list[str] = []
    training = Training(
        bench.checkpoint.model,
        bench.parameters,
        bench.examples,
        Split(four, wrong),
        plan,
        tmp_path,
        {},
        None,
        lines.append,
    )
    training.run()
    losses = [dev for _, _, dev in training.place.history]
    assert training.place.step < 30
    assert losses.index(min(losses)) == len(losses) - 1 - lora_loop.PATIENCE
    assert any("stopped early" in line for line in lines)


def replaced(example: Example, gold: str) -> Example:
    return replace(example, sample=replace(example.sample, gold=gold, id=f"{example.sample.id}-other"))


def test_targets_are_the_language_part(tmp_path: Path) -> None:
    for name, folder in (
        ("qwen2_audio", build(tmp_path / "qwen")),
        ("audioflamingo3", tiny_families.audioflamingo3(tmp_path / "af3")),
    ):
        model = load_checkpoint(folder, device="cpu", dtype="auto", attention=None).model
        found = targets(model)
        assert {one.rpartition(".")[2] for one in found} == {
            "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
        }, name  # fmt: skip
        assert not any("audio" in one or "lm_head" in one for one in found)
        assert len(found) == 7 * model.config.get_text_config().num_hidden_layers


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--samples", "0"), "--samples 0: expected at least 1"),
        (("--dev", "1"), "--dev 1.0: expected a share between 0 and 1"),
        (("--lr", "0"), "--lr 0.0: expected a rate between 0 and 1"),
        (("--mix", "adversary=1"), "did you mean adversarial?"),
        (("--mix", "neutral"), "expected a weight above 0, e.g. neutral=0.5"),
        (("--mix", "neutral=1,neutral=2"), "neutral is given twice"),
        (("--resume",), "no unfinished training in"),
        (("--model", "oracle:listener"), "only hf:, folders and lab can be trained here"),
        (("--data", "nowhere"), "nowhere"),
        (("--samples", "900"), "type: --samples "),
    ],
)
def test_refusals(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert train(model, data, tmp_path / "out", *words) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.safetensors"))


def test_clips_kept_for_evaluation_are_refused(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By what is heard, not by name: the clip has another name and place there."""
    kept = folders.dataset(tmp_path / "kept", 2, ("AQA",))
    soundfile.write(kept / "AQA/audio/aqa-0.wav", np.random.default_rng(5).normal(0, 0.1, 1600), 8000)
    shutil.copy(data / "SER/audio/ser-4.wav", kept / "AQA/audio/aqa-1.wav")
    assert train(model, data, tmp_path / "out", "--evaluate", str(kept)) == 4
    error = capsys.readouterr().err
    assert f"clip SER-0004 of --data is clip AQA-0001 of --evaluate {kept}, which is kept" in error
    assert error.count("\n") == 1
    shutil.copy(kept / "AQA/audio/aqa-0.wav", kept / "AQA/audio/aqa-1.wav")
    assert train(model, data, tmp_path / "out", "--evaluate", str(kept), "--steps", "1") == 0
    assert train(Path("lab"), fixture("mini-mcr"), tmp_path / "mini") == 4
    assert "of the embedded mini benchmark, which is kept for evaluation (180 such clips)" in capsys.readouterr().err


def test_peft_must_be_there(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else real(name, *rest))
    assert train(model, data, tmp_path / "out") == 4
    assert "peft is not installed; type: pip install 'pytest-mcr[lora]'" in capsys.readouterr().err


def test_out_of_memory_is_said_and_nothing_is_lost(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Training._step

    def full(self: Training, total: int) -> None:
        if self.place.step == 3:
            raise torch.OutOfMemoryError("no room")
        step(self, total)

    monkeypatch.setattr(Training, "_step", full)
    assert train(model, data, tmp_path / "out") == 4
    assert "out of memory at --batch 2; type: --batch 1 --accumulate 2" in capsys.readouterr().err
    monkeypatch.undo()
    assert train(model, data, tmp_path / "out", "--resume") == 0
    assert json.loads((tmp_path / "out" / "training.json").read_text())["steps_taken"] == 6


def test_training_clips_are_never_scored(model: Path, data: Path, tmp_path: Path) -> None:
    """The adapter's own record keeps them from being scored, whatever the dataset is called."""
    assert train(model, data, tmp_path / "out", "--steps", "1") == 0
    tuned = loaded(model, f"?adapter={tmp_path / 'out'}")
    dataset = release.load(data)
    clips = [resample(decode(data / sample.audio), 16_000) for sample in dataset.samples]
    errors = [one.error for one in tuned.respond([Request("an id", clip, "?", ("a", "b"), 4, True) for clip in clips])]
    used = json.loads((tmp_path / "out" / "training.json").read_text())["clips"]
    assert [error is not None for error in errors] == [clip.digest in used for clip in clips]
    assert 6 < len(used) < len(clips)
