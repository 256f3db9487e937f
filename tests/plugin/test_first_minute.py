"""What changed since the last run, found by itself; a red summary says it, a green one stays short."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_mcr.run import diagnosis

Lines = list[str]
Run = Callable[..., Lines]
HEAD = "What changed, where, and what would help"


@pytest.fixture
def summary(pytester: pytest.Pytester, data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run without --mcr-out, so that runs find each other under .mcr/runs; the lines of the section."""
    for name in ("PYTEST_ADDOPTS", "CI", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "400")

    def run(model: str, *args: str) -> Lines:
        words = ("-p", "no:unraisableexception", "-o", "mcr_suite=bench", "--mcr-model", model)
        chosen = () if "--mcr-data" in args else ("--mcr-data", str(data))
        result = pytester.runpytest_inprocess(*words, *chosen, *args)
        lines = result.outlines
        assert not [line for line in lines if "Traceback" in line], lines
        if HEAD not in lines:
            return []
        body = lines[lines.index(HEAD) + 1 :]
        return [line.strip() for line in body[: body.index("")]]

    return run


def said(lines: Lines, label: str) -> str:
    """What stands beside a label, up to the next one, on one line."""
    text = "\n".join(lines)
    found = re.search(
        rf"^{label}\s+(.*?)(?=\n(?:changed|where|repair|waive) |\Z)", text, flags=re.DOTALL | re.MULTILINE
    )
    assert found, text
    return found[1]


def test_the_last_comparable_run_is_found_and_compared(summary: Run, mode: tuple[str, ...]) -> None:
    assert said(summary("oracle:text-follower", *mode), "changed").endswith(".mcr/runs holds no other run")
    same = said(summary("oracle:text-follower"), "changed")
    assert same.splitlines()[0].endswith("(the same model, verdict fail)")
    assert "no change beyond luck in accuracy[adversarial] +0.00 [" in same
    assert same.splitlines()[-1] == "nothing differs in the configuration"
    other = said(summary("oracle:listener", *mode), "changed").splitlines()
    assert other[0].endswith("(oracle:text-follower, another model or version, verdict fail)")
    assert re.match(r"accuracy\[adversarial\] 0\.00, now 1\.00: \+1\.00 \[\S+\], n 24", other[1])
    assert other[-1].startswith("differs in fingerprint: oracle/1:text-follower?, now oracle/1:listener?"), other


def test_only_a_comparable_run_is_compared(summary: Run, data40: Path, pytester: pytest.Pytester) -> None:
    follower = "oracle:text-follower"
    summary(follower, "--mcr-data", str(data40))
    assert said(summary(follower), "changed").endswith(".mcr/runs: 1 other data")
    told = said(summary(follower, "--mcr-template", "paper"), "changed")
    assert told.endswith(".mcr/runs: 1 another template, 1 other data")
    told = said(summary(follower, "--mcr-limit", "8", "--mcr-gate", "accuracy[adversarial] >= 0.5"), "changed")
    assert told.startswith("no comparable run among the last 3 in ")
    assert told.endswith(": 1 another template, 1 other data, 1 with other cases")
    for results in pytester.path.glob(".mcr/runs/*/results.json"):
        results.write_bytes(results.read_bytes()[:500])
    assert said(summary(follower), "changed").endswith(".mcr/runs: 4 without numbers that count")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("results.json", '"run": {', '"ran": {'),
        ("results.json", '"traits": {', '"traits": 3, "t": {'),
        ("results.json", '"model": {', '"model": "m", "m": {'),
        ("cases.jsonl", '"answer": "', '"answer": ["'),
        ("cases.jsonl", '"gold": "yes"', '"gold": 7'),
        ("cases.jsonl", '"confidence": ', '"confidence": "x", "c": '),
    ],
)
def test_a_damaged_run_spoils_nothing(
    name: str, old: str, new: str, summary: Run, data: Path, pytester: pytest.Pytester
) -> None:
    summary("oracle:text-follower", "--mcr-limit", "12")
    (file,) = pytester.path.glob(f".mcr/runs/*/{name}")
    text = file.read_text(encoding="utf-8")
    assert old in text
    text = text.replace(old, new)
    file.write_text(text.replace('["yes"', '["yes"]').replace('["no"', '["no"]'), encoding="utf-8")
    told = said(summary("oracle:text-follower", "--mcr-limit", "12"), "changed")
    assert told.startswith(("no comparable run among the last 1 in .mcr/runs: 1 w", "against run "))


def test_an_invalid_run_is_told_what_differs_but_no_numbers(summary: Run) -> None:
    summary("oracle:listener")
    told = said(summary("oracle:constant"), "changed").splitlines()
    assert told[0].endswith("(oracle:listener, another model or version, verdict pass)") or "verdict fail" in told[0]
    assert told[1] == "numbers of an INVALID run are not compared"
    assert told[2].startswith("differs in fingerprint: oracle/1:listener")
    after = said(summary("oracle:text-follower"), "changed")  # the INVALID run in between is passed over
    assert "(oracle:listener, another model or version, " in after


def test_a_green_run_says_none_of_it(summary: Run) -> None:
    gate = ("--mcr-gate", "accuracy[neutral] >= 0.5")
    assert summary("oracle:listener", *gate) == []
    assert summary("oracle:listener", *gate) == []


@pytest.mark.parametrize(
    ("model", "options", "looks"),
    [
        ("listener", (), 0),
        ("text-follower", (), 1),
        ("constant", (), 1),
        ("listener", ("--mcr-markdown", "report.md"), 1),
        ("listener", ("--mcr-html", "report.html"), 1),
        ("listener", ("GITHUB_STEP_SUMMARY",), 1),
    ],
)
def test_it_is_worked_out_only_where_something_shows_it(
    model: str, options: tuple[str, ...], looks: int, summary: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def noted(*given: object) -> object:
        calls.append(given)
        return diagnosed(*given)  # type: ignore[arg-type]

    diagnosed = diagnosis.diagnosed
    monkeypatch.setattr(diagnosis, "diagnosed", noted)
    if "GITHUB_STEP_SUMMARY" in options:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
        options = ()
    summary(f"oracle:{model}", "--mcr-gate", "accuracy[adversarial] >= 0.5", *options)
    assert len(calls) == looks


def test_what_a_repair_would_do_and_the_command_that_asks_about_others(
    summary: Run, data: Path, mode: tuple[str, ...]
) -> None:
    follower, gate = "oracle:text-follower", ("--mcr-gate", "accuracy[adversarial] >= 0.5")
    told = said(summary(follower, *gate, *mode), "repair").splitlines()
    assert told[0].startswith("hard-switch meets all 1 gate; faithful accuracy falls by 0.00 [-")
    assert told[-1] == "judged on this run's own scores, without another question; answers by score"
    never = (*gate, "--mcr-gate", "accuracy[neutral] <= 0.5")
    told = said(summary(follower, *never), "repair").splitlines()
    assert told[0].startswith(
        "none of 3 arms meets every gate; nearest: hard-switch, 1 of 2, still blocked by accuracy[n"
    )
    assert told[1].endswith("; the command asks about others")
    asked = said(summary(follower, *never, "--mcr-suite", "bench,mitigation"), "repair")
    assert asked.startswith("none of 6 arms meets every gate; nearest: hard-switch, 1 of 2")
    silent = said(summary("oracle:noisy?p=0.9&scores=no", *never), "repair")
    assert silent == "no repair was measured; what this run asked is in the cache, the command asks the rest"
