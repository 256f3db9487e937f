"""Parsers of option values: what they accept, and that a refusal says what is expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.glue.flags import OPTIONS
from pytest_mcr.glue.values import device, folder, integer, list_of, number, one_of, shorthand, suites

accuracy = shorthand("accuracy", ">=", condition=True)
mrs = shorthand("mrs", ">=", condition=False)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (one_of("release", "strict"), "strict", "strict"),
        (list_of(), " AQA, SER,AQA ,", ("AQA", "SER")),
        (list_of("neutral", "faithful"), "faithful", ("faithful",)),
        (number(0, 1), "1e-2", 0.01),
        (number(0, 1), "0", 0.0),
        (integer(1), "7", 7),
        (accuracy, "0.5", "accuracy[adversarial] >= 0.5"),
        (accuracy, "neutral=0.25", "accuracy[neutral] >= 0.25"),
        (mrs, "0.7", "mrs >= 0.7"),
        (suites, "all", ("bench", "confidence", "dominance", "awareness", "mitigation")),
        (suites, "bench", ("bench",)),
        (device, "cuda:12", "cuda:12"),
        (folder, "a/b", Path("a/b")),
        (folder, "~/a", Path.home() / "a"),
    ],
)
def test_accepted(parse: Callable[[str], Any], text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (one_of("release", "strict"), "strikt", "one of release, strict (did you mean strict?)"),
        (one_of("release", "strict"), "zzz", "one of release, strict"),
        (list_of("neutral"), "", "a comma-separated list of neutral"),
        (list_of(), ",", "a comma-separated list"),
        (number(0, 1), "1.01", "a number from 0 to 1"),
        (number(0, 1), "nan", "a number from 0 to 1"),
        (number(0, 1), "half", "a number from 0 to 1"),
        (integer(1), "0", "an integer of at least 1"),
        (integer(0), "1.5", "an integer of at least 0"),
        (accuracy, "loud=0.5", "[COND=]X with COND one of neutral, faithful, adversarial, irrelevant"),
        (mrs, "neutral=0.5", "a number"),
        (device, "cuda:", "auto, cpu, cuda or cuda:N"),
        (device, "cuda:-1", "auto, cpu, cuda or cuda:N"),
        (suites, "bnch", "one of bench, confidence, dominance, awareness, mitigation, all (did you mean bench?)"),
    ],
)
def test_refused(parse: Callable[[str], Any], text: str, expected: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(text)
    assert str(refusal.value) == expected


@given(st.floats(0, 1))
def test_a_shorthand_is_a_gate_with_that_very_threshold(threshold: float) -> None:
    gate = parse_gate(accuracy(repr(threshold)))
    assert (gate.metric, gate.condition, gate.op) == ("accuracy", "adversarial", ">=")
    assert gate.threshold == threshold


def test_the_table_of_flags() -> None:
    assert len({option.dest for option in OPTIONS}) == len(OPTIONS)
    for option in OPTIONS:
        assert option.flag.startswith("--mcr-")
        assert option.dest == option.flag.removeprefix("--").replace("-", "_")
        assert (option.default == ()) == option.repeat
