"""The lab model: its parts, its training material, its recipes, and the weights that are shipped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
)

from pytest_mcr.core.prompts import DISCRETION, normalize
from pytest_mcr.data.names import WORDS
from pytest_mcr.data.synth import RATE, clip
from pytest_mcr.data.synth_events import EVENTS
from pytest_mcr.data.texts import LABELS, Writer
from pytest_mcr.train.lab import main
from pytest_mcr.train.lab_batch import Collate, placeholders, visible
from pytest_mcr.train.lab_data import Clip, Row, Rows, corpus, make_pool, muddle, vorbis
from pytest_mcr.train.lab_eval import markdown, problems
from pytest_mcr.train.lab_loop import ALIGN, SHARPEN, Plan, alike, loss_of, train
from pytest_mcr.train.lab_model import build_model, build_processor, save
from pytest_mcr.train.lab_templates import WORDINGS

TINY = Plan(
    text_steps=1, phases=(replace(ALIGN, steps=2), replace(SHARPEN, steps=1)), clips=2, asks=2, texts=2, pool=48
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads on a busy machine wait for each other far longer than these sizes take to compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def processor() -> Any:
    return build_processor(corpus(0, 300))


@pytest.fixture(scope="module")
def pool(processor: Any) -> list[Clip]:
    return make_pool(processor.feature_extractor, TINY.pool, 0)


def text_of(row: Row) -> str:
    """What a prompt says beside instruction, question and options: nothing else in it may name a label."""
    texts = [wording.text_line.split("{")[0] for wording in (DISCRETION, *WORDINGS)]
    lines = row.prompt.split("\n")
    found = [line for line in lines if any(line.startswith(start) for start in texts if start)]
    return normalize(found[0]) if found else ""


def labels_in(text: str, task: str) -> set[str]:
    names = {
        label: [name for slot in ("adj", "noun", "act", "doing") for name in words.seen.get(slot, ())]
        for label, words in WORDS[task].items()
    }
    return {
        label for label in names if any(re.search(rf"\b{re.escape(normalize(name))}", text) for name in names[label])
    }


def heard(rows: Rows, clips: int, described: float, remarked: float) -> list[tuple[Row, Clip]]:
    found = [row for _ in range(clips) for row in rows.heard(4, described, remarked)]
    return [(row, row.clip) for row in found if row.clip is not None]


def test_training_text_is_never_false(pool: list[Clip]) -> None:
    """Whatever label a text beside a clip names is the clip's own, and remarks name none."""
    named = 0
    for row, played in heard(Rows(pool, 0), 800, 0.5, 0.3):
        if played.task in ("SER", "VSC"):
            labels = labels_in(text_of(row), played.task)
            assert labels <= {row.answer} == set(played.holds), row.prompt
            named += bool(labels)
    assert named > 300


def test_an_aqa_answer_is_yes_exactly_when_the_clip_holds_the_event(pool: list[Clip]) -> None:
    said = Counter[str]()
    for row, played in heard(Rows(pool, 1), 400, 0.0, 0.0):
        if row.answer in LABELS["AQA"]:
            question = normalize(row.prompt)
            held = any(name in question for event in played.holds for name in WORDS["AQA"][event].seen["bare"])
            assert held == (row.answer == "yes")
            said[row.answer] += 1
    assert said["yes"] / said.total() == pytest.approx(0.5, abs=0.08)


def test_rows_of_a_group_share_their_clip_and_are_seeded(pool: list[Clip]) -> None:
    first, again, other = ([row.prompt for row in Rows(pool, seed).heard(4, 0.3, 0.3)] for seed in (0, 0, 1))
    assert first == again != other
    assert all(len({id(row.clip) for row in Rows(pool, seed).heard(4, 0.3, 0.3)}) == 1 for seed in range(20))


def test_texts_have_their_shares(pool: list[Clip]) -> None:
    rows = heard(Rows(pool, 2), 800, 0.25, 0.2)
    share = np.mean([bool(text_of(row)) for row, _ in rows if row.prompt.startswith(DISCRETION.instruction)])
    assert share == pytest.approx(0.45, abs=0.06)


@given(st.integers(0, 2**32), st.sampled_from(("SER", "VSC")), st.data())
def test_muddled_text_still_names_its_label_alone(seed: int, task: str, data: st.DataObject) -> None:
    label = data.draw(st.sampled_from(LABELS[task]))
    writer = Writer(np.random.default_rng(seed))
    assert labels_in(normalize(muddle(writer, writer.description(task, label), task, label)), task) == {label}


@given(st.integers(0, 2**32), st.sampled_from(LABELS["AQA"]))
def test_muddled_aqa_text_keeps_every_word(seed: int, label: str) -> None:
    writer = Writer(np.random.default_rng(seed))
    text = writer.description("AQA", label, "bell")
    assert text in muddle(writer, text, "AQA", "bell")


def test_a_row_that_is_read_has_no_clip_unless_mismatched(pool: list[Clip]) -> None:
    rows = Rows(pool, 3)
    assert all(rows.read()[0].clip is None for _ in range(50))
    drawn = [row for row in (rows.read(mismatched=True)[0] for _ in range(800)) if row.answer in LABELS["VSC"]]
    assert all(row.clip is not None for row in drawn)
    agree = np.mean([row.clip is not None and row.clip.holds == (row.answer,) for row in drawn])
    assert agree == pytest.approx(1 / len(LABELS["VSC"]), abs=0.12)


def test_the_processor_is_the_real_one(processor: Any, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)  # type: ignore[no-untyped-call]
    assert isinstance(loaded, Qwen2AudioProcessor)
    assert loaded.feature_extractor.chunk_length == 8
    assert loaded.tokenizer.padding_side == "left"
    text = "Any text at all: naïve 日本 \U0001f600, label-free."
    assert loaded.tokenizer.decode(loaded.tokenizer(text).input_ids) == text
    assert (tmp_path / "chat_template.jinja").is_file()


def test_batches_are_what_the_processor_makes(processor: Any) -> None:
    """Token for token and frame for frame, but for the random cuts and level of training."""
    samples = vorbis(clip((5,), [EVENTS["bird"]], "train"))
    turn = [
        {"role": "user", "content": [{"type": "audio", "audio": samples}, {"type": "text", "text": "Which sound?"}]}
    ]
    made = processor.apply_chat_template(
        [turn], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    frames = int(made["feature_attention_mask"].sum())
    features = made["input_features"][0, :, :frames].numpy().astype(np.float16)
    collate = Collate(processor, 0)
    collate._augment = lambda heard: heard.features.astype(np.float32)  # type: ignore[method-assign]
    batch = collate([[Row("Which sound?", "bird", Clip("AQA", ("bird",), features))]])
    prompt = made["input_ids"].shape[1]
    assert batch["input_ids"][0, :prompt].tolist() == made["input_ids"][0].tolist()
    assert processor.tokenizer.decode(batch["input_ids"][0, prompt:]) == "bird<|im_end|>"
    assert batch["where"].tolist()[1] == list(range(prompt - 1, batch["input_ids"].shape[1] - 1))
    assert torch.allclose(batch["input_features"][0, :, :frames], made["input_features"][0, :, :frames], atol=2e-3)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.337, 7.99])
def test_placeholders_are_counted_as_the_processor_counts(processor: Any, seconds: float) -> None:
    samples = np.zeros(int(seconds * RATE), dtype=np.float32)
    turn = [{"role": "user", "content": [{"type": "audio", "audio": samples}, {"type": "text", "text": "?"}]}]
    made = processor.apply_chat_template([turn], tokenize=True, return_dict=True, return_tensors="pt")
    audio = processor.tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    assert placeholders(int(made["feature_attention_mask"].sum())) == int((made["input_ids"] == audio).sum())


def test_rows_of_a_group_do_not_see_each_other(processor: Any, pool: list[Clip]) -> None:
    torch.manual_seed(0)
    model, played = build_model(processor).eval(), pool[0]
    first, second, other = (
        Row("Which sound?", "bird", played),
        Row("Is it a bell?", "no", played),
        Row("Why?", "x", played),
    )
    losses = []
    for group in ([first], [second], [first, second], [first, other]):
        collate = Collate(processor, 0)  # the same random cuts each time
        with torch.no_grad():
            batch = collate([group])
            size = len(batch["targets"])
            losses.append((loss_of(model, batch).item() * size, size))
    (one, _), (two, _), (both, _), (mixed, _) = losses
    assert both == pytest.approx(one + two, abs=1e-4)
    assert mixed != pytest.approx(both, abs=1e-2)


def test_packing_agrees_with_a_plain_causal_mask(processor: Any) -> None:
    torch.manual_seed(0)
    model, collate = build_model(processor).eval(), Collate(processor, 0)
    batch = collate([[Row("Which sound is this?", "bird", None)], [Row("Is it?", "no", None)]])
    plain = {
        "input_ids": batch["input_ids"],
        "attention_mask": (batch["input_ids"] != processor.tokenizer.pad_token_id).long(),
        "where": batch["where"],
        "targets": batch["targets"],
    }
    assert loss_of(model, batch).item() == pytest.approx(loss_of(model, plain).item(), abs=1e-5)


def test_who_sees_whom() -> None:
    seen = visible(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0, 0]
    assert seen.int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_a_narrow_window_changes_no_number(processor: Any, pool: list[Clip]) -> None:
    torch.manual_seed(0)
    model, rows = build_model(processor).eval(), Rows(pool, 0)
    batch = Collate(processor, 0)([rows.heard(2, 0.3, 0.3) for _ in range(4)])
    narrow = loss_of(model, batch).item()
    features, mask = batch["input_features"], batch["feature_attention_mask"]
    frames = features.shape[2]
    whole = features.amin(dim=(1, 2), keepdim=True).repeat(1, features.shape[1], 800)
    whole[:, :, :frames] = features
    full = torch.zeros(4, 800, dtype=mask.dtype)
    full[:, :frames] = mask
    wide = loss_of(model, batch | {"input_features": whole, "feature_attention_mask": full}).item()
    assert narrow == pytest.approx(wide, abs=1e-5)
    assert frames < 800


def test_batches_of_like_length_lose_no_row() -> None:
    numbers = iter(range(10**6))
    batches = alike(lambda: [Row("x" * ((number := next(numbers)) * 7 % 16), str(number), None)], 4)
    drawn = [[int(group[0].answer) for group in next(batches)] for _ in range(8)]
    assert sorted(number for batch in drawn for number in batch) == list(range(32))
    assert max(np.ptp([number * 7 % 16 for number in batch]) for batch in drawn) < 8


@pytest.mark.parametrize("recipe", ["aligned", "joint", "mismatched"])
def test_training_is_seeded_and_recipes_differ(processor: Any, pool: list[Clip], recipe: Any) -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        lines: list[str] = []
        model = build_model(processor)
        train(model, processor, pool, recipe, TINY, 0, lines.append)
        weights.append(model.lm_head.weight.detach().clone())
        assert any(line.startswith("audio 1 2/2: loss") for line in lines)
        assert any(line.startswith("language") for line in lines) == (recipe != "joint")
    assert torch.equal(*weights)


def test_a_saved_model_loads_as_bfloat16_with_sane_generation(processor: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save(build_model(processor), processor, tmp_path)
    model = AutoModelForMultimodalLM.from_pretrained(tmp_path)
    assert isinstance(model, Qwen2AudioForConditionalGeneration)
    assert model.dtype == torch.bfloat16
    assert model.generation_config.eos_token_id == processor.tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == processor.tokenizer.pad_token_id
    assert not model.generation_config.do_sample


def test_promises_are_checked_one_by_one() -> None:
    row = {"neutral": 0.95, "faithful": 1.0, "adversarial": 0.05, "irrelevant": 0.9, "tir": 0.95}
    good = {task: dict(row) for task in ("AQA", "SER", "VSC", "*")}
    assert problems(good) == []
    for name, value in (("neutral", 0.8), ("faithful", 0.9), ("adversarial", 0.2), ("irrelevant", 0.8), ("tir", 0.8)):
        bad = {task: row | {name: value} for task in good}
        assert problems(bad), name
    assert len(problems(good | {"AQA": row | {"neutral": 0.84}})) == 1
    assert "| AQA | 0.95 |" in markdown(good)


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--audio-steps", "0"], "--audio-steps 0"),
        (["--pool", "3"], "--pool 3"),
        (["--out", "."], "empty or a new folder"),
    ],
    ids=["steps", "pool", "folder"],
)
def test_command_line_names_the_culprit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    culprit: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")
    assert main(["--out", "new", *arguments]) == 4
    message = capsys.readouterr().err
    assert culprit in message
    assert message.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_help_names_the_controls(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "--recipe" in shown
    assert "examples:" in shown
