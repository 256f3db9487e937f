"""What a case looks like while it runs: its verdict as a letter or a word, its category ``passed``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

LETTERS = """
from pytest_mcr import Response
from pytest_mcr.models.oracle import Oracle


class Mixed(Oracle):
    SAYS = {
        "SER-0001-neutral": "happy", "SER-0001-adversarial": "sad", "SER-0002-neutral": "angry",
        "SER-0003-neutral": "Hmm.", "SER-0004-adversarial": "The text and the audio contradict each other.",
    }

    def __init__(self, options):
        super().__init__("listener", {})

    def respond(self, requests):
        answers = super().respond(requests)
        return [
            Response(self.SAYS.get(request.id, answer.text), answer.scores)
            for request, answer in zip(requests, answers)
        ]
"""
REPORT = ("--mcr-profile", "report", "--mcr-tasks", "SER", "-p", "no:cacheprovider")


def test_letters(pytester: pytest.Pytester, mcr: Runner, data: Path) -> None:
    pytester.makepyfile(letters=LETTERS)
    ran = mcr("letters:Mixed", data, *REPORT)
    assert ran.code == 0
    line = next(line for line in ran.result.outlines if line.startswith("mcr/test_mcr_bench.py "))
    assert line.split()[1] == "aaaaaataoaaauaaaaaca" + "aaaa" * 7
    ran.result.assert_outcomes(passed=48)
    assert "48 passed" in ran.result.outlines[-1]
    verdicts = {case["id"]: case["verdict"] for case in ran.cases if case["verdict"] != "audio"}
    assert verdicts == {
        "SER-0001-adversarial": "text",
        "SER-0002-neutral": "other",
        "SER-0003-neutral": "unparsed",
        "SER-0004-adversarial": "flagged",
    }


def test_words(pytester: pytest.Pytester, mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    pytester.makepyfile(letters=LETTERS)
    ran = mcr("letters:Mixed", data, *REPORT, "-v", *mode)
    for case, word in (
        ("SER-0001-neutral", "AUDIO"),
        ("SER-0001-adversarial", "TEXT"),
        ("SER-0002-neutral", "OTHER"),
        ("SER-0003-neutral", "UNPARSED"),
        ("SER-0004-adversarial", "FLAGGED"),
    ):
        node = f"mcr/test_mcr_bench.py::test_mcr_bench[{case}]"
        assert any(node in line and word in line for line in ran.result.outlines), (case, word)
    ran.result.assert_outcomes(passed=48)


def test_an_error_is_a_failure_and_a_gate_has_pytests_own_letters(mcr: Runner, data: Path) -> None:
    gates = ("--mcr-gate", "accuracy[adversarial] >= 0.5", "--mcr-gate", "mrs >= 1")
    ran = mcr("oracle:crasher?case=SER-0001-faithful", data, "--mcr-tasks", "SER", *gates)
    lines = ran.result.outlines
    first = next(number for number, line in enumerate(lines) if line.startswith("mcr/test_mcr_bench.py "))
    assert lines[first].split()[1] == "aaaaaFaa" + "aaaa" * 10
    assert lines[first + 1].split()[0] == ".."
    ran.result.assert_outcomes(passed=49, failed=1)
