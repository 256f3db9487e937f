"""The wire: whatever a model says arrives as builtins that execnet and UTF-8 accept."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import execnet
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import Observation, Verdict
from pytest_mcr.glue.wire import RECORD_KEYS, pack, pack_process, plain, record_of, to_wire, unpack
from pytest_mcr.run.batch_audit import Compared
from pytest_mcr.run.canary import Canary
from pytest_mcr.run.process import Process
from pytest_mcr.run.run import Result

any_text = st.text(st.characters())  # lone surrogates included
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def observations(draw: st.DrawFn, text: st.SearchStrategy[str] = any_text) -> Observation:
    labels = draw(st.lists(text, min_size=2, max_size=4, unique=True))
    return Observation(
        id="AQA-0000-neutral",
        task="AQA",
        sample="AQA-0000",
        source_id=draw(st.none() | text),
        condition="neutral",
        audio=draw(text),
        prompt=draw(text),
        gold=labels[0],
        text_label=draw(st.none() | st.sampled_from(labels)),
        answer=draw(st.none() | st.sampled_from(labels)),
        raw=draw(st.none() | text),
        verdict=draw(st.sampled_from(Verdict)),
        confidence=draw(st.none() | st.floats(0, 1)),
        scores=draw(st.none() | st.fixed_dictionaries(dict.fromkeys(labels, finite))),
        seconds=draw(st.floats(0, 100)),
        cached=draw(st.booleans()),
        error=draw(st.none() | text),
        cluster=draw(text),
        candidates=tuple(labels),
    )


def through_execnet(value: Any) -> Any:
    return execnet.loads(execnet.dumps(value))


@given(observations())
def test_everything_survives_execnet_and_utf8(observation: Observation) -> None:
    payload = to_wire(Result(observation, observation, Compared("AQA-0000-neutral", False, 0.1, None)), None, "gw0")
    arrived = through_execnet(payload)
    assert arrived == payload
    assert arrived["audit"] == {
        "id": "AQA-0000-neutral", "flip": False, "drift": 0.1, "margin": None, "problem": None
    }  # fmt: skip
    json.dumps(record_of(arrived["case"]), allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert list(record_of(arrived["placebo"])) == list(RECORD_KEYS)


@given(observations(st.text()))
def test_what_utf8_can_hold_arrives_unchanged(observation: Observation) -> None:
    arrived = unpack(through_execnet(pack(observation)))
    assert asdict(arrived) == asdict(observation)
    assert isinstance(arrived.verdict, Verdict)
    assert isinstance(arrived.candidates, tuple)


def test_a_process_says_its_facts_once() -> None:
    model: dict[str, object] = {
        "name": "m",
        "traits": {"parameters": np.int64(7), "drift": np.float32(0.5), "odd": object},
    }
    packed: Any = through_execnet(
        pack_process(Process(model, Canary("pass", "4 of 4"), {"load": 1.5}, ["note"]), "gw1")
    )
    assert packed["model"]["traits"]["parameters"] == 7
    assert packed["model"]["traits"]["drift"] == 0.5
    assert packed["model"]["traits"]["odd"] == "<class 'object'>"
    assert packed["canary"] == {"verdict": "pass", "detail": "4 of 4"}
    assert (packed["worker"], packed["notes"]) == ("gw1", ["note"])


class Loud(str):
    """A subclass of a builtin, which execnet refuses."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Verdict.AUDIO, "audio"),
        (Loud("hey"), "hey"),
        ("a\ud800b", "a?b"),
        ({1: (2, {"a"})}, {"1": [2, ["a"]]}),
        (True, True),
        (np.bool_(True), True),
        (np.int32(3), 3),
        (b"\x00", b"\x00"),
    ],
)
def test_plain(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert through_execnet(found) == expected
    assert type(found) is type(expected)
