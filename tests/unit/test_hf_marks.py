# mypy: allow-untyped-calls
"""Quoted placeholders are text, also for processors that count them: the Qwen Omni families."""

import copy
from typing import Any

import pytest
import transformers
from transformers.utils import chat_template_utils

from pytest_mcr.errors import DeliveryError
from pytest_mcr.models.hf_inputs import Inputs
from pytest_mcr.models.hf_marks import MARKED, count_unmarked
from pytest_mcr.models.hf_processor import Processor
from tests.unit import tiny_processors as tiny
from tests.unit.tiny_omni import omni_parts
from tests.unit.tiny_requests import clip

OMNI = [transformers.Qwen2_5OmniProcessor, transformers.Qwen3OmniMoeProcessor]
QUOTES = ["<|AUDIO|>", "<|image|> and <|video|>", "\U000f0000<|AUDIO|>\U000f0001"]


@pytest.mark.parametrize("kind", OMNI)
@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("deaf", [False, True])
def test_an_omni_processor_takes_a_quoted_placeholder_as_text(kind: Any, quote: str, deaf: bool) -> None:
    real, ids = omni_parts(kind)
    audio = None if deaf else clip(1)
    refusing = Processor(real, "omni", ids["audio_token_id"])
    with pytest.raises((DeliveryError, ValueError), match=r"The total number of|Found \d"):
        refusing.tensors([audio], [quote])
    asked = Processor(count_unmarked(copy.deepcopy(real)), "omni", ids["audio_token_id"])
    quoting, plain = (asked.tensors([audio], [prompt])["input_ids"][0] for prompt in (quote, "?"))
    for token in ids.values():
        assert int((quoting == token).sum()) == int((plain == token).sum())


def test_prompts_of_an_omni_model_are_tokenised_apart() -> None:
    """Or every prompt would have its clip's features extracted again."""
    real, ids = omni_parts(OMNI[0])
    assert not Inputs(real, "omni", ids["audio_token_id"]).tokenizes_apart
    assert Inputs(count_unmarked(real), "omni", ids["audio_token_id"]).tokenizes_apart


def test_a_placeholder_too_few_is_still_counted() -> None:
    processor = count_unmarked(tiny.processor_of("audioflamingo3"))
    samples = clip(1).samples
    with pytest.raises(ValueError, match=r"2 audios|2 audio inputs"):
        processor(text=["<sound>"], audio=[samples, samples], return_tensors="pt")


def test_the_marks_are_those_of_transformers() -> None:
    start, end = chat_template_utils._CONTROL_TOKEN_START, chat_template_utils._CONTROL_TOKEN_END
    assert MARKED.sub("", f"a{start}<|AUDIO|>{end}b") == "ab"
