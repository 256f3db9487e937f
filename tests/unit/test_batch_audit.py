"""The batch-invariance audit: which cases, what counts as a difference, and when it is too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS, Case, Observation, Sample
from pytest_mcr.models.protocol import Response
from pytest_mcr.run.batch_audit import AUDITED, Compared, audit_report, audit_subset, compare, packed
from pytest_mcr.run.observe import observe

LABELS = ("cough", "laughter", "sigh")


def cases(sizes: dict[str, int]) -> list[Case]:
    texts = dict.fromkeys(CONDITIONS[1:], "text")
    samples = [
        Sample(f"{task}-{n:04d}", task, "a.wav", "?", "cough", texts) for task in sizes for n in range(sizes[task])
    ]
    return [Case(sample, condition) for sample in samples for condition in CONDITIONS]


@given(st.dictionaries(st.sampled_from(["AQA", "SER", "VSC"]), st.integers(1, 60), min_size=1), st.integers(0, 9))
def test_strata_are_as_even_as_they_can_be(sizes: dict[str, int], seed: int) -> None:
    design = cases(sizes)
    chosen = audit_subset(design, seed)
    assert chosen <= {case.id for case in design}
    assert len(chosen) == min(AUDITED, len(design))
    counts = {
        (task, condition): sum(c.id in chosen for c in design if (c.sample.task, c.condition) == (task, condition))
        for task in sizes
        for condition in CONDITIONS
    }
    full = {key for key, count in counts.items() if count == sizes[key[0]]}
    rest = [count for key, count in counts.items() if key not in full]
    assert not rest or max(counts.values()) - min(rest) <= 1


def test_another_seed_audits_other_cases() -> None:
    design = cases({"AQA": 60, "VSC": 60})
    assert audit_subset(design, 0) == audit_subset(design, 0)
    assert audit_subset(design, 0) != audit_subset(design, 1)


def seen(text: str | None, scores: dict[str, float] | None, error: str | None = None) -> Observation:
    sample = Sample("VSC-0000", "VSC", "a.wav", "?", "cough", {"adversarial": "a laugh"}, LABELS)
    response = Response(text, scores, error)
    return observe(Case(sample, "neutral"), "neutral", "?", response, "digest", 0.0, cached=False, by_score=False)


SCORES = {"cough": -0.1, "laughter": -2.6, "sigh": -4.0}


def test_the_same_answer_and_a_small_drift() -> None:
    fast = seen("cough", SCORES | {"sigh": -4.25})
    assert compare(fast, seen("cough", SCORES)) == Compared("VSC-0000-neutral", False, 0.25, 2.5)


def test_another_answer_is_a_flip() -> None:
    assert compare(seen("sigh", SCORES), seen("cough", SCORES)) == Compared("VSC-0000-neutral", True, 0.0, 2.5)
    assert compare(seen("hm", None), seen("cough", None)) == Compared("VSC-0000-neutral", True, None, None)


def test_an_error_of_the_plain_path_is_a_flip_and_one_of_the_fast_path_is_counted_elsewhere() -> None:
    assert compare(seen("cough", SCORES), seen(None, None, "broke")) == Compared(
        "VSC-0000-neutral", True, None, None, "broke"
    )
    assert compare(seen(None, None, "broke"), seen("cough", SCORES)) is None


SAME = Compared("a", False, 0.0005, 3.0)


def rows(*compared: Compared) -> list[dict[str, Any]]:
    return [packed(replace(row, id=f"case-{number}")) for number, row in enumerate(compared)]


def test_a_path_that_no_case_went_is_not_called_absent() -> None:
    assert audit_report([], "float32")["detail"] == "the model has no plain path to compare with"
    assert audit_report([], "float32", plain=True)["detail"].startswith("no audited case was answered (only cases of")


@pytest.mark.parametrize(
    ("compared", "dtype", "verdict", "words"),
    [
        ([SAME] * 64, "float32", "pass", "0 of 64 answers differ"),
        ([SAME] * 63 + [Compared("b", True, 0.0005, 0.0009)], "float32", "pass", "1 of 64 answers differ"),
        ([SAME] * 63 + [Compared("b", True, 0.0005, 0.0011)], "float32", "fail", "no near tie"),
        ([SAME] * 62 + [Compared("b", True, 0.0005, 0.0)] * 2, "float32", "fail", "at most 1 flip"),
        ([SAME] * 63 + [Compared("b", False, 0.0011, 1.0)], "float32", "fail", "at most 0.001 nats"),
        ([SAME] * 63 + [Compared("b", False, 0.09, 1.0)], "bfloat16", "pass", "up to 0.09 nats"),
        ([SAME] * 63 + [Compared("b", False, 0.11, 1.0)], "bfloat16", "fail", "at most 0.1 nats"),
        ([SAME, Compared("b", True, None, None, "out of memory")], "float32", "fail", "out of memory"),
        ([], "float32", "not_applicable", "no plain path"),
    ],
)
def test_budget(compared: list[Compared], dtype: str, verdict: str, words: str) -> None:
    report = audit_report(rows(*compared), dtype)
    assert report["verdict"] == verdict
    assert words in report["detail"]
    assert report["cases"] == len(compared)


@given(st.permutations(range(8)))
def test_the_order_of_arrival_does_not_matter(order: list[int]) -> None:
    compared = rows(*[replace(SAME, flip=number % 3 == 0, drift=number / 1e4) for number in range(8)])
    assert audit_report([compared[number] for number in order], "float32") == audit_report(compared, "float32")
