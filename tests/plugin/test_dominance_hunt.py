"""The search of the dominance suite through pytest: what it finds, keeps, replays and refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.conftest import Ran, Runner

HUNT = ("--mcr-suite", "dominance", "--mcr-profile", "report", "-k", "test_hunt")


def findings(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ran.out / "findings.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("model", "edits"),
    [
        ("oracle:follower-if", {("reliability:verified",), ("authority:verified",)}),
        ("oracle:follower-if?upper=yes", {("case:upper",)}),
        ("oracle:text-follower", {()}),
    ],
)
def test_what_a_model_follows_is_found_and_nothing_else_is_left_in_the_text(
    mcr: Runner, data: Path, mode: Sequence[str], model: str, edits: set[tuple[str, ...]]
) -> None:
    ran = mcr(model, data, *HUNT, *mode)
    assert ran.code == 0, ran.text
    found = findings(ran)
    assert [one["sample"] for one in found] == ["AQA-0000", "AQA-0005", "SER-0001", "SER-0004"]
    assert {tuple(one["operators"]) for one in found} <= edits
    assert all(one["gold"] != one["answer"] and one["fingerprint"].startswith("oracle/1:") for one in found)
    assert "search: 4 clips of 4 turned by a text" in ran.text


def test_every_mode_finds_the_same_texts(mcr: Runner, data: Path, tmp_path: Path) -> None:
    kept = []
    for mode in ((), ("-n0",), ("-n2",)):
        ran = mcr("oracle:follower-if", data, *HUNT, "--mcr-seed", "3", *mode)
        kept.append((findings(ran), [line for line in ran.text.splitlines() if "search:" in line]))
        (ran.out / "findings.jsonl").unlink()
    assert kept[0] == kept[1] == kept[2]


def test_a_listener_is_turned_by_nothing(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, *HUNT)
    assert findings(ran) == []
    assert "search: 0 clips of 4 turned by a text" in ran.text


def test_a_finding_fails_only_where_that_was_asked_for(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:follower-if", data, *HUNT, "--mcr-fail-on-finding")
    assert ran.code == 1
    ran.result.assert_outcomes(failed=4)
    assert "verified, turns" in ran.text


def test_findings_are_asked_first_next_time_and_only_of_the_same_model(mcr: Runner, data: Path) -> None:
    first = findings(mcr("oracle:follower-if", data, *HUNT))
    again = mcr("oracle:follower-if", data, *HUNT)
    assert findings(again) == first
    assert "4 former findings turned the answer again" in again.text
    other = mcr("oracle:follower-if?seed=5", data, *HUNT)
    assert "former" not in other.text
    assert len(findings(other)) == 2 * len(first)  # both models' are kept


def test_a_torn_file_is_named_and_kept(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    file = pytester.mkdir("out") / "findings.jsonl"
    file.write_text('{"sample": "AQA-00')
    ran = mcr("oracle:listener", data, *HUNT)
    assert "findings.jsonl:1: not a JSON object" in ran.text
    assert file.read_text() == '{"sample": "AQA-00\n'


def test_a_limit_of_time_marks_the_search_truncated(mcr: Runner, data: Path, factories: Path) -> None:
    ran = mcr("oracle:slow?seconds=0.3", data, *HUNT, "--mcr-hunt-seconds", "1")
    assert ran.code == 0
    assert "truncated" in ran.text


def test_the_long_search_takes_every_clip_of_the_suite(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, "--mcr-suite", "bench", "--mcr-profile", "report", "-k", "test_hunt",
              "--mcr-hunt", "--mcr-dominance-samples", "5")  # fmt: skip
    assert len(findings(ran)) == 10


RESTLESS = '''
import itertools

from pytest_mcr import Response

COUNT = itertools.count()


class Restless:
    """Never answers the same question alike."""

    name = "restless"
    cacheable = False

    def __init__(self, options):
        pass

    def fingerprint(self):
        return "restless/1"

    def respond(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        heard = int(request.audio.digest[:4], 16) if request.audio else 0
        lean = (heard % 7) / 7 + next(COUNT) * 1e-6
        scores = {label: -lean * place for place, label in enumerate(request.candidates, 1)}
        return Response(request.candidates[0] if request.candidates else "a sound", scores)
'''


def test_a_model_that_is_not_deterministic_is_not_searched(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(restless=RESTLESS)
    ran = mcr("restless:Restless", data, *HUNT)
    assert ran.code == 0, ran.text
    assert "not searched" in ran.text
    assert "deterministic" in ran.text or "alike" in ran.text
