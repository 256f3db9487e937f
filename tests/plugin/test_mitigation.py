"""The mitigation suite on planted models: exact numbers in every mode, gates on arms, tuning, clear refusals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import pytest_mcr.run.mitigation  # noqa: F401  # imported once, as in conftest.py
from tests.plugin.arms import FOLLOWER, GACL, REPORT, SUITE, arms, values
from tests.plugin.conftest import Runner
from tests.support import folders


def test_a_text_follower_is_repaired_by_the_audio_alone(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    words = (f"--mcr-mitigation={GACL}", "--mcr-mitigation=aad", "--mcr-mitigation=prompt:ignore-text")
    ran = mcr(FOLLOWER, data, REPORT, SUITE, *words, *mode)
    assert ran.code == 0, ran.text
    names = ["joint", "hard-switch", "prompt:none", GACL, "aad", "prompt:ignore-text"]
    assert list(values(ran, "gain")) == names
    assert list(values(ran, "gain").values()) == [0, 1, 0, 1, 0, 0]
    assert list(values(ran, "recovered").values()) == [0, 1, 0, 1, 0, 0]
    assert set(values(ran, "drop").values()) == {0}
    assert set(values(ran, "irrelevant_drop").values()) == {0}
    assert set(values(ran, "neutral_change").values()) == {0}
    assert list(values(ran, "passes").values()) == [1, 1, 1, 2, 2, 1]
    assert values(ran, "accuracy", "adversarial") == dict(zip(names, [0, 1, 0, 1, 0, 0], strict=True))
    assert {row["n"] for row in arms(ran, "gain").values()} == {24}
    assert ran.results["mitigation"] == {"arms": names, "prompts": {"ignore-text": 1}, "tuned": None}
    assert all(row["low"] <= row["value"] <= row["high"] for row in arms(ran, "gain").values())
    assert "Mitigation" in ran.result.outlines
    assert any(line.split()[:2] == ["hard-switch", "1.00"] for line in ran.result.outlines)


def test_a_listener_has_nothing_to_gain(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, REPORT, SUITE, "--mcr-mitigation=gacl")
    assert ran.code == 0, ran.text
    assert set(values(ran, "gain").values()) == {0}
    assert set(values(ran, "drop").values()) == {0}
    assert set(values(ran, "recovered").values()) == {None}


def test_tuning_is_reported_on_the_test_split_alone(mcr: Runner, data40: Path) -> None:
    ran = mcr(FOLLOWER, data40, REPORT, "--mcr-tune", "--mcr-mitigation=gacl", "--mcr-suite=bench", "-k", "repair")
    assert ran.code == 0, ran.text
    found = ran.results["mitigation"]["tuned"]
    assert found["budget"] == 0.05
    assert len(found["dev"]) == len(found["test"]) == 40
    assert not set(found["dev"]) & set(found["test"])
    chosen = found["arms"]["gacl"]
    assert chosen["chosen"].startswith("gacl?lambda=")
    assert chosen["dev"] == {"gain": 1.0, "drop": 0.0}
    assert chosen["tried"] == 36
    assert values(ran, "gain") == {"joint": 0, "hard-switch": 1, "gacl": 1}
    assert values(ran, "nauc") == {"gacl": 1}
    assert {row["n"] for row in arms(ran, "gain").values()} == {40}
    assert "on the test split of 40 clips" in " ".join(ran.text.split())


def test_the_same_numbers_whatever_the_workers(mcr: Runner, data40: Path) -> None:
    words = (REPORT, "--mcr-tune", SUITE, "--mcr-mitigation=gacl", "--mcr-mitigation=self-gated", "--mcr-seed=3")
    found = []
    for mode in ("-n0", "-n2"):
        ran = mcr("oracle:noisy?p=0.6", data40, *words, mode)
        assert ran.code == 0, ran.text
        found.append([ran.results["metrics"], ran.results["mitigation"]])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        ((f"gain[{GACL}] >= 0.5@95", f"drop[{GACL}] <= 0.05", "SER.gain[hard-switch] >= 0.9"), 0),
        (("gain[joint] >= 0.1",), 1),
        (("drop[hard-switch] <= 0.01@95",), 1),
    ],
)
def test_gates_on_arms(mcr: Runner, data: Path, gates: Sequence[str], code: int) -> None:
    words = [word for gate in gates for word in ("--mcr-gate", gate)]
    ran = mcr(FOLLOWER, data, SUITE, f"--mcr-mitigation={GACL}", *words)
    assert ran.code == code, ran.text
    assert list(ran.gates) == list(gates)
    assert set(ran.gates.values()) <= ({"pass"} if code == 0 else {"fail", "undecided"})
    ran.clean()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mcr-mitigation=help",), ("--mcr-mitigation 'help'", "one of joint, hard-switch", "prompt:reason")),
        (("--mcr-mitigation=gcal",), ("did you mean gacl?",)),
        (("--mcr-mitigation=gacl?lamda=1",), ("KEY one of lambda, tau", "'lamda=1'")),
        (("--mcr-mitigation=gacl?tau=0",), ("for tau a number above 0",)),
        (("--mcr-mitigation=acd?perturber=flip",), ("for perturber one of noise, reverse, lowpass", "'flip'")),
        (("--mcr-budget=2",), ("--mcr-budget '2'", "a number from 0 to 1")),
        (("--mcr-tune",), ("--mcr-tune needs 20 clips of each task", "AQA has 12", "--mcr-limit")),
        (("--mcr-tune", "--mcr-conditions=neutral,adversarial"), ("--mcr-tune needs faithful and adversarial",)),
        ((SUITE, "--mcr-gate", "gain[gacl?lambda=2] >= 0.1"), ("has no arm 'gacl?lambda=2'", "--mcr-mitigation 'gacl")),
        ((SUITE, "--mcr-gate", "gain[nothing] >= 0.1"), ("'nothing' is no repair arm",)),
        (("--mcr-gate", "gain[gacl] >= 0.1"), ("needs the mitigation suite", "--mcr-suite bench,mitigation")),
    ],
)
def test_refusals(mcr: Runner, data: Path, words: Sequence[str], said: Sequence[str]) -> None:
    mcr(FOLLOWER, data, *words).refused(*said)


def test_whole_prompts_leave_no_place_for_another(mcr: Runner, tmp_path: Path) -> None:
    made = folders.records(6, ("SER",))
    for row in made["SER"]:
        for condition in ("faithful", "adversarial", "irrelevant"):
            row[condition] = f"{row[condition]}\n{row['neutral']}"
    data = folders.write(tmp_path / "whole", made)
    mcr(FOLLOWER, data, "--mcr-mitigation=prompt:reason").refused("'prompt:reason'", "SER are whole prompts")
    ran = mcr(FOLLOWER, data, REPORT, SUITE, f"--mcr-mitigation={GACL}")
    assert ran.code == 0, ran.text
    assert values(ran, "gain")[GACL] == 1


def test_a_chosen_design_has_fewer_numbers(mcr: Runner, data: Path) -> None:
    words = ("--mcr-conditions=adversarial", f"--mcr-mitigation={GACL}", "--mcr-mitigation=prompt:unreliable")
    mcr(FOLLOWER, data, SUITE, *words, "--mcr-gate", f"drop[{GACL}] <= 0").refused("needs the condition faithful")
    ran = mcr(FOLLOWER, data, REPORT, SUITE, *words)
    assert ran.code == 0, ran.text
    assert values(ran, "gain")[GACL] == 1
    assert values(ran, "recovered")[GACL] == 1  # the rules' own A is asked in any case
    assert arms(ran, "recovered")["prompt:unreliable"]["note"] == "no neutral answers"
    assert values(ran, "drop") == {}
    skipped = mcr(FOLLOWER, data, REPORT, SUITE, "--mcr-conditions=neutral", "-rs")
    assert "needs the adversarial text" in skipped.text


def test_a_part_of_the_clips_is_partial(mcr: Runner, data: Path) -> None:
    ran = mcr(FOLLOWER, data, SUITE, f"--mcr-mitigation={GACL}", "-k", "AQA", "--mcr-gate", f"gain[{GACL}] >= 0.5")
    assert ran.code == 8, ran.text
    assert ran.results["verdict"] == "partial"
    assert ran.results["reasons"] == ["12 of 24 clips of the mitigation suite were asked (-k, -m, --lf, ids or paths)"]


def test_recorded_answers_hold_no_branches(mcr: Runner, data: Path) -> None:
    first = mcr("oracle:listener", data, REPORT)
    recorded = first.out.rename(first.out.with_name("first")) / "cases.jsonl"
    ran = mcr(f"replay:{recorded}", data, REPORT, "--mcr-suite=bench,mitigation", "-rs")
    assert ran.code == 0, ran.text
    assert "recorded answers hold none of the other branches and prompts" in " ".join(ran.text.split())
    assert not any("arm" in row for row in ran.results["metrics"])


def test_the_ini_keys(mcr: Runner, data: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini(f"[pytest]\nmcr_mitigation =\n    {GACL}\n    pmi\nmcr_budget = 0.1\n")
    ran = mcr(FOLLOWER, data, REPORT, SUITE)
    assert ran.code == 0, ran.text
    assert list(values(ran, "gain")) == ["joint", "hard-switch", GACL, "pmi"]
    assert ran.results["settings"]["mitigation"] == [GACL, "pmi"]
    assert ran.results["settings"]["budget"] == 0.1
