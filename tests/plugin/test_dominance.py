"""The dominance suite on planted models: exact numbers, in every mode the same, and clear words where it cannot run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.conftest import Ran, Runner

SUITE = ("--mcr-suite", "dominance", "--mcr-profile", "report")
RATES = (*SUITE, "-k", "test_rate", "--mcr-examples", "20")
SHORT = ("--mcr-dominance-samples", "4")


def number(ran: Ran, name: str, task: str = "*") -> Any:
    return ran.metric(f"dominance.{name}", None, task)


def rows(ran: Ran) -> list[dict[str, Any]]:
    return [row for row in ran.results["metrics"] if row["metric"].startswith("dominance.")]


def test_a_follower_and_a_listener_have_the_numbers_that_were_planted(
    mcr: Runner, data: Path, mode: Sequence[str]
) -> None:
    ran = mcr("oracle:text-follower", data, *RATES, *mode)
    assert ran.code == 0, ran.text
    assert number(ran, "text_share") == pytest.approx(0.75)
    assert number(ran, "text_share_none") == pytest.approx(0.75)
    assert [number(ran, name) for name in ("edit_consistency", "edit_worst", "strong_audio_flip")] == [1, 1, 1]
    assert [number(ran, name) for name in ("denied_follow", "silence_difference", "irrelevant_flip")] == [0, 0, 0]
    assert [number(ran, name) for name in ("repairable", "robust")] == [1, 0]
    flips = {row["operator"]: row["value"] for row in rows(ran) if row["metric"] == "dominance.flip"}
    kept = {name: value for name, value in flips.items() if name.partition(":")[0] in ("case", "typo", "unicode")}
    assert set(kept.values()) == {1.0}
    heard = mcr("oracle:listener", data, *RATES, *mode)
    assert number(heard, "text_share") == 0
    assert number(heard, "swap_follow", "SER") == 1
    assert [number(heard, name) for name in ("edit_consistency", "order_consistency", "robust")] == [1, 1, 1]
    assert [number(heard, name) for name in ("strong_audio_flip", "denied_follow", "faithful_break")] == [0, 0, 0]
    assert {row["value"] for row in rows(heard) if row["metric"] == "dominance.flip"} == {0.0}


def test_planted_faults_are_found(mcr: Runner, data: Path) -> None:
    assert number(mcr("oracle:keyword", data, *RATES), "denied_follow") == 1
    assert number(mcr("oracle:first-option", data, *RATES), "order_consistency") < 0.5


def test_a_seed_gives_the_same_numbers_in_every_mode(mcr: Runner, data: Path) -> None:
    found = [
        rows(mcr("oracle:noisy?p=0.6", data, *RATES, *SHORT, "--mcr-seed", "7", *mode))
        for mode in ((), ("-n0",), ("-n2",))
    ]
    assert found[0] == found[1] == found[2]
    assert rows(mcr("oracle:noisy?p=0.6", data, *RATES, *SHORT, "--mcr-seed", "8")) != found[0]


def test_gates_are_judged_in_strict_on_enough_clips_only(mcr: Runner, data: Path) -> None:
    strict = ("--mcr-suite", "bench,dominance", "--mcr-profile", "strict", "-k", "not hunt", *SHORT)
    ran = mcr("oracle:text-follower", data, *strict)
    names = [gate for gate in ran.gates if gate.startswith("dominance.")]
    assert len(names) == 10, ran.gates
    assert {ran.gates[gate] for gate in names} == {"not_judged"}
    explicit = mcr("oracle:text-follower", data, *strict, "--mcr-gate", "dominance.strong_audio_flip <= 0.15")
    assert explicit.gates == {"dominance.strong_audio_flip <= 0.15": "fail"}
    assert explicit.code == 1


def test_a_gate_on_a_suite_that_does_not_run_is_refused(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-suite", "bench", "--mcr-gate", "dominance.text_share <= 0.5")
    ran.refused("dominance.text_share <= 0.5", "dominance suite", "--mcr-suite bench,dominance")


def test_without_scores_the_answers_alone_are_compared(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower?scores=no", data, *RATES, *SHORT)
    assert ran.code == 0
    assert number(ran, "edit_consistency") == 1
    for name in ("strong_audio_flip", "text_share", "margin_joint"):
        assert number(ran, name) is None
    assert "no scores" in ran.text


def test_what_cannot_be_varied_is_skipped_with_the_reason(mcr: Runner, data: Path, tmp_path: Path) -> None:
    ran = mcr("oracle:listener", data, *SUITE, "--mcr-conditions", "neutral,faithful", "-rs")
    assert "--mcr-conditions leaves out" in ran.text
    record = tmp_path / "answers.jsonl"
    record.write_text(json.dumps({"id": "AQA-0000-neutral", "text": "yes"}) + "\n")
    ran = mcr(f"replay:{record}", data, *SUITE, "-rs")
    assert "recorded answers hold none of the varied texts" in ran.text


def test_an_answer_that_is_an_error_fails_its_test_and_is_counted(mcr: Runner, data: Path, factories: Path) -> None:
    ran = mcr("oracle:crasher?after=30", data, *RATES, *SHORT)
    assert ran.code == 1
    assert "prompts of the dominance suite had an error" in ran.text
    ran.clean()


def test_the_summary_shows_relations_and_edits(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:text-follower", data, *RATES)
    for words in ("Text dominance", "an irrelevant text turns a right", "the text's share", "as it is"):
        assert words in ran.text
