"""``--mcr-confidence``: drawn answers and a second question, by models of one's own, and who is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner

REPORT = ("--mcr-suite", "bench,confidence", "--mcr-profile", "report")
SOURCE = '''
from dataclasses import replace

from pytest_mcr import Response
from pytest_mcr.models.oracle import Oracle


class Follower(Oracle):
    """Follows every text; gives no scores."""

    def __init__(self, options):
        super().__init__("text-follower", {"scores": "no"})
        self.name = type(self).__name__


class Draws(Follower):
    """Every fourth draw is silent."""

    def respond_sampled(self, requests):
        answers = super().respond(requests)
        return [
            Response("") if request.id.endswith("::confidence.3") else answer
            for request, answer in zip(requests, answers)
        ]


class DrawsBadly(Draws):
    def respond_sampled(self, requests):
        if any(request.id.startswith("AQA-0002-neutral::") for request in requests):
            raise ValueError("no temperature")
        return super().respond_sampled(requests)


class Says(Follower):
    """Says 90 of what it was told in a text, 60 else; one reply is no number."""

    def respond(self, requests):
        answers = super().respond(requests)
        return [
            Response(self.say(request)) if "How likely" in request.prompt else answer
            for request, answer in zip(requests, answers)
        ]

    def say(self, request):
        assert request.candidates == () and not request.want_scores and request.audio is not None
        if request.id.startswith("AQA-0002-neutral"):
            return "hard to say"
        return "90" if "-adversarial" in request.id else "60 %"


class Counts(Oracle):
    """Gives scores, and says that each is over two tokens."""

    def __init__(self, options):
        super().__init__("text-follower", {})
        self.name = type(self).__name__

    def respond(self, requests):
        answers = super().respond(requests)
        return [
            replace(answer, lengths=dict.fromkeys(answer.scores, 2)) if answer.scores else answer
            for answer in answers
        ]


class Silent(Oracle):
    """Gives scores and no counts."""

    def __init__(self, options):
        super().__init__("text-follower", {})
        self.name = type(self).__name__
'''


@pytest.fixture
def mine(pytester: pytest.Pytester) -> Path:
    return pytester.makepyfile(mine=SOURCE)


@pytest.mark.parametrize("spread", [(), ("-n2",)], ids=["bare", "n2"])
def test_drawn_answers(mcr: Runner, data: Path, mine: Path, spread: Sequence[str]) -> None:
    ran = mcr("mine:Draws", data, *REPORT, "--mcr-confidence", "sample:4", *spread)
    assert ran.code == 0, ran.text
    assert [ran.metric("ece", c) for c in ("neutral", "adversarial")] == pytest.approx([0.25, 0.75])
    assert ran.metric("nll", "neutral") is None
    assert {case["confidence"] for case in ran.cases} == {0.75}
    assert ran.results["settings"]["confidence"] == "sample:4"
    assert "confidence: the share of 4 drawn answers" in ran.text


def test_a_draw_that_fails_is_no_confidence_and_is_counted(mcr: Runner, data: Path, mine: Path) -> None:
    ran = mcr("mine:DrawsBadly", data, *REPORT, "--mcr-confidence", "sample:2")
    assert ran.code == 0, ran.text
    lost = [case["id"] for case in ran.cases if case["confidence"] is None]
    assert lost == ["AQA-0002-neutral"]
    assert next(case for case in ran.cases if case["id"] in lost)["verdict"] == "audio"
    assert "no confidence for 1 of 24 answers" in ran.text


@pytest.mark.parametrize("spread", [(), ("-n2",)], ids=["bare", "n2"])
def test_a_second_question(mcr: Runner, data: Path, mine: Path, spread: Sequence[str]) -> None:
    ran = mcr("mine:Says", data, *REPORT, "--mcr-confidence", "verbal", *spread)
    assert ran.code == 0, ran.text
    assert [ran.metric("ece", c, "SER") for c in ("neutral", "adversarial")] == pytest.approx([0.4, 0.9])
    assert "no confidence for 1 of 24 answers" in ran.text
    assert ran.results["counts"]["cases"] == 96


def test_replies_that_say_nothing_are_not_called_missing_scores(mcr: Runner, data: Path, mine: Path) -> None:
    ran = mcr("mine:Follower", data, *REPORT, "--mcr-confidence", "verbal", "-rs")
    assert ran.code == 0, ran.text
    assert "not measured: the model stated no confidence" in ran.text
    assert "no confidence was stated" in ran.text
    assert "gives no scores" not in ran.text


@pytest.mark.parametrize("spread", [(), ("-n2",)], ids=["bare", "n2"])
def test_scores_over_their_tokens(mcr: Runner, data: Path, mine: Path, spread: Sequence[str]) -> None:
    """The oracle is 0.95 sure of one of two or four candidates: the square roots of the odds, by hand."""
    ran = mcr("mine:Counts", data, *REPORT, "--mcr-confidence", "scores:per-token", *spread)
    assert ran.code == 0, ran.text
    for case in ran.cases:
        rest = len(case["scores"]) - 1
        expected = 0.95**0.5 / (0.95**0.5 + rest * (0.05 / rest) ** 0.5)
        assert case["confidence"] == pytest.approx(expected)
        assert case["lengths"] == dict.fromkeys(case["scores"], 2)
    assert ran.results["settings"]["confidence"] == "scores:per-token"
    assert "confidence: softmax over the candidates' mean log p of a token" in ran.text
    recorded = ran.out.rename(ran.out.with_name("first")) / "cases.jsonl"
    again = mcr(f"replay:{recorded}", data, *REPORT, "--mcr-confidence", "scores:per-token")
    assert [case["confidence"] for case in again.cases] == [case["confidence"] for case in ran_cases(recorded)]


def ran_cases(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_model_without_counts_is_null_with_the_reason(mcr: Runner, data: Path, mine: Path) -> None:
    ran = mcr("mine:Silent", data, *REPORT, "--mcr-confidence", "scores:per-token", "-rs")
    assert ran.code == 0, ran.text
    assert all(case["confidence"] is None and case["scores"] for case in ran.cases)
    assert all("lengths" not in case for case in ran.cases)
    notes = [row["note"] for row in ran.results["metrics"] if row["metric"] == "ece" and row["value"] is None]
    assert notes
    assert all("does not give scores with the tokens that they are summed over" in note for note in notes)
    assert ran.metric("nll", "neutral") is None
    plain = mcr("mine:Silent", data, *REPORT)
    assert all(case["confidence"] for case in plain.cases)


def test_who_cannot_is_refused(mcr: Runner, data: Path, mine: Path, tmp_path: Path) -> None:
    mcr("oracle:listener", data, "--mcr-confidence", "sample:4").refused("sample:4", "oracle", "respond_sampled")
    mcr("oracle:listener", data, "--mcr-confidence", "verbal").refused("verbal", "oracle models cannot be asked")
    mcr("oracle:listener", data, "--mcr-confidence", "sample:1").refused("--mcr-confidence 'sample:1'", "from 2 to 100")
    ran = mcr("mine:Follower", data, *REPORT, "--mcr-confidence", "sample:4")
    assert ran.code == 4
    assert "'Follower' draws no answers" in ran.text
    ran.clean()
