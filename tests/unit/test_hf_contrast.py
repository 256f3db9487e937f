# mypy: allow-untyped-calls
"""Answers written by a rule: the model's own without strength, and those of a decoder without any cache."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_mcr.core.case import CONDITIONS, Case
from pytest_mcr.core.prompts import DISCRETION
from pytest_mcr.core.repair_arms import Arm, parse_arm
from pytest_mcr.data import release
from pytest_mcr.data.audio import decode, resample
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_processor import TEXT
from pytest_mcr.models.protocol import Audio, Contrasted, Request
from pytest_mcr.models.resolve import load
from pytest_mcr.models.spec import parse_spec
from pytest_mcr.run.questions import branch_question, case_question
from tests.unit.tiny import build
from tests.unit.tiny_requests import ask, clip, loaded, plain, text_of

NEUTRAL = "Is there a dog?"
PROMPTS = (f"Text: A dog is barking in the yard.\n{NEUTRAL}", f"Text: laughter\n{NEUTRAL} Answer yes or no.")


def contrasted(joint: Request, other: Request, arm: str) -> Contrasted:
    return Contrasted(
        joint.id, joint.audio, joint.prompt, (), joint.max_new_tokens, False, other=other, arm=parse_arm(arm)
    )


def silent(audio: Audio) -> Audio:
    return Audio(np.zeros_like(audio.samples), audio.rate, f"silence {len(audio.samples)}")


def asked(arm: str, count: int = 6) -> list[Contrasted]:
    """Clips, texts and lengths that differ, each beside the branch that the arm takes."""
    found = []
    for number in range(count):
        audio, prompt = clip(number // 2, 0.7 + 0.4 * (number % 3)), PROMPTS[number % 2]
        joint = ask(audio, prompt, (), 3 + number % 4)
        others = {"audio": ask(audio, NEUTRAL), "text": ask(silent(audio), prompt), "text_alone": ask(None, prompt)}
        found.append(contrasted(joint, others[parse_arm(arm).branches[1]], arm))
    return found


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> HfModel:
    return loaded(tiny_model_dir)


@pytest.fixture(scope="module")
def lab() -> Iterator[HfModel]:
    model = load(parse_spec("lab", invocation_dir=Path()), invocation_dir=Path(), threads=1)
    assert isinstance(model, HfModel)
    yield model
    model.close()


def texts(model: HfModel, requests: Sequence[Contrasted]) -> list[str]:
    return [text_of(response) for response in model.respond_contrasted(requests)]


WEAK = ("aad?alpha=0&decode=generate", "gacl?lambda=0&decode=generate", "aad?alpha=0&without=none&decode=generate")
LONE = ("aad?alpha=2&decode=generate&mask=1", "gacl?lambda=1&tau=0.1&gates=none&decode=generate&mask=1")


@pytest.mark.parametrize("arm", [*WEAK, *LONE])
def test_without_strength_or_choice_it_is_the_models_own_answer(model: HfModel, arm: str) -> None:
    requests = asked(arm)
    assert texts(model, requests) == [text_of(response) for response in model.respond_plain(requests)]


@pytest.mark.parametrize("arm", [WEAK[0], WEAK[1], LONE[0]])
def test_so_it_is_on_the_lab_model(lab: HfModel, arm: str) -> None:
    dataset = release.load(fixture("mini-mcr"))
    requests = []
    for sample in dataset.samples[::60]:
        audio = resample(decode(dataset.root / sample.audio), lab.sample_rate or 16_000)
        for condition in CONDITIONS:
            case = Case(sample, condition)
            joint = case_question(case, DISCRETION).request(audio, 16)
            letter = "A" if arm.startswith("gacl") else "T"
            heard = audio if letter == "A" else silent(audio)
            requests.append(contrasted(joint, branch_question(case, letter, DISCRETION).request(heard, 16), arm))
    assert texts(lab, requests) == [text_of(response) for response in lab.respond(requests)]


def one_pass(model: HfModel, request: Request, words: Sequence[int]) -> list[float]:
    """Log-probabilities of the next token from a whole forward pass: no padding, no cache."""
    inputs = model._inputs.build([request])
    ids = torch.cat([inputs.pop("input_ids"), torch.tensor([[*words]], dtype=torch.long)], 1)
    kinds: dict[str, torch.Tensor] = {
        name: torch.nn.functional.pad(inputs.pop(name), (0, len(words))) for name in TEXT if name in inputs
    }
    given: dict[str, Any] = {**inputs, **kinds, "attention_mask": torch.ones_like(ids)}
    logits = plain(model).model(input_ids=ids, **given).logits[0, -1]
    found: list[float] = logits.double().log_softmax(-1).tolist()
    return found


def by_definition(arm: Arm, joint: Sequence[float], other: Sequence[float]) -> int:
    """The rule in plain words."""
    top = max(joint)
    kept = [token for token, p in enumerate(joint) if math.exp(p - top) >= arm.number("mask")]
    if arm.name == "aad":
        alpha = arm.number("alpha")
        return max(kept, key=lambda token: (1 + alpha) * joint[token] - alpha * other[token])
    heard = sorted((other[token] for token in kept), reverse=True)
    sure = min((heard[0] - heard[1]) / arm.number("tau"), 1.0) if len(kept) > 1 else 1.0
    differ = max(kept, key=joint.__getitem__) != max(kept, key=other.__getitem__)
    weight = min(arm.number("lambda") * sure * differ, 1.0)
    rest = [math.log(sum(math.exp(branch[token]) for token in kept)) for branch in (joint, other)]
    return max(kept, key=lambda t: (1 - weight) * (joint[t] - rest[0]) + weight * (other[t] - rest[1]))


@torch.inference_mode()
def reference(model: HfModel, request: Contrasted) -> str:
    words: list[int] = []
    while len(words) < request.max_new_tokens:
        token = by_definition(request.arm, one_pass(model, request, words), one_pass(model, request.other, words))
        if token in plain(model).stops:
            break
        words.append(token)
    return str(plain(model).processor.tokenizer.decode(words, skip_special_tokens=True))


STRONG = (
    "aad?alpha=2&decode=generate&mask=0.01",
    "aad?alpha=2&without=none&decode=generate&mask=0.01",
    "gacl?lambda=1&tau=0.5&decode=generate&mask=0.01",
    "gacl?lambda=0.7&tau=2&decode=generate",
)


@pytest.mark.parametrize("arm", STRONG)
def test_the_answers_are_those_of_whole_passes(model: HfModel, arm: str) -> None:
    requests = asked(arm)
    assert texts(model, requests) == [reference(model, request) for request in requests]


def test_so_they_are_where_the_window_of_attention_slides(tmp_path: Path) -> None:
    model = loaded(build(tmp_path / "sliding", sliding_window=24))
    requests = asked(STRONG[0], 3)
    assert texts(model, requests) == [reference(model, request) for request in requests]


def test_strength_and_branch_matter(model: HfModel) -> None:
    own = [text_of(response) for response in model.respond_plain(asked(STRONG[0]))]
    written = [texts(model, asked(arm)) for arm in STRONG[:3]]
    assert all(found != own for found in written)
    assert written[0] != written[1]  # silence and no audio are two measurements


def test_neither_order_nor_company_matter(model: HfModel) -> None:
    requests = [request for arm in STRONG for request in asked(arm, 3)]
    together = texts(model, requests)
    assert texts(model, requests[::-1]) == together[::-1]
    assert [texts(model, [request])[0] for request in requests] == together


def test_a_clip_that_cannot_be_heard_whole_is_an_error_and_the_others_are_answered(model: HfModel) -> None:
    good = asked(STRONG[0], 2)
    long = contrasted(good[0], ask(clip(9, 6.0), NEUTRAL), STRONG[0])
    first, second, third = model.respond_contrasted([good[0], long, good[1]])
    assert [first.text, third.text] == texts(model, good)
    assert second.text is None
    assert second.error


def test_a_model_that_samples_does_not_offer_it(tiny_model_dir: Path, model: HfModel) -> None:
    assert model.contrasts
    assert not loaded(tiny_model_dir, "?generation=model").contrasts
