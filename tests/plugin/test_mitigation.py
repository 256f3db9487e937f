"""The mitigation suite on planted models: exact numbers in every mode, gates on arms, tuning, clear refusals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import pytest_mcr.run.mitigation  # noqa: F401  # imported once, as in conftest.py
from tests.plugin.conftest import Ran, Runner
from tests.support import folders
from tests.support.pulled import PULLED

SUITE = "--mcr-suite=mitigation"
REPORT = "--mcr-profile=report"
FOLLOWER = "oracle:text-follower"
GACL = "gacl?lambda=1"


def arms(ran: Ran, metric: str, condition: str | None = None, task: str = "*") -> dict[str, dict[str, Any]]:
    return {
        row["arm"]: row
        for row in ran.results["metrics"]
        if "arm" in row and (row["metric"], row["condition"], row["task"]) == (metric, condition, task)
    }


def values(ran: Ran, metric: str, condition: str | None = None) -> dict[str, Any]:
    return {arm: row["value"] for arm, row in arms(ran, metric, condition).items()}


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


# --- models of one's own ----------------------------------------------------------------------------------------------


@pytest.fixture
def pulled(pytester: pytest.Pytester) -> Path:
    pytester.makepyfile(pulledmodel=PULLED)
    return pytester.path / "asked.log"


def asked(log: Path) -> list[str]:
    lines = [line for line in log.read_text().splitlines() if not line.startswith("canary")]
    log.unlink()
    return lines


def test_more_arms_on_the_same_branches_ask_nothing_more(mcr: Runner, data: Path, pulled: Path) -> None:
    words = (REPORT, SUITE, "--mcr-cache=off")
    assert mcr("pulledmodel:Pulled", data, *words, "--mcr-mitigation=contextual").code == 0
    one = asked(pulled)
    five = [f"--mcr-mitigation={arm}" for arm in ("contextual", "aad", "gacl", "pmi", "self-gated", "gacl?lambda=2")]
    assert mcr("pulledmodel:Pulled", data, *words, *five).code == 0
    assert asked(pulled) == one
    assert len(one) == len(set(one)) == 24 * 8  # J and T of three texts, A and 0
    assert mcr("pulledmodel:Pulled", data, *words, "--mcr-mitigation=gacl").code == 0
    assert len(asked(pulled)) == 24 * 4
    assert mcr("pulledmodel:Pulled", data, *words, "--mcr-mitigation=acd", "--mcr-mitigation=acd?alpha=2").code == 0
    assert len(asked(pulled)) == 24 * 8  # J and P of each condition; A is J of neutral
    ways = ("acd?perturber=reverse", "acd?perturber=reverse&alpha=2", "acd?perturber=mask&strength=0.25")
    ran = mcr("pulledmodel:Pulled", data, *words, *(f"--mcr-mitigation={way}" for way in ways))
    assert ran.code == 0, ran.text
    assert len(asked(pulled)) == 24 * 12  # J and two P
    notes = [arms(ran, "gain")[name]["note"] for name in (ways[0], ways[2])]
    assert "P is the clip under time reversal" in notes[0]
    assert "P is the clip under time masking of strength 0.25, seed 0" in notes[1]


def test_the_benchmark_and_the_suite_share_their_answers(mcr: Runner, data: Path, pulled: Path) -> None:
    words = (REPORT, "--mcr-suite=bench,mitigation", "--mcr-mitigation=gacl")
    assert mcr("pulledmodel:Pulled", data, *words).code == 0
    cases = [name for name in asked(pulled) if "::" not in name]
    assert len(cases) == len(set(cases)) == 24 * 4


def test_a_failed_branch_is_an_error_and_no_score(mcr: Runner, data: Path, pulled: Path) -> None:
    ran = mcr("pulledmodel:Pulled?silence=1", data, REPORT, SUITE, "--mcr-mitigation=aad", "--mcr-mitigation=gacl")
    assert ran.code == 1, ran.text
    assert ran.results["reasons"] == ["96 of 192 prompts of the mitigation suite had an error"]
    assert values(ran, "gain")["aad"] is None
    assert "no silence please" in arms(ran, "gain")["aad"]["note"]
    assert values(ran, "gain")["gacl"] is not None
    ran.clean()


def test_without_scores_only_prompts_are_compared(mcr: Runner, data: Path, pulled: Path) -> None:
    words = ("--mcr-mitigation=gacl", "--mcr-mitigation=prompt:unreliable")
    ran = mcr("pulledmodel:Pulled?mute=1", data, REPORT, SUITE, *words)
    assert ran.code == 0, ran.text
    assert values(ran, "gain")["gacl"] is None
    assert values(ran, "gain")["prompt:unreliable"] == 0
    assert "the model gives no scores" in " ".join(ran.text.split())
    gated = mcr("pulledmodel:Pulled?mute=1", data, SUITE, *words, "--mcr-gate", "gain[gacl] >= 0")
    assert gated.code == 8, gated.text


def test_an_arm_that_looks_inside_needs_a_model_in_this_process(mcr: Runner, data: Path, pulled: Path) -> None:
    words = (REPORT, SUITE, "--mcr-mitigation=dola", "--mcr-mitigation=gacl")
    for model in (FOLLOWER, "pulledmodel:Pulled"):
        ran = mcr(model, data, *words)
        assert ran.code == 0, ran.text
        assert {row["value"] for row in ran.results["metrics"] if row.get("arm") == "dola"} <= {None, 1}  # passes
        assert "dola reads hidden states, which only a model in this process shows" in arms(ran, "gain")["dola"]["note"]
        assert "dola reads hidden states" in " ".join(ran.text.split())
        assert values(ran, "gain")["gacl"] is not None
        ran.clean()
    gated = mcr(FOLLOWER, data, SUITE, "--mcr-mitigation=dola", "--mcr-gate", "gain[dola] >= 0")
    assert gated.code == 8, gated.text


def test_an_open_ended_task_does_not_hide_the_others(mcr: Runner, tmp_path: Path) -> None:
    made = folders.records(24, ("AQA", "SER"))
    for number, row in enumerate(made["SER"]):  # more than twenty golds and no list of candidates: an open question
        del row["candidates"], row["text_labels"]
        row["gt"] = f"sound {number}"
    data = folders.write(tmp_path / "open", made)
    ran = mcr("oracle:listener", data, REPORT, SUITE, "--mcr-mitigation=gacl")
    assert ran.code == 0, ran.text
    assert values(ran, "gain")["gacl"] is None
    assert arms(ran, "gain", task="AQA")["gacl"]["value"] == 0
    assert any(line.split()[:2] == ["accuracy,", "AQA"] for line in ran.result.outlines)
    assert not any(line.split()[:2] == ["accuracy,", "SER"] for line in ran.result.outlines)
    only = mcr("oracle:listener", data, REPORT, SUITE, "--mcr-mitigation=gacl", "--mcr-tasks=SER")
    assert only.code == 0, only.text
    assert "the model gives no scores of a closed candidate set (24 of 24)" in " ".join(only.text.split())


THINKER = """\
from pytest_mcr import Response


class Thinker:
    '''Follows the text, unless it is asked to write first; then every third thought is cut off.'''

    name = "thinker"
    cacheable = False

    def __init__(self, options):
        self.seen = 0

    def fingerprint(self):
        return "thinker-1"

    def respond(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        prompt = request.prompt
        labels = ("angry", "happy", "sad")
        said = next((x for x in labels if f"{x} voice" in prompt), "angry")
        if "last line" not in prompt:
            assert (request.candidates, request.max_new_tokens) == (labels, 32), request
            best = said if "voice" in prompt else "happy"
            heard = int(request.audio.digest[:4], 16) / 65536 if request.audio is not None else 0.0
            return Response(best, {x: -0.1 if x == best else -2 - 3 * heard for x in labels})
        assert (request.candidates, request.max_new_tokens) == ((), 256), request
        self.seen += 1
        if self.seen % 3 == 0:
            return Response(f"I hear something that might be {said}, and")
        return Response(f"The text says {said}, which I do not hear.\\nAnswer: happy.")
"""


def test_an_answer_that_was_to_be_written_last_is_read_there(
    mcr: Runner, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    pytester.makepyfile(thinker=THINKER)
    made = folders.records(12, ("SER",))
    data = folders.write(tmp_path / "one", {"SER": [row for row in made["SER"] if row["gt"] == "happy"]})
    ran = mcr("thinker:Thinker", data, REPORT, SUITE, "--mcr-mitigation=prompt:reason")
    assert ran.code == 0, ran.text
    # Of 16 answers that were written first every third is cut off: two of the four adversarial ones, which say "sad".
    assert values(ran, "accuracy", "adversarial")["prompt:reason"] == 0.5
    assert values(ran, "accuracy", "adversarial")["prompt:none"] == 0
    assert arms(ran, "gain")["prompt:reason"]["value"] == 0.5
    assert arms(ran, "gain")["prompt:reason"]["n"] == 4
    assert "2 of 4 adversarial answers unparsed or flagged" in arms(ran, "gain")["prompt:reason"]["note"]


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


def test_a_real_model_is_asked_in_every_branch(pytester: pytest.Pytester) -> None:
    names = (
        "aad?without=none",
        "acd",
        "acd?perturber=reverse",
        "contextual",
        "dola",
        "dola?bucket=high&mask=0",
        "gacl",
        "prompt:ignore-text",
        "prompt:reason",
    )
    words = [f"--mcr-mitigation={name}" for name in names]
    out = pytester.path / "out"
    result = pytester.runpytest_subprocess(
        "--mcr-model=lab",
        "--mcr-out",
        out,
        REPORT,
        SUITE,
        *words,
        "--mcr-tasks=VSC",
        "--mcr-limit=4",
        "--mcr-cache=off",
    )  # torch cannot be imported twice, so in a process of its own
    ran = Ran(result, out)
    assert ran.code == 0, ran.text
    gain = arms(ran, "gain", task="VSC")
    assert list(gain) == ["joint", "hard-switch", "prompt:none", *names]
    assert all(row["value"] is not None and row["n"] == 4 for row in gain.values())
    assert gain["hard-switch"]["value"] >= 0.5
    assert gain["gacl"]["value"] <= gain["hard-switch"]["value"]
