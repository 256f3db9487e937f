"""The file of a head: what is written is read back to the bit, and whatever else it may hold is refused by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mcr.core.head import TARGETS, fit_head, temperature_of
from pytest_mcr.errors import OptionError
from pytest_mcr.run.head_file import HeadFile, head_text, read_head
from tests.unit.heads import pulled

CASES = pulled(40)
HEAD = HeadFile(
    heads={target: fit_head(target, CASES) for target in TARGETS},
    temperature=temperature_of(CASES),
    threshold=0.7,
    fingerprint="sha256:1",
    model="planted",
    template="discretion",
    version=1,
    answer="generate",
    data="0" * 64,
    dev_clips=frozenset({"digest 1", "digest 2"}),
    dev_groups=frozenset({"clip 1"}),
    facts={"seed": 0},
)
GOOD: dict[str, Any] = json.loads(head_text(HEAD))


def test_a_head_is_read_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "head.json"
    path.write_text(head_text(HEAD), encoding="utf-8")
    found = read_head(path)
    assert head_text(found) == head_text(HEAD)
    for target in TARGETS:
        ours, theirs = (head.heads[target].probability(CASES) for head in (HEAD, found))
        assert np.array_equal(ours, theirs)
    one = HEAD.heads["correctness"].one(CASES[3].scores)
    assert one == pytest.approx(HEAD.heads["correctness"].probability(CASES)[3], abs=1e-12)


def changed(key: str, value: object) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(GOOD))
    *way, last = key.split(".")
    place = copy
    for name in way:
        place = place[name]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("schema", "pytest-mcr.head/2", 'schema is "pytest-mcr.head/2"; expected "pytest-mcr.head/1"'),
        ("schema", KeyError, "schema is missing"),
        ("heads", {}, "heads is {}; expected an object with correctness or conflict"),
        ("heads", {"mood": {}}, "heads is"),
        ("heads.correctness", 3, "heads.correctness is 3; expected an object"),
        ("heads.correctness.weights", KeyError, "heads.correctness.weights is missing"),
        ("heads.correctness.weights", [1.0], "heads.correctness.weights is [1.0]; expected a list of 18 numbers"),
        ("heads.correctness.means", ["x"] * 18, 'heads.correctness.means[0] is "x"; expected a finite number'),
        ("heads.correctness.means", [True] * 18, "heads.correctness.means[0] is true"),
        ("heads.conflict.scales", [0.0] * 18, "heads.conflict.scales[0] is 0.0; expected a finite number from 1e-12"),
        ("heads.conflict.intercept", 10**400, "heads.conflict.intercept is 1000"),
        ("heads.conflict.prevalence", 1.5, "heads.conflict.prevalence is 1.5; expected a finite number from"),
        ("heads.conflict.rows", 0, "heads.conflict.rows is 0; expected a whole number from 1"),
        ("heads.conflict.features", ["gold"], 'heads.conflict.features[0] is "gold"; expected one of confidence'),
        ("heads.conflict.features", ["gate", "gate"], "heads.conflict.features[1]"),
        ("temperature", -1, "temperature is -1"),
        ("threshold", 2, "threshold is 2; expected a finite number from 0 to 1"),
        ("model", "lab", 'model is "lab"; expected an object'),
        ("model.fingerprint", None, "model.fingerprint is null; expected a text"),
        ("protocol.version", "1", 'protocol.version is "1"; expected a whole number'),
        ("dev_clips", [1], "dev_clips[0] is 1; expected a text"),
        ("dev_groups", "all", 'dev_groups is "all"; expected a list of texts'),
        ("facts", [], "facts is []; expected an object"),
    ],
)
def test_a_bad_key_is_named(tmp_path: Path, key: str, value: object, words: str) -> None:
    refused(tmp_path, json.dumps(changed(key, value)).encode(), words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"[]", "the whole file is []; expected an object"),
        (b"\x80\x04\x95", "is not JSON"),  # what a pickle begins with
        (b"[" * 100_000, "is not JSON"),
        (json.dumps(changed("temperature", float("nan"))).encode(), "NaN is no number of JSON"),
    ],
    ids=["empty", "list", "pickle", "deep", "nan"],
)
def test_what_is_no_head_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    refused(tmp_path, content, words)


def refused(folder: Path, content: bytes, words: str) -> None:
    path = folder / "head.json"
    path.write_bytes(content)
    with pytest.raises(OptionError) as caught:
        read_head(path)
    message = str(caught.value)
    assert str(path) in message
    assert words in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 600


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nowhere\.json: cannot be read \(No such file"):
        read_head(tmp_path / "nowhere.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def keys(tree: object, way: str = "") -> list[str]:
    if not isinstance(tree, dict):
        return []
    found = [f"{way}{name}" for name in tree]
    return found + [key for name, inner in tree.items() for key in keys(inner, f"{way}{name}.")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(key=st.sampled_from(keys(GOOD)), value=JSON)
def test_any_value_anywhere_is_read_or_refused_in_one_line(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "head.json"
    path.write_text(json.dumps(changed(key, value)), encoding="utf-8")
    try:
        found, said = read_head(path), ""
    except OptionError as error:
        found, said = HEAD, str(error)
    assert "\n" not in said
    assert np.isfinite(found.heads[next(iter(found.heads))].probability(CASES[:3])).all()
