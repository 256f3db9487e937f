# mypy: allow-untyped-calls
"""Which of the white box's measurements each family allows, found out by trying; the others say why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_load import load_checkpoint
from pytest_mcr.probes.body import Body
from pytest_mcr.probes.knockout import Cut, knocked_out
from pytest_mcr.probes.questions import Posed, pose
from pytest_mcr.probes.trials import Fitness, try_out
from tests.unit import tiny_families, tiny_standins
from tests.unit.stand_in import StandIn
from tests.unit.tiny_conflicts import conflict, gap

BUILDERS: dict[str, Any] = {**tiny_families.REAL, **tiny_standins.STAND_INS}
ELSEWHERE = ("qwen2_audio", "voxtral")
"""Tested in `test_probe_knockout`; needs a process of its own (`test_voxtral`)."""
STREAMS = "its blocks pass on states of shape (2, 1, "
REASONS = {
    "gemma3n": {
        "lens": STREAMS,
        "patching": STREAMS,
        "values": "the values of Gemma3nTextAttention do not add up to its output",
    },
    "gemma4": {"values": "the values of Gemma4TextAttention do not add up to its output"},
    "gemma4_unified": {"values": "the values of Gemma4UnifiedTextAttention do not add up to its output"},
    "dots3_note": {"values": "Dots3NoteTextAttention has no v_proj and o_proj"},
    "muse_spark": {"values": "the values of MuseSparkTextAttention do not add up to its output"},
}
"""What a family does not allow, and why: several residual streams, normed or gated values, latent attention."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", [name for name in BUILDERS if name not in ELSEWHERE])
def test_what_a_family_allows(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = BUILDERS[family](tmp_path_factory.mktemp(family))
    with made.serving() if isinstance(made, StandIn) else nullcontext():
        folder = made.folder if isinstance(made, StandIn) else made
        checkpoint = load_checkpoint(folder, device="cpu", dtype="float32", attention=None)
    inputs = Inputs(checkpoint.processor, checkpoint.family, checkpoint.audio_token_id)
    with torch.inference_mode():
        posed = pose(conflict(inputs.sample_rate), inputs, checkpoint)
        assert posed.spans.text
        assert posed.spans.audio
        assert posed.spans.exact
        body, fitness = try_out(checkpoint, posed)
        assert body is not None
        expected = REASONS.get(family, {})
        for field in Fitness.__slots__:
            reason = getattr(fitness, field)
            assert (reason is None) == (field not in expected), f"{field}: {reason}"
            assert reason is None or reason.startswith(expected[field])
        _cutting_moves_what_is_cut(body, posed)
    inputs.close()


def _cutting_moves_what_is_cut(body: Body, posed: Posed) -> None:
    """Nothing cut is bit-equal, the text's cut is not the audio's."""
    own, everywhere = body.look(posed.joint).logits[-1], range(1, body.depth + 1)
    found = []
    for places in ((), posed.spans.text, posed.spans.audio):
        with knocked_out(body, everywhere, Cut(places, to_all=True), posed.spans.length):
            found.append(body.look(posed.joint).logits[-1])
    nothing, text, audio = found
    assert torch.equal(nothing, own)
    assert min(gap(text, own), gap(text, audio)) > 1e-3
