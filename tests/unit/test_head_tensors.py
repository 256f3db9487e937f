"""A calibration head with a probe on disk: read back to the bit, and every bad tensor or key named in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from pytest_mcr.core.head_probe import PROBE
from pytest_mcr.errors import OptionError
from pytest_mcr.run.head_file import HeadFile, read_head, save_head
from pytest_mcr.run.head_tensors import digest
from tests.unit.heads import pulled
from tests.unit.probed_heads import WIDTH, fitted, halves, planted


@pytest.fixture(scope="module")
def head() -> HeadFile:
    dev, _ = halves(planted(pulled(40), right=0.5))
    return HeadFile(
        heads={"correctness": fitted(dev)}, temperature=1.0, threshold=None, fingerprint="sha256:1", model="planted",
        template="discretion", version=1, answer="generate", data="0" * 64,
        dev_clips=frozenset(case.digest for case in dev), dev_groups=frozenset(), facts={},
    )  # fmt: skip


def test_a_head_with_a_probe_is_read_back_to_the_bit(tmp_path: Path, head: HeadFile) -> None:
    files = save_head(tmp_path / "head.json", head)
    assert [file.name for file in files] == ["head.json", "head.safetensors"]
    found = read_head(files[0])
    _, test = halves(planted(pulled(40), right=0.5))
    ours, theirs = (one.heads["correctness"] for one in (head, found))
    assert np.array_equal(ours.probability(test), theirs.probability(test))
    assert theirs.probe is not None
    assert (theirs.probe.layer, theirs.probe.width) == (3, WIDTH)
    dev, _ = halves(planted(pulled(40), right=0.5))
    with pytest.raises(ValueError, match="the probe was fitted on this clip"):
        theirs.probability(dev)


def refused(path: Path, *words: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_head(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_tensors_that_are_not_the_saved_ones_are_refused(tmp_path: Path, head: HeadFile) -> None:
    path, tensors = save_head(tmp_path / "head.json", head)
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + b"\x00")
    refused(path, "head.safetensors: is not the probe that was saved with head.json")
    tensors.unlink()
    refused(path, "head.safetensors: the probe of head.json cannot be read (No such file", "side by side")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("correctness.means"), "correctness.means is missing"),
        (lambda t: t.update({"correctness.weights": np.full(WIDTH, np.nan)}), "holds numbers that are not finite"),
        (lambda t: t.update({"correctness.scales": np.zeros(WIDTH)}), "correctness.scales holds numbers"),
        (lambda t: t.update({"correctness.scales": np.ones(3)}), "have 64, 3 and 64 numbers"),
        (lambda t: t.update({"correctness.means": np.zeros(WIDTH, np.float32)}), "is float32 of shape (64,)"),
        (lambda t: t.update({k: v[:8].copy() for k, v in t.items()}), "heads.correctness.probe.width is 64"),
        (None, "is no file of tensors"),
    ],
)
def test_bad_tensors_are_named(tmp_path: Path, head: HeadFile, change: Any, words: str) -> None:
    path, file = save_head(tmp_path / "head.json", head)
    content = b"\x80\x04\x95 no tensors"
    if change is not None:
        tensors = load(file.read_bytes())
        change(tensors)
        content = save(tensors)
    file.write_bytes(content)
    loaded = json.loads(path.read_text())
    loaded["heads"]["correctness"]["probe"]["tensors"] = digest(content)
    path.write_text(json.dumps(loaded))
    refused(path, words)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("layer", -1, "heads.correctness.probe.layer is -1; expected a whole number from 0"),
        ("intercept", "x", 'heads.correctness.probe.intercept is "x"'),
        ("width", 0, "heads.correctness.probe.width is 0"),
        ("tensors", 3, "heads.correctness.probe.tensors is 3; expected a text"),
    ],
)
def test_bad_keys_of_a_probe_are_named(tmp_path: Path, head: HeadFile, key: str, value: object, words: str) -> None:
    path, _ = save_head(tmp_path / "head.json", head)
    loaded = json.loads(path.read_text())
    loaded["heads"]["correctness"]["probe"][key] = value
    path.write_text(json.dumps(loaded))
    refused(path, words)


def test_a_probe_whose_feature_is_not_named_is_refused(tmp_path: Path, head: HeadFile) -> None:
    path, _ = save_head(tmp_path / "head.json", head)
    loaded = json.loads(path.read_text())
    packed = loaded["heads"]["correctness"]
    for key in ("features", "means", "scales", "weights"):
        packed[key] = packed[key][:-1]
    path.write_text(json.dumps(loaded))
    refused(path, "heads.correctness.features is", f"expected a list that ends in {PROBE}")
