"""Families other than the lab model's through the whole plugin, and processors and models that lose the audio."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

BENCH = ("--mcr-profile", "report", "mcr/test_mcr_bench.py")

EARS = """
from pathlib import Path
from unittest import mock

import transformers

from tests.unit import tiny_processors as tiny
from tests.unit.tiny_requests import loaded, plain


def spoilt(options):
    real = transformers.AutoProcessor.from_pretrained(options["folder"])
    chosen = tiny.Deaf(real, getattr(tiny, options["how"]))
    with mock.patch.object(transformers.AutoProcessor, "from_pretrained", return_value=chosen):
        return loaded(Path(options["folder"]))


def deaf(options):
    model = loaded(Path(options["folder"]))
    whole = plain(model).model
    for part in (whole, whole.base_model):
        part.forward = without_features(part.forward)
    return model


def without_features(forward):
    def ignore(*args, input_features=None, feature_attention_mask=None, **given):
        return forward(*args, **given)

    return ignore
"""


@pytest.fixture(scope="module")
def flamingo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.unit.tiny_families import audioflamingo3  # imports torch: only where a test asks for it

    return audioflamingo3(tmp_path_factory.mktemp("flamingo") / "checkpoint")


@pytest.fixture
def ears(pytester: pytest.Pytester) -> None:
    importlib.import_module("tests.unit.tiny_processors")  # here, because torch cannot be imported twice
    pytester.makepyfile(ears=EARS)


def test_a_family_from_a_folder(mcr: Runner, data: Path, flamingo: Path) -> None:
    """Random weights: the canary hears the clips, the hearing test shows nothing, and nothing breaks."""
    ran = mcr(str(flamingo), data, *BENCH, "--mcr-limit", "4", "--mcr-max-unparsed", "1")
    ran.clean()
    assert ran.code == 0, ran.text
    results = ran.results
    assert results["canary"]["verdict"] == "pass"
    assert (results["counts"]["cases"], results["counts"]["errors"]) == (32, 0)
    assert results["audit"]["batch"]["verdict"] == "pass"
    assert results["audit"]["batch"]["drift"] < 1e-3
    traits = results["model"]["traits"]
    assert (traits["family"], traits["engine"]["continuation"]) == ("audioflamingo3", "tree")


@pytest.mark.usefixtures("ears")
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ears:spoilt?how=drop_audio", "expected some in each"),
        ("ears:spoilt?how=wrong_keyword", "the processor complained: "),
        ("ears:spoilt?how=no_features", "the processor gave no audio features"),
        ("ears:spoilt?how=half_the_clip", "audio was cut"),
        ("ears:deaf?", "0 of 4 pairs of clips moved"),
    ],
    ids=["drops-it", "warns-and-ignores-it", "no-features", "cuts-it", "model-ignores-it"],
)
def test_audio_that_is_lost_is_invalid(mcr: Runner, data: Path, tiny_model_dir: Path, spec: str, words: str) -> None:
    joint = "" if spec.endswith("?") else "&"
    ran = mcr(f"{spec}{joint}folder={tiny_model_dir}", data, *BENCH, "--mcr-limit", "2")
    ran.clean()
    assert (ran.code, ran.results["verdict"], ran.results["canary"]["verdict"]) == (8, "invalid", "fail")
    assert words in ran.results["canary"]["detail"]
    assert ran.results["counts"]["cases"] == 0
