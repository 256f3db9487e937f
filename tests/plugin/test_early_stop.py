"""``--mcr-early-stop``: the same end in every mode, marked, with the cases beyond it left out and no gate lost."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.plugin.conftest import Ran, Runner
from tests.support import folders

EARLY = "--mcr-early-stop"
GATES = ("--mcr-gate", "tir[adversarial] <= 0.30@95", "--mcr-gate", "each.accuracy[faithful] >= 0.75")


@pytest.fixture(scope="session")
def data120(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 samples: AQA and SER, 120 each."""
    return folders.dataset(tmp_path_factory.mktemp("mcr") / "data120", 120)


def mark(ran: Ran) -> dict[str, object]:
    found: dict[str, object] = ran.results["run"]["sequential"]
    return {key: value for key, value in found.items() if key != "asked"}


def test_a_good_model_passes_early(mcr: Runner, data120: Path, mode: Sequence[str]) -> None:
    ran = mcr("oracle:listener", data120, *GATES, EARLY, *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"], ran.results["reasons"]) == (0, "pass", [])
    assert ran.gates == dict.fromkeys(
        ("tir[adversarial] <= 0.30@95", "AQA.accuracy[faithful] >= 0.75", "SER.accuracy[faithful] >= 0.75"), "pass"
    )
    found = ran.results["run"]["sequential"]
    assert (found["stopped"], found["verdict"]) == (True, "pass")
    assert found["samples"] == {"AQA": 30, "SER": 30}
    assert found["of"] == {"AQA": 120, "SER": 120}
    assert ran.results["counts"]["cases"] == len(ran.cases) == 240
    assert 240 <= found["asked"] < 960
    assert {case["sample"][:3] for case in ran.cases} == {"AQA", "SER"}
    assert "PASS: oracle:listener (template discretion v1, answers by text, sequential)" in " ".join(ran.text.split())
    assert "ended early: 60 of 240 samples count" in " ".join(ran.text.split())
    ran.result.stdout.fnmatch_lines(["*early stopping: every gate passes, sure after 60 clips*"])


def test_a_bad_model_fails_early_with_the_same_evidence_in_every_mode(mcr: Runner, data120: Path) -> None:
    runs = [mcr("oracle:text-follower", data120, *GATES, EARLY, *mode) for mode in ((), ("-n0",), ("-n2",))]
    for ran in runs:
        ran.clean()
        assert (ran.code, ran.results["verdict"]) == (1, "fail")
        assert ran.gates["tir[adversarial] <= 0.30@95"] == "fail"
        assert mark(ran) == mark(runs[0])
        assert [case["id"] for case in ran.cases] == [case["id"] for case in runs[0].cases]
        assert ran.results["metrics"] == runs[0].results["metrics"]
        assert ran.results["gates"] == runs[0].results["gates"]


def test_release_needs_far_less_than_all(mcr: Runner, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = folders.dataset(tmp_path_factory.mktemp("mcr") / "data250", 250)
    ran = mcr("oracle:listener", root, EARLY)
    assert (ran.code, ran.results["verdict"]) == (0, "pass")
    assert set(ran.gates.values()) == {"pass"}
    assert all(5 * used <= 1000 for used in ran.results["run"]["sequential"]["samples"].values())


def test_a_run_that_goes_on_to_its_end_is_marked_too(mcr: Runner, data: Path, mode: Sequence[str]) -> None:
    """Twelve samples a task never show the thirty that the model has to hear."""
    ran = mcr("oracle:listener", data, *GATES, EARLY, *mode)
    assert ran.results["run"]["sequential"]["stopped"] is False
    assert ran.results["counts"]["cases"] == len(ran.cases) == 96
    assert ran.gates["tir[adversarial] <= 0.30@95"] == "pass"
    assert (ran.code, ran.results["verdict"]) == (0, "pass")


def test_what_all_clips_leave_open_is_undecided(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-gate", "accuracy[adversarial] >= 0.97@95", EARLY)
    assert (ran.code, ran.gates) == (1, {"accuracy[adversarial] >= 0.97@95": "undecided"})
    assert "not decided by all clips there are" in ran.results["gates"][0]["reason"]


def test_other_runs_carry_no_mark(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, "--mcr-profile", "report")
    assert "sequential" not in ran.results["run"]
    assert "sequential" not in ran.text.replace("test_other_runs", "")


def test_a_part_of_the_cases_decides_nothing(mcr: Runner, data120: Path) -> None:
    ran = mcr("oracle:listener", data120, *GATES, EARLY, "-k", "AQA")
    assert (ran.code, ran.results["verdict"]) == (8, "partial")
    assert ran.results["counts"]["cases"] == 480
    assert ran.results["run"]["sequential"]["stopped"] is False


def test_a_model_that_does_not_hear_is_invalid_as_ever(mcr: Runner, data120: Path) -> None:
    ran = mcr("oracle:deaf", data120, *GATES, EARLY)
    assert (ran.code, ran.results["verdict"]) == (8, "invalid")
    assert ran.cases == []


def test_a_case_with_an_error_is_one(mcr: Runner, data120: Path) -> None:
    """An error among the clips that count turns the run red, one beyond them does not exist."""
    whole = mcr("oracle:listener", data120, *GATES, EARLY)
    first, last = whole.cases[0]["sample"], sorted({f"AQA-{n:04d}" for n in range(120)} - {
        case["sample"] for case in whole.cases
    })[0]  # fmt: skip
    ran = mcr(f"oracle:crasher?case={first}-faithful", data120, *GATES, EARLY)
    assert (ran.code, ran.results["reasons"]) == (1, ["1 case had an error"])
    assert ran.results["counts"]["errors"] == 1
    assert mcr(f"oracle:crasher?case={last}-faithful", data120, *GATES, EARLY).results["counts"]["errors"] == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--mcr-suite", "bench,dominance"), ("--mcr-early-stop", "dominance", "--mcr-suite bench,confidence")),
        (("--mcr-suite", "mitigation"), ("--mcr-early-stop", "mitigation")),
        (("--mcr-suite", "bench,confidence,dominance"), ("--mcr-early-stop", "dominance")),
        (("--mcr-suite", "", "--mcr-hunt"), ("--mcr-early-stop", "dominance")),
        (("--mcr-profile", "report"), ("--mcr-early-stop needs a gate to decide", "profile report has none")),
    ],
    ids=["dominance", "mitigation", "default", "hunt", "report"],
)
def test_what_does_not_go_together(mcr: Runner, data: Path, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    mcr("oracle:listener", data, *args, EARLY).refused(*words)


def test_the_default_suites_leave_the_later_ones_out(mcr: Runner, data: Path) -> None:
    ran = mcr("oracle:listener", data, *GATES, EARLY, "--mcr-suite", "")
    assert ran.results["settings"]["suites"] == ["bench", "confidence"]
    assert "mcr: early stopping: the run ends when all 3 gates are sure to pass, or one to fail" in ran.text


def test_an_error_after_the_end_changes_nothing(mcr: Runner, data120: Path) -> None:
    """An error in what a worker still had under way: neither the verdict nor the exit code depends on workers."""
    whole = mcr("oracle:listener", data120, *GATES, EARLY, "-n2")
    counted = {case["sample"] for case in whole.cases}
    beyond = [sample for sample in order(120) if sample not in counted]
    ran = mcr(f"oracle:crasher?case={beyond[0]}-faithful", data120, *GATES, EARLY, "-n2")
    ran.clean()
    assert (ran.code, ran.results["verdict"], ran.results["reasons"]) == (0, "pass", [])
    assert mark(ran) == mark(whole)


def order(per_task: int) -> list[str]:
    """The samples in the order in which they count."""
    ids = {task: sorted((f"{task}-{n:04d}" for n in range(per_task)), key=seeded) for task in ("AQA", "SER")}
    return [sample for pair in zip(*ids.values(), strict=True) for sample in pair]


def seeded(name: str) -> bytes:
    return hashlib.sha256(f"0/{name}".encode()).digest()


def test_a_comparison_needs_a_number_of_clips_fixed_beforehand(mcr: Runner, data: Path) -> None:
    mcr("oracle:listener", data, "--mcr-early-stop", "--mcr-baseline", "blessed").refused(
        "--mcr-early-stop and --mcr-baseline blessed", "fixed beforehand", "--mcr-tier gate --mcr-baseline"
    )
