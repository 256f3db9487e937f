# mypy: allow-untyped-calls
"""Benchmarks with real models at tiny size: the baselines are right, the counters count, the rows come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, memory_child, questions
from benchmarks.engine import ask, counted, load_engine, tokens_of, torch_model
from benchmarks.flops import prefill_work, stack_flops, weights_of
from benchmarks.long import FORCED, Long
from benchmarks.naive import Naive
from benchmarks.random_model import BRIEF, REAL, TINY, build_folder, build_model, build_processor


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_folder(BRIEF, tmp_path_factory.mktemp("brief"))


@pytest.fixture(scope="module")
def naive(folder: Path) -> Naive:
    return Naive.load(folder)


REQUESTS = questions.flat(questions.noise_clips(2, 1.5))


def test_naive_and_batched_say_the_same_and_the_engine_too(folder: Path, naive: Naive) -> None:
    asked = questions.text_only(REQUESTS, FORCED)
    texts = naive.generate(asked)
    assert len(set(texts)) > 1
    assert naive.generate_batched(asked, rows=3) == texts
    assert [one.text for one in ask(load_engine(str(folder), threads=1), asked)] == texts


def test_every_answer_has_all_its_tokens(naive: Naive) -> None:
    with counted(naive.model) as passes:
        naive.generate(questions.text_only(REQUESTS[:1], FORCED))
    assert [one.past == 0 for one in passes] == [True] + [False] * (FORCED - 1)


def test_naive_scores_are_log_probabilities_of_whole_labels(naive: Naive) -> None:
    [request] = REQUESTS[:1]
    [scores] = naive.score([request])
    assert list(scores) == list(request.candidates)
    [first] = naive.forward([request])
    for label, score in scores.items():  # the first token alone is at least as likely
        token = naive.processor.tokenizer(label, add_special_tokens=False)["input_ids"][0]
        assert score < float(first.log_softmax(-1)[token])


def test_tokens_run_are_counted(folder: Path, naive: Naive) -> None:
    lengths = [naive._inputs([one])["input_ids"].shape[1] for one in REQUESTS]
    with counted(naive.model) as plain:
        naive.forward(REQUESTS)
    assert [(one.rows, one.tokens, one.past) for one in plain] == [(1, length, 0) for length in lengths]
    engine = load_engine(str(folder), threads=1)
    with counted(torch_model(engine)) as ours:
        ask(engine, questions.scores_only(REQUESTS))
    assert max(lengths) < tokens_of(ours) < tokens_of(plain)
    ask(engine, questions.scores_only(REQUESTS))
    assert tokens_of(ours) < tokens_of(plain)  # nothing is counted after the context


def test_prefill_work_is_that_of_whole_prompts(naive: Naive) -> None:
    text, tower = naive.model.get_decoder(), naive.model.model.audio_tower
    tokens = naive._inputs(REQUESTS[:1])["input_ids"].shape[1]
    with prefill_work(naive.model) as work:
        naive.generate(questions.text_only(REQUESTS[:1], 3))
    assert work.positions == tokens
    assert work.language == stack_flops(weights_of(text.layers), 2, 64, 1, tokens, causal=True)
    assert work.encoder == stack_flops(weights_of(tower.layers), 2, 32, 1, 50 * BRIEF.seconds, causal=False)


def test_the_real_size_is_that_of_qwen2_audio_7b() -> None:
    model = build_model(REAL, build_processor(), device="meta", dtype=torch.bfloat16)
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(8.4e9, rel=0.001)
    assert model.dtype == torch.bfloat16


def test_the_rows_of_the_long_model(tmp_path: Path) -> None:
    rows = [measure() for measure in Long(tmp_path, TINY, clips=1, texts=10).rows().values()]
    assert [row.work for row in rows] == ["long-score", "long-generate", "texts-100"]
    for row in rows:
        assert row.bound == "at least"
        assert row.ratio is not None
        assert row.ratio > 0
        assert not any("not counted" in line for line in row.detail), row.line()  # the same answers on both sides


def test_memory_of_a_long_run(folder: Path) -> None:
    figures = memory_child.long_run(folder, 96)
    assert 0 <= figures["early_mb"] <= figures["peak_mb"]


def test_the_gpu_script_runs_at_a_small_size_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gpu.json"
    gpu.main(["--size", "tiny", "--device", "cpu", "--clips", "1", "--json", str(file)])
    written = json.loads(file.read_text(encoding="utf-8"))
    assert [figures["seconds"] for figures in written["figures"]] == [30.0, 4.0]
    for figures in written["figures"]:
        assert set(figures["share"]) <= {"features", "prefill", "suffix", "decode"}
        assert 0 < sum(figures["share"].values()) < 1.05
        assert figures["projected_minutes"] == pytest.approx(12_000 / figures["cases_per_second"] / 60)
    assert len(written["rows"]) == 4
    assert "a second" in capsys.readouterr().out
