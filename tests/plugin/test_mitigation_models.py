"""The mitigation suite on models of one's own, what they are asked and cannot give, and on the lab model."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytest_mcr.run.mitigation  # noqa: F401  # imported once, as in conftest.py
from tests.plugin.arms import FOLLOWER, REPORT, SUITE, arms, values
from tests.plugin.conftest import Ran, Runner
from tests.support import folders
from tests.support.pulled import PULLED


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
