"""DoLa's arithmetic by hand and by property, and its scores of real models against their hidden states."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.clusters import Floats
from pytest_mcr.core.dola import FLOOR, bucket, divergence, label_score, premature
from pytest_mcr.data.shipped import fixture
from pytest_mcr.models.hf import HfModel
from pytest_mcr.models.hf_delivery import Tensors
from pytest_mcr.probes.body import UnfitError, tensors
from pytest_mcr.probes.early_exit import EarlyExits
from tests.unit.tiny_conflicts import JOINT
from tests.unit.tiny_requests import LABELS, ask, clip, loaded

UNIFORM = [0.25, 0.25, 0.25, 0.25]
LAST = [0.5, 0.25, 0.2, 0.05]


def logs(*rows: list[float]) -> Floats:
    found: Floats = np.log(np.array(rows))
    return found


# --- arithmetic ------------------------------------------------------------------------------------------------------


def test_divergence_by_hand() -> None:
    one, other = logs([0.5, 0.5]), logs([0.25, 0.75])
    middle = [0.375, 0.625]
    expected = 0.5 * (0.5 * math.log(0.5 / middle[0]) + 0.5 * math.log(0.5 / middle[1]))
    expected += 0.5 * (0.25 * math.log(0.25 / middle[0]) + 0.75 * math.log(0.75 / middle[1]))
    assert divergence(one, other) == pytest.approx([expected])
    with np.errstate(divide="ignore"):
        assert divergence(logs([1.0, 0.0]), logs([0.0, 1.0])) == pytest.approx([math.log(2)])


def test_one_token_by_hand() -> None:
    last, early = logs(LAST), logs(UNIFORM)[None]
    # Plausible at 0.1: at least 0.05, so all four. F = log(p / .25), whose softmax is p itself.
    assert label_score(last, early, [1], 0.1) == pytest.approx(math.log(0.25))
    # At 0.3 the least is 0.15: three tokens, .5 .25 .2, over their sum of .95.
    assert label_score(last, early, [2], 0.3) == pytest.approx(math.log(0.2 / 0.95))
    assert label_score(last, early, [3], 0.3) == FLOOR
    # An early layer that said the first token already: .5/.7, .25/.1, .2/.1, .05/.1 are 0.714, 2.5, 2, 0.5.
    early = logs([0.7, 0.1, 0.1, 0.1])[None]
    total = 0.5 / 0.7 + 2.5 + 2 + 0.5
    assert label_score(last, early, [0], 0.1) == pytest.approx(math.log(0.5 / 0.7 / total))
    assert label_score(last, early, [1], 0.1) == pytest.approx(math.log(2.5 / total))


def test_each_token_has_its_own_premature_layer_and_tokens_add_up() -> None:
    near, far = [0.45, 0.3, 0.2, 0.05], [0.05, 0.05, 0.2, 0.7]
    last = logs(LAST, LAST)
    early = np.stack([logs(near, far), logs(far, near)])
    assert premature(last, early) == [1, 0]
    one = label_score(last[:1], logs(far)[None], [0], 0.1)
    other = label_score(last[:1], logs(far)[None], [2], 0.1)
    assert label_score(last, early, [0, 2], 0.1) == pytest.approx(one + other)
    assert label_score(last, np.stack([logs(near, near)] * 2), [0, 2], 0.1) == pytest.approx(
        sum(label_score(last[:1], logs(near)[None], [token], 0.1) for token in (0, 2))
    )
    assert premature(last, np.stack([logs(near, near)] * 2)) == [0, 0]  # of equals the first


vocabularies = st.lists(st.floats(-20, 20), min_size=5, max_size=5)


@given(st.lists(vocabularies, min_size=3, max_size=4), st.floats(0, 1), st.floats(-50, 50))
def test_scores_are_log_probabilities_within_the_plausible_set(
    rows: list[list[float]], mask: float, moved: float
) -> None:
    last, early = np.array(rows[:1]), np.array(rows[1:])[:, None]
    scores = [label_score(last, early, [token], mask) for token in range(5)]
    shares = np.exp(last[0] - last[0].max())
    assert [score != FLOOR for score in scores] == [share >= mask for share in shares] or np.isclose(shares, mask).any()
    assert sum(math.exp(score) for score in scores if score != FLOOR) == pytest.approx(1)
    again = [label_score(last + moved, early - moved, [token], 0.0) for token in range(5)]
    assert again == pytest.approx([label_score(last, early, [token], 0.0) for token in range(5)], abs=1e-6)


@given(vocabularies, vocabularies)
def test_divergence_is_symmetric_and_bounded(one: list[float], other: list[float]) -> None:
    a, b = (np.array(x) - np.logaddexp.reduce(x) for x in (one, other))
    assert divergence(a, b) == pytest.approx(divergence(b, a), abs=1e-12)
    assert -1e-12 <= divergence(a, b) <= math.log(2) + 1e-12
    assert divergence(a, a) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "depth", "tied", "layers"),
    [
        ("low", 4, False, [0, 1]),
        ("high", 4, False, [2, 3]),
        ("low", 4, True, [1]),
        ("low", 32, False, [0, 2, 4, 6, 8, 10, 12, 14]),
        ("high", 32, True, [16, 18, 20, 22, 24, 26, 28, 30]),
        ("low", 2, True, []),
        ("low", 1, False, []),
    ],
)
def test_buckets(name: str, depth: int, tied: bool, layers: list[int]) -> None:
    assert bucket(name, depth, tied=tied) == layers


# --- models ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["tiny", "lab"])
def model(request: pytest.FixtureRequest, tiny_model_dir: Path) -> Iterator[HfModel]:
    made = loaded(tiny_model_dir if request.param == "tiny" else fixture("lab-model"))
    yield made
    made.close()


@torch.inference_mode()
def by_hand(model: HfModel, prompt: Tensors, label: list[int], layers: list[int], mask: float) -> float:
    """DoLa of a label from transformers' own hidden states, token by token."""
    network = model.checkpoint.model
    states = network(**prompt, output_hidden_states=True, use_cache=False).hidden_states
    head, norm = network.get_output_embeddings(), network.get_decoder().norm
    total = 0.0
    for back, token in enumerate(reversed(label), start=1):
        final = torch.log_softmax(head(states[-1][0, -back]).double(), -1)  # transformers gives the last one normed
        early = [torch.log_softmax(head(norm(states[layer][0, -back])).double(), -1) for layer in layers]
        middles = [torch.log((final.exp() + one.exp()) / 2) for one in early]
        apart = [
            float(((final.exp() * (final - m)).sum() + (one.exp() * (one - m)).sum()) / 2)
            for one, m in zip(early, middles, strict=True)
        ]
        contrast = final - early[apart.index(max(apart))]
        contrast[final < final.max() + math.log(mask)] = -math.inf
        score = float(torch.log_softmax(contrast, -1)[token])
        total += FLOOR if score == -math.inf else score
    return total


def test_scores_are_those_of_the_models_own_hidden_states(model: HfModel) -> None:
    audio, ways = clip(1), [("low", 0.1), ("high", 0.1), ("low", 1e-9), ("high", 1e-9)]
    exits = EarlyExits(model)
    found = exits.scores(audio, JOINT, LABELS, ways)
    depth = model.checkpoint.model.get_decoder().config.num_hidden_layers
    encoded = model.inputs.encode(audio, [JOINT])
    tokenizer = model.checkpoint.processor.tokenizer
    for (name, mask), scores in zip(ways, found, strict=True):
        assert list(scores) == list(LABELS)
        for label in LABELS:
            tokens = [*tokenizer(label, add_special_tokens=False)["input_ids"], model.checkpoint.turn_end]
            prompt = tensors([*encoded.ids[0], *tokens[:-1]], encoded.audio, model.checkpoint)
            expected = by_hand(model, prompt, tokens, bucket(name, depth, tied=False), mask)
            assert scores[label] == pytest.approx(expected, abs=1e-3)
    assert exits.scores(audio, JOINT, LABELS, ways) == found
    assert found[2] != found[3]


def test_the_last_layer_that_is_contrasted_is_what_the_model_says(model: HfModel) -> None:
    exits = EarlyExits(model)
    exits.scores(clip(1), JOINT, LABELS[:1], [("high", 0.1)])
    encoded = model.inputs.encode(clip(1), [JOINT])
    tokenizer = model.checkpoint.processor.tokenizer
    [answer] = model.respond([ask(clip(1), JOINT)])
    assert answer.scores is not None
    for label in LABELS:
        tokens = [*tokenizer(label, add_special_tokens=False)["input_ids"], model.checkpoint.turn_end]
        prompt = tensors([*encoded.ids[0], *tokens[:-1]], encoded.audio, model.checkpoint)
        with torch.inference_mode():
            rows = torch.log_softmax(exits._logits(prompt, len(tokens))[-1].double(), -1)
        said = sum(float(rows[at, token]) for at, token in enumerate(tokens))
        assert said == pytest.approx(answer.scores[label], abs=1e-3)


def test_a_model_without_a_final_norm_is_refused_in_a_line(model: HfModel, monkeypatch: pytest.MonkeyPatch) -> None:
    exits = EarlyExits(model)

    def unfit(*_: object) -> None:
        raise UnfitError("no part of X gives its final states; expected one final norm")

    monkeypatch.setattr(exits._body, "find_norm", unfit)
    for _ in range(2):
        with pytest.raises(UnfitError, match=r"^no part of X gives its final states; expected one final norm$"):
            exits.scores(clip(1), JOINT, LABELS, [("low", 0.1)])
