"""What a run says and does about its engine: the batch audit, the pace, the time limit, the four branches."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Runner
from tests.support import folders

REPORT = ("--mcr-profile", "report")


@pytest.mark.usefixtures("factories")
def test_a_model_whose_two_paths_agree(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("models:Batched", data, *REPORT, *mode)
    assert ran.code == 0, ran.text
    audit = ran.results["audit"]["batch"]
    assert (audit["verdict"], audit["cases"], audit["flips"], audit["drift"]) == ("pass", 64, [], 0.0)
    assert "batches     pass: 0 of 64 answers differ from" in ran.text


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize(("options", "words"), [("flips=1", "at most 1 flip"), ("drift=0.01", "at most 0.001 nats")])
def test_batches_that_change_answers_make_a_run_invalid(
    mcr: Runner, data: Path, mode: Sequence[str], options: str, words: str
) -> None:
    ran = mcr(f"models:Batched?{options}", data, *REPORT, *mode)
    assert ran.code == 8
    assert ran.results["verdict"] == "invalid"
    assert ran.results["reasons"][0].startswith("batch audit: ")
    assert words in ran.results["reasons"][0]
    assert ran.results["counts"]["errors"] == 0


@pytest.mark.usefixtures("factories")
def test_the_audit_is_cached_as_any_answer(mcr: Runner, data: Path) -> None:
    words = [*REPORT, "--mcr-cache", "kept"]
    first = mcr("models:Batched?cacheable=1", data, *words)
    again = mcr("models:Batched?cacheable=1", data, *words)
    assert again.results["counts"]["cached"] == 96
    assert again.results["audit"]["batch"] == first.results["audit"]["batch"]


def test_a_model_without_a_plain_path_is_not_audited(mcr: Runner, data: Path) -> None:
    audit = mcr("oracle:listener", data, *REPORT).results["audit"]["batch"]
    assert (audit["verdict"], audit["cases"]) == ("not_applicable", 0)


@pytest.mark.usefixtures("factories")
def test_a_run_without_the_benchmark_audits_nothing_and_says_so(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    words = (*REPORT, "--mcr-suite=mitigation", "--mcr-mitigation=prompt:ignore-text", *mode)
    audit = mcr("models:Batched", data, *words).results["audit"]["batch"]
    assert (audit["verdict"], audit["cases"]) == ("not_applicable", 0)
    assert audit["detail"] == "no audited case was answered (only cases of the benchmark are audited)"


@pytest.mark.parametrize(("profile", "code"), [("release", 8), ("report", 0)])
def test_a_time_limit_ends_the_run_as_partial(
    mcr: Runner, data40: Path, mode: Sequence[str], profile: str, code: int
) -> None:
    slow = "oracle:slow?seconds=0.02"
    ran = mcr(slow, data40, "--mcr-time-limit", "2", "--mcr-profile", profile, *mode)
    assert ran.code == code, ran.text
    assert ran.results["verdict"] == "partial"
    assert ran.results["reasons"] == ["the run ended early: time limit of 2 s (--mcr-time-limit)"]
    assert 0 < ran.results["counts"]["cases"] == len(ran.cases) < 320
    assert ran.results["gates"] == []


def test_a_limit_that_is_not_reached_changes_nothing(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data, *REPORT, "--mcr-time-limit", "600", *mode)
    assert (ran.code, ran.results["verdict"]) == (0, "pass")


def test_a_bad_limit_is_refused(mcr: Runner, data: Path) -> None:
    mcr("oracle:listener", data, "--mcr-time-limit", "0").refused("--mcr-time-limit", "'0'", "number from 1")
    mcr("oracle:listener", data, "--mcr-batch-size", "many").refused(
        "--mcr-batch-size", "'many'", "auto, or an integer"
    )


def test_the_time_that_is_left_is_said_after_the_first_chunk(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    slow = "oracle:slow?seconds=0.08"
    text = mcr(slow, data, *REPORT, *mode).text
    assert len(re.findall(r"mcr: canary passed, [\d.]+ cases a second, about \d+ s left of 96 cases", text)) == 1
    assert "a second, about" not in mcr(slow, data, *REPORT, "-q", *mode).text
    assert "a second, about" not in mcr("oracle:listener", data, *REPORT, *mode).text  # it is over at once


def test_timing_adds_up(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    timing = mcr("oracle:slow?seconds=0.005", data, *REPORT, *mode).results["timing"]
    assert sum(timing["share"].values()) == pytest.approx(1, abs=0.02)
    assert timing["share"]["model"] > 0.2
    assert timing["cases_per_second"] > 0


@pytest.mark.usefixtures("factories")
def test_clips_to_come_are_prepared_in_a_thread(
    pytester: pytest.Pytester, mcr: Runner, data40: Path, mode: Sequence[str]
) -> None:
    assert mcr("models:Ahead", data40, *REPORT, *mode).code == 0
    told = [line.split() for line in (pytester.path / "threads.txt").read_text().splitlines()]
    assert len({digest for _, digest in told}) == 80
    assert len(told) < 2 * 80  # a wrong guess is prepared for nothing
    ahead = sum(thread == "mcr-prepare" for thread, _ in told)
    assert ahead > len(told) / 4  # near the end of the list xdist decides late, so that workers end together


BRANCHES = """
import json

def test_branches(mcr_case):
    said = {name: mcr_case.ask(name).text for name in ("J", "A", "T", "0")}
    said["none"] = mcr_case.ask("T", "none").text
    with open("said.txt", "a") as log:
        print(mcr_case.case.condition, mcr_case.case.sample.gold, json.dumps(said), file=log)
"""


def test_branches_take_the_clip_or_the_text_away(pytester: pytest.Pytester, mcr: Runner, tmp_path: Path) -> None:
    pytester.makepyfile(BRANCHES)
    data = folders.dataset(tmp_path / "data", 4, ("SER",))
    ran = mcr(
        "oracle:text-follower", data, *REPORT, "--mcr-conditions", "neutral,adversarial", "mcr/test_mcr_bench.py", "."
    )
    assert ran.code == 0, ran.text
    lines = (pytester.path / "said.txt").read_text().splitlines()
    assert len(lines) == 8
    for line in lines:
        condition, gold, said = line.split(" ", 2)
        heard = json.loads(said)
        assert heard["A"] == gold
        assert heard["T"] == heard["none"] or condition == "neutral"
        assert (heard["J"] == gold) == (condition == "neutral")
