# mypy: allow-untyped-calls
"""Every family that can be built here, over the whole path: canary, generation, scores, engine, audit, refusals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.utils.import_utils import is_mistral_common_available

from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_inputs import Encoded, Inputs
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.run.ask import ask_together
from pytest_mcr.run.canary import run_canary
from tests.unit import tiny_families, tiny_standins
from tests.unit.family_table import rows
from tests.unit.stand_in import StandIn
from tests.unit.tiny_requests import (
    LABELS,
    TOLERANCE,
    ask,
    brute_force,
    clip,
    drift,
    gap,
    generated,
    loaded,
    plain,
    scores_of,
    text_of,
)

FAMILIES = [*tiny_families.REAL, *tiny_standins.STAND_INS]
CLEARLY = 0.05
"""Nats by which another clip moves a score: as much as the canary asks for, and 500 times the tolerance."""
NOT_THE_PROCESSORS = ("qwen2_audio", "glmasr", "fun_asr_nano")
"""Families whose limit in the table is not their processor's here: built with windows of 4 s, or set by the encoder."""
TEXT = "Text: A dog is barking in the yard.\nIs there a dog? Answer with yes or no."


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HfModel]:
    family = str(request.param)
    if family == "voxtral" and not is_mistral_common_available():
        pytest.skip(
            "mistral-common does not install beside numpy 2.4: test_voxtral.py runs this in a process of its own"
        )
    made = built(family, tmp_path_factory.mktemp(family))
    with made.serving() if isinstance(made, StandIn) else nullcontext():
        model = loaded(made.folder if isinstance(made, StandIn) else made)
    yield model
    model.close()


def built(family: str, folder: Path) -> Any:
    return {**tiny_families.REAL, **tiny_standins.STAND_INS}[family](folder)


def noise(model: HfModel, seed: int, seconds: float = 1.5) -> Audio:
    return clip(seed, seconds, model.sample_rate)


def questions(model: HfModel) -> list[Request]:
    """Three prompts about each of two clips of different length, one of them quoting control tokens, and one alone."""
    prompts = ("Is there a dog?", TEXT, f"Text: {quoted(model)}\n?")
    asked = [ask(noise(model, 1 + n // 3, 0.7 + 0.9 * (n // 3)), prompts[n % 3], tokens=4) for n in range(6)]
    return [*asked, ask(None, TEXT, tokens=4)]


def quoted(model: HfModel) -> str:
    """Every control token that the family's tokenizer knows, and some of others."""
    return "".join([*control_tokens(model), "<sound>", "<|audio|>", "[AUDIO]"])


def control_tokens(model: HfModel) -> dict[str, int]:
    tokenizer = plain(model).processor.tokenizer
    special = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
    return special | getattr(tokenizer, "get_added_vocab", dict)()  # mistral-common has no added ones


def test_the_engine_gives_the_plain_paths_answers(model: HfModel) -> None:
    assert drift(model, questions(model)) < TOLERANCE


def test_scores_are_what_they_are_by_definition(model: HfModel) -> None:
    for request in (ask(noise(model, 1), TEXT), ask(None, TEXT)):
        [answer] = model.respond([request])
        expected = brute_force(model, request)
        assert scores_of(answer) == pytest.approx(expected, abs=TOLERANCE)


def test_words_are_what_transformers_generates(model: HfModel) -> None:
    requests = questions(model)
    said = [text_of(answer) for answer in model.respond(requests)]
    assert said == [generated(model, request, do_sample=False) for request in requests]
    assert len(set(said)) > 1


def test_another_clip_gives_other_scores_and_the_same_clip_the_same(model: HfModel) -> None:
    one, two, again = model.respond([ask(noise(model, seed), TEXT) for seed in (1, 2, 1)])
    assert gap(one, two) > CLEARLY
    assert gap(one, again) < TOLERANCE


def test_the_cache_of_another_clip_would_be_noticed(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the equality above: the prompts of one clip over what was heard of another."""
    assert engine(model)["continuation"] in ("tree", "rows")
    requests = [ask(noise(model, 21), "Is there a dog?"), ask(noise(model, 21), TEXT)]  # a clip not asked about before
    expected = model.respond_plain(requests)
    real = Inputs.encode

    def swapped(self: Inputs, audio: Audio | None, prompts: Any, *rest: Any) -> Encoded:
        right, wrong = (real(self, one, prompts, *rest) for one in (audio, noise(model, 22)))
        return dataclasses.replace(right, audio=wrong.audio)

    monkeypatch.setattr(Inputs, "encode", swapped)
    other = model.respond(requests)
    assert min(map(gap, expected, other)) > CLEARLY


def test_the_canary_passes(model: HfModel) -> None:
    clips = [noise(model, seed) for seed in range(9)]
    assert run_canary(model, clips, "Is there a dog?", LABELS, 4).verdict == "pass"


def test_control_tokens_in_a_text_are_text(model: HfModel) -> None:
    nasty = f"Text: {quoted(model)}"
    for audio in (noise(model, 1), None):
        ids, harmless = model._inputs.encode(audio, [nasty, "Text: yes"]).ids
        for token in control_tokens(model).values():
            assert ids.count(token) == harmless.count(token)
        assert len(ids) > len(harmless) + 50


def test_the_end_of_a_long_clip_is_heard(model: HfModel) -> None:
    """As long as the family hears, or several of its windows."""
    window = model._inputs.window
    whole = noise(model, 1, 9.5 if window is None else min(9.5, window))
    samples = whole.samples.copy()
    samples[-model.sample_rate // 2 :] = noise(model, 2, 0.5).samples
    other = Audio(samples, whole.rate, "another end")
    one, two = model.respond([ask(whole), ask(other)])
    assert gap(one, two) > 10 * TOLERANCE


@pytest.mark.parametrize("seconds", [0.5, 0.77, 1.0, 1.501, 1.6, 2.999, 4.0])
def test_a_clip_of_any_length_is_not_taken_for_one_that_was_cut(model: HfModel, seconds: float) -> None:
    assert model._inputs.encode(noise(model, 1, seconds), ["?"]).audio


def test_a_clip_beyond_the_window_is_an_error_that_names_both_lengths(model: HfModel) -> None:
    window, rate = model._inputs.window, model.sample_rate
    long = Audio(np.zeros(math.ceil(((window or 600.0) + 0.5) * rate), np.float32), rate, "long")
    if window is None:
        assert model._inputs.refusal(long) is None
        return
    beyond, within = model.respond([ask(long), ask(noise(model, 1))])
    assert (beyond.text, beyond.scores) == (None, None)
    assert beyond.error is not None
    assert f"clip lasts {window + 0.5:.1f} s, the model hears at most {window:g} s" in beyond.error
    assert within.error is None


def test_a_clip_beyond_an_encoders_positions_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Fun-ASR's processor knows no limit, its encoder does."""
    made = tiny_standins.fun_asr_nano(tmp_path / "fun")
    with made.serving():
        model = loaded(made.folder)
    beyond, within = ask_together(model, [ask(noise(model, 1, 124.0)), ask(noise(model, 1, 122.0))])
    assert (beyond.text, beyond.scores) == (None, None)
    assert beyond.error is not None
    assert "RuntimeError" in beyond.error
    assert within.error is None


def test_the_table_says_what_was_seen(model: HfModel) -> None:
    """docs/adapters/families.md against the model as it is loaded."""
    checkpoint = plain(model)
    row = rows()[checkpoint.family]
    window = model._inputs.window
    assert row.class_name == type(checkpoint.model).__name__
    assert row.rate == f"{model.sample_rate // 1000} kHz"
    if checkpoint.family not in NOT_THE_PROCESSORS:
        assert row.longest == ("no limit" if window is None else f"{window:g} s")
    assert row.continued == engine(model)["continuation"]
    assert row.together == ("yes" if model._inputs.shares_batches else "no")
    real = checkpoint.family in tiny_families.REAL
    assert row.evidence == ("run with the real processor" if real else "run with a stand-in")


def test_the_table_has_every_family_that_is_built_and_no_other_as_run() -> None:
    run = {family for family, row in rows().items() if row.evidence.startswith("run")}
    assert run == set(FAMILIES)
    assert {row.evidence for row in rows().values()} - {"not run", "refused"} == {
        "run with the real processor",
        "run with a stand-in",
    }


def engine(model: HfModel) -> dict[str, Any]:
    found = model.traits["engine"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
