"""Judgement: which of the four verdicts, with which exit code, in which order of seriousness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mcr.core.case import CONDITIONS, PLACEBO, Case, Outcome, Sample
from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.profiles import Profile
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.journal import Journal
from pytest_mcr.run.judge import Judgement, judge
from pytest_mcr.run.ledger import Ledger
from pytest_mcr.run.settings import Settings
from tests.unit.outcomes import ERROR, OTHER, UNPARSED, listener, planted

RELEASE = Profile("release", (parse_gate("mrs >= 0.7", explicit=False),), 0)
SAMPLES = [
    Sample(f"{task}-{row:04d}", task, "a.wav", "?", "yes", dict.fromkeys(CONDITIONS[1:], "text"))
    for task in ("AQA", "SER")
    for row in range(12)
]
DESIGN = [Case(sample, condition) for sample in SAMPLES for condition in CONDITIONS]


def settings(**given: Any) -> Settings:
    values: dict[str, Any] = {
        "invocation_dir": Path(), "model": "oracle:listener", "data": None, "tasks": None, "conditions": None,
        "limit": None, "suites": ("bench",), "profile": "release", "gates": None, "add_gates": (), "mrs_alpha": 0.8,
        "seed": 0, "prevalence": 0.05, "max_errors": 0.01, "max_unparsed": 0.05, "answer": "generate",
        "max_new_tokens": None, "template": "discretion", "device": "auto", "dtype": "auto", "cache": None,
        "cache_size": 1, "batch_size": None, "time_limit": None, "out": None,
    }  # fmt: skip
    return Settings(**{**values, **given})


def judged(
    outcomes: Sequence[Outcome],
    *,
    gates: Sequence[str] = (),
    chosen: Settings | None = None,
    selected: Sequence[Case] = DESIGN,
    interrupted: str | None = None,
    stop: tuple[str, int] | None = None,
    dead: Sequence[str] = (),
    revisions: Sequence[str | None] = (),
) -> Judgement:
    ledger = Ledger(Journal(Path("never-written")), stop=stop, dead_workers=list(dead))
    ledger.outcomes = {(outcome.sample, outcome.condition): outcome for outcome in outcomes}
    for number, revision in enumerate(revisions):
        ledger.processes[f"gw{number}"] = {"model": {"dtype": None, "traits": {"revision": revision}}}
    keys = [(case.sample.id, case.condition) for case in selected]
    evidence = Evidence(ledger, keys, interrupted, 0, 1.0)
    given = [parse_gate(gate) for gate in gates]
    return judge(evidence, DESIGN, chosen or settings(), RELEASE, given or RELEASE.gates)


def spoilt(condition: str, verdict: Any, rows: int) -> list[Outcome]:
    """A listener whose first AQA samples end otherwise under one condition."""
    kept = [o for o in listener(12) if not (o.task == "AQA" and o.condition == condition and int(o.sample[4:]) < rows)]
    return kept + [
        planted(row, condition, verdict, task="AQA", gold=("cough", "laughter")[row % 2], labels=("cough", "laughter"))
        for row in range(rows)
    ]


def test_pass() -> None:
    found = judged(listener(12))
    assert (found.verdict, found.exit_code, found.reasons, found.gates_not_judged) == ("pass", 0, (), ())
    assert [gate.verdict for gate in found.gates] == ["pass"]


def test_workers_that_loaded_two_commits_measured_two_models() -> None:
    assert judged(listener(12), revisions=["abc", "abc"]).verdict == "pass"
    assert judged(listener(12), revisions=[None, None]).verdict == "pass"
    found = judged(listener(12), revisions=["abc", "abc", "def"])
    assert (found.verdict, found.exit_code) == ("invalid", 8)
    assert "different commits of the model (gw0 abc, gw2 def); give one: hf:REPO@COMMIT" in found.reasons[0]


def test_a_failed_gate() -> None:
    found = judged(listener(12), gates=["accuracy[neutral] <= 0.5"], chosen=settings(gates=("accuracy",)))
    assert (found.verdict, found.exit_code) == ("fail", 1)
    assert found.gates_not_judged == ("mrs >= 0.7",)


def test_an_undecided_gate_fails() -> None:
    found = judged(listener(12), gates=["accuracy[neutral] >= 0.99@95"])
    assert (found.verdict, found.exit_code, found.gates[0].verdict) == ("fail", 1, "undecided")


def test_one_error_fails_and_two_are_invalid() -> None:
    found = judged(spoilt("faithful", ERROR, 1))
    assert (found.verdict, found.exit_code, found.reasons) == ("fail", 1, ("1 case had an error",))
    found = judged(spoilt("faithful", ERROR, 2))
    assert (found.verdict, found.exit_code) == ("invalid", 8)
    assert found.reasons == ("AQA[faithful]: 2 errors in 12 cases, 1 allowed", "2 cases had an error")
    assert found.gates == ()
    assert found.gates_not_judged == ("mrs >= 0.7",)


def test_an_error_of_the_placebo_is_no_case() -> None:
    assert judged(spoilt(PLACEBO, ERROR, 3)).verdict == "pass"


def test_unparsed_over_budget_is_invalid() -> None:
    assert judged(spoilt("neutral", UNPARSED, 1)).verdict == "pass"
    assert judged(spoilt("neutral", UNPARSED, 2)).exit_code == 8
    assert judged(spoilt("neutral", UNPARSED, 2), chosen=settings(max_unparsed=0.2)).exit_code == 0


def test_a_stop_is_the_reason_and_says_nothing_about_what_is_missing() -> None:
    found = judged([], stop=("canary: deaf", 8), interrupted="canary: deaf")
    assert (found.verdict, found.exit_code, found.reasons) == ("invalid", 8, ("canary: deaf",))


def test_a_dead_worker_is_invalid_even_when_all_was_reported() -> None:
    found = judged(listener(12), dead=["gw0: gone"])
    assert (found.verdict, found.exit_code, found.reasons) == ("invalid", 8, ("a worker died (gw0: gone)",))


def test_cases_that_were_selected_and_never_reported() -> None:
    found = judged([o for o in listener(12) if o.sample != "SER-0011"])
    assert (found.verdict, found.exit_code) == ("invalid", 8)
    assert found.reasons == ("4 selected cases were never reported, e.g. SER-0011-neutral",)


@pytest.mark.parametrize(("profile", "code"), [("release", 8), ("strict", 8), ("report", 0)])
def test_a_selection_is_partial(profile: str, code: int) -> None:
    aqa = [case for case in DESIGN if case.sample.task == "AQA"]
    outcomes = [outcome for outcome in listener(12) if outcome.task == "AQA"]
    found = judged(outcomes, selected=aqa, chosen=settings(profile=profile))
    assert (found.verdict, found.exit_code) == ("partial", code)
    assert found.reasons == ("48 of 96 cases were selected (-k, -m, --lf, ids or paths)",)
    assert found.gates == ()


def test_an_interrupted_run_is_partial_whatever_its_budgets_say() -> None:
    found = judged(spoilt("neutral", ERROR, 3)[-3:], interrupted="stopping after 3 failures")
    assert (found.verdict, found.exit_code) == ("partial", 8)
    assert found.reasons[0] == "the run ended early: stopping after 3 failures"


def test_an_invalid_gate_beats_a_failed_one() -> None:
    outcomes = spoilt("adversarial", OTHER, 12)
    found = judged(outcomes, gates=["accuracy[adversarial] >= 0.99", "tir[faithful] <= 0.5"])
    assert [gate.verdict for gate in found.gates] == ["fail", "invalid"]
    assert (found.verdict, found.exit_code) == ("invalid", 8)
    assert found.reasons[0].startswith("gate tir[faithful] <= 0.5: undefined")


def test_gates_that_need_hearing_are_invalid_without_it() -> None:
    found = judged(spoilt("neutral", OTHER, 12), gates=["tir[adversarial] <= 0.5", "accuracy[faithful] >= 0.5"])
    assert [gate.verdict for gate in found.gates] == ["invalid", "pass"]
    assert found.exit_code == 8
