"""``waivers.toml`` in a run: a named failure passes, loudly, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.plugin.conftest import Ran, Runner

GATE = "accuracy[adversarial] >= 0.9"
ARGS = ("--mcr-gate", GATE, "--mcr-gate", "accuracy[neutral] >= 0.5")


def day(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days)).isoformat()


def waive(ran: Ran, folder: Path, *gates: str, **changes: str) -> None:
    """A file of waivers for the model and the data of a run, one a gate."""
    facts = {
        "model": ran.results["model"]["fingerprint"], "dataset": ran.results["dataset"]["digest"][:12], "owner": "Ada",
        "reason": "known, mended in 1.1", "expires": day(30), **changes,
    }  # fmt: skip
    entries = [{"gate": gate, **facts} for gate in gates]
    (folder / "waivers.toml").write_text(
        "".join(
            "[[waiver]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items()) for one in entries
        )
    )


def words(ran: Ran) -> str:
    return " ".join(ran.text.split())


@pytest.fixture
def failed(mcr: Runner, data: Path) -> Ran:
    ran = mcr("oracle:text-follower", data, *ARGS)
    assert ran.code == 1
    return ran


def test_a_waived_gate_passes_loudly(
    mcr: Runner, data: Path, failed: Ran, pytester: pytest.Pytester, mode: Sequence[str]
) -> None:
    waive(failed, pytester.path, GATE)
    ran = mcr("oracle:text-follower", data, *ARGS, "--junitxml=junit.xml", *mode)
    ran.clean()
    assert (ran.code, ran.results["verdict"], ran.results["reasons"]) == (0, "pass", [])
    assert ran.gates == {GATE: "waived", "accuracy[neutral] >= 0.5": "pass"}
    [gate] = [gate for gate in ran.results["gates"] if "waiver" in gate]
    assert gate["waiver"] == {"owner": "Ada", "reason": "known, mended in 1.1", "expires": day(30), "was": "fail"}
    text = words(ran)
    assert "WAIVED: oracle:text-follower (template discretion v1, answers by text) does not meet 1 of 2 gates" in text
    assert "Ada waived it; the other gate is met." in text
    assert f"- WAIVED by Ada until {day(30)}: known, mended in 1.1: {GATE} (FAIL)" in text
    assert f"0.000, wanted >= 0.9; 22 clips must change; waived by Ada until {day(30)}" in text
    assert text.index("- WAIVED by Ada") < text.index("Model or tool?")
    assert "PASS" not in text.partition("Model or tool?")[0].rpartition("not comparable")[2]
    assert "waived by Ada" in (pytester.path / "junit.xml").read_text()


def test_the_other_gates_still_block(mcr: Runner, data: Path, failed: Ran, pytester: pytest.Pytester) -> None:
    waive(failed, pytester.path, GATE)
    ran = mcr("oracle:text-follower", data, *ARGS, "--mcr-gate", "tir[adversarial] <= 0.3")
    assert (ran.code, ran.gates["tir[adversarial] <= 0.3"]) == (1, "fail")
    assert f"WAIVED by Ada until {day(30)}: known, mended in 1.1: {GATE} (FAIL)" in words(ran)
    assert "is blocked by 1 of 3 gates" in words(ran)


def test_a_comparison_is_waived_too(mcr: Runner, data40: Path, pytester: pytest.Pytester) -> None:
    mcr("oracle:listener", data40, "--mcr-profile", "report").out.rename(pytester.path / "before")
    args = (
        "--mcr-gate",
        "accuracy[neutral] >= 0.5",
        "--mcr-baseline",
        "before",
        "--mcr-margin",
        "macro=0.04,task=0.08",
    )
    worse = mcr("oracle:text-follower", data40, *args)
    blocking = [expr for expr, verdict in worse.gates.items() if verdict != "pass"]
    assert len(blocking) == 3
    waive(worse, pytester.path, *blocking)
    ran = mcr("oracle:text-follower", data40, *args)
    assert (ran.code, {ran.gates[expr] for expr in blocking}) == (0, {"waived"})


def test_invalid_is_never_waived(mcr: Runner, data: Path, failed: Ran, pytester: pytest.Pytester) -> None:
    gate = "tir[placebo] <= 0.5"
    waive(failed, pytester.path, gate)
    ran = mcr("oracle:text-follower", data, *ARGS, "--mcr-gate", gate, "--mcr-max-unparsed", "0", "-k", "AQA")
    assert ran.code == 8
    waive(mcr("oracle:deaf", data, *ARGS), pytester.path, GATE)
    deaf = mcr("oracle:deaf", data, *ARGS)
    assert (deaf.code, deaf.results["verdict"]) == (8, "invalid")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"expires": "2020-01-01"}, "it expired on 2020-01-01"),
        ({"model": "another"}, "it is for the model another"),
        ({"dataset": "0" * 12}, "it is for the data 000000000000"),
    ],
)
def test_a_waiver_that_does_not_fit_is_a_note(
    mcr: Runner, data: Path, failed: Ran, pytester: pytest.Pytester, changes: dict[str, str], why: str
) -> None:
    waive(failed, pytester.path, GATE, **changes)
    ran = mcr("oracle:text-follower", data, *ARGS)
    assert (ran.code, ran.gates[GATE]) == (1, "fail")
    [note] = [note for note in ran.results["run"]["notes"] if "waivers.toml" in note]
    assert f"does nothing: {why}" in note
    assert why in words(ran)


def test_a_malformed_file_is_refused(mcr: Runner, data: Path, pytester: pytest.Pytester, mode: Sequence[str]) -> None:
    (pytester.path / "waivers.toml").write_text('[[waiver]]\ngate = "mrs >= 0.5"\n')
    mcr("oracle:listener", data, *mode).refused("waivers.toml: waiver 1: model is missing")


def test_the_rootdir_may_hold_it(mcr: Runner, data: Path, failed: Ran, pytester: pytest.Pytester) -> None:
    root = pytester.path / "root"
    root.mkdir()
    waive(failed, root, GATE)
    assert mcr("oracle:text-follower", data, *ARGS, f"--rootdir={root}").code == 0
