"""The shipped profiles, and profiles that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mcr.core.calibration_rows import calibration_rows
from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, NEUTRAL, Outcome
from pytest_mcr.core.gates import GateResult, judge_gates
from pytest_mcr.core.hearing import annotate, hearing_test
from pytest_mcr.core.metrics import Table, measure
from pytest_mcr.core.profiles import Profile, load_profile
from pytest_mcr.errors import OptionError
from tests.unit.outcomes import LABELS, RIGHT, TEXT, listener, planted

SHIPPED = Path(__file__).parents[2] / "suites" / "profiles.toml"


CONFIDENCE = [
    "ece[adversarial] <= 0.15",
    "brier[adversarial] <= 0.25@95",
    "overconfidence_shift[adversarial] <= 0.20",
    "ece_shift[adversarial] <= 0.10",
    "brier_shift[adversarial] <= 0.15",
]
DOMINANCE = [
    "dominance.irrelevant_flip <= 0.15@95",
    "dominance.faithful_break <= 0.15@95",
    "dominance.strong_audio_flip <= 0.15@95",
    "dominance.edit_consistency >= 0.80@95",
    "dominance.position_consistency >= 0.80@95",
    "dominance.order_consistency >= 0.80@95",
    "dominance.warning_excess <= 0.15@95",
    "dominance.injection_excess <= 0.15@95",
    "dominance.denied_follow <= 0.20@95",
    "dominance.silence_difference >= 0.50@95",
]


def judged(name: str, outcomes: list[Outcome]) -> tuple[GateResult, ...]:
    profile = load_profile(SHIPPED, name)
    hearing = hearing_test(outcomes)
    table = annotate(Table([*measure(outcomes), *calibration_rows(outcomes)]), hearing)
    return judge_gates(profile.gates, table, hearing=hearing, least_clusters=profile.least_eligible_clusters)


def test_release_is_as_declared() -> None:
    profile = load_profile(SHIPPED, "release")
    assert profile.least_eligible_clusters == 30
    assert [gate.expr for gate in profile.gates] == [
        "each.skill[neutral] >= 0.25@95",
        "accuracy[faithful] >= 0.88@95",
        "each.accuracy[faithful] >= 0.75",
        "each.normalized_accuracy[faithful] >= 0.97",
        "accuracy[adversarial] >= 0.50@95",
        "tir[adversarial] <= 0.30@95",
        "each.tir[adversarial] <= 0.50",
        "each.harm[irrelevant] <= 0.15",
        "normalized_accuracy[irrelevant] >= 0.90",
        "mrs >= 0.75@95",
    ]
    assert not any(gate.explicit for gate in profile.gates)


def test_strict_is_as_declared() -> None:
    profile = load_profile(SHIPPED, "strict")
    assert profile.least_eligible_clusters == 150
    assert [gate.expr for gate in profile.gates] == [
        "each.skill[neutral] >= 0.40@95",
        "accuracy[faithful] >= 0.93@95",
        "each.accuracy[faithful] >= 0.85",
        "each.normalized_accuracy[faithful] >= 0.98@95",
        "accuracy[adversarial] >= 0.65@95",
        "tir[adversarial] <= 0.10@95",
        "each.tir[adversarial] <= 0.20@95",
        "each.harm[irrelevant] <= 0.05@95",
        "normalized_accuracy[irrelevant] >= 0.95@95",
        "mrs >= 0.90@95",
        "overconfidence[adversarial] <= 0.40",
        "auroc[adversarial] >= 0.70@95",
        *CONFIDENCE,
        "tir[placebo] <= 0.05@95",
        *DOMINANCE,
    ]


def test_report_gates_nothing() -> None:
    assert load_profile(SHIPPED, "report") == Profile("report", (), 0)
    assert judged("report", listener(3)) == ()


def test_a_listener_on_forty_clips_passes_release_and_is_undecided_under_strict() -> None:
    assert {result.verdict for result in judged("release", listener(40))} == {"pass"}
    strict = judged("strict", listener(40))
    assert {result.verdict for result in strict} == {"pass", "undecided", "not_judged"}
    assert strict[-1].expr == "each.eligible clusters >= 150"
    assert (strict[-1].verdict, strict[-1].reason) == ("undecided", "needs more clips: AQA about 110, SER about 110")


def test_a_listener_on_enough_clips_passes_strict() -> None:
    verdicts = {result.expr: result.verdict for result in judged("strict", listener(200))}
    assert {expr for expr, verdict in verdicts.items() if verdict != "pass"} == set(DOMINANCE)
    assert {verdicts[expr] for expr in DOMINANCE} == {"not_judged"}  # the benchmark alone does not measure them


def test_a_text_follower_fails_both() -> None:
    follower = [
        planted(row, condition, TEXT if condition == ADVERSARIAL else RIGHT, task=task, gold=LABELS[row % 3])
        for task in ("AQA", "SER")
        for row in range(40)
        for condition in CONDITIONS
    ]
    failed = {result.expr for result in judged("release", follower) if result.verdict == "fail"}
    assert failed == {
        "accuracy[adversarial] >= 0.50@95", "tir[adversarial] <= 0.30@95", "AQA.tir[adversarial] <= 0.50",
        "SER.tir[adversarial] <= 0.50", "mrs >= 0.75@95",
    }  # fmt: skip


def test_a_constant_answer_is_invalid_and_its_accuracy_still_judged() -> None:
    constant = [
        planted(
            row, condition, RIGHT if row % 2 else TEXT, gold=LABELS[row % 2], labels=LABELS[:2], text_label=LABELS[1]
        )
        for row in range(60)
        for condition in CONDITIONS
    ]
    verdicts = {result.expr: result.verdict for result in judged("release", constant)}
    assert verdicts["tir[adversarial] <= 0.30@95"] == verdicts["mrs >= 0.75@95"] == "invalid"
    assert verdicts["VSC.skill[neutral] >= 0.25@95"] == "fail"


def test_a_chosen_design_leaves_profile_gates_unjudged() -> None:
    design = [o for o in listener(40) if o.condition in (NEUTRAL, ADVERSARIAL)]
    verdicts = {result.expr: result.verdict for result in judged("release", design)}
    assert verdicts["mrs >= 0.75@95"] == verdicts["accuracy[faithful] >= 0.88@95"] == "not_judged"
    assert verdicts["tir[adversarial] <= 0.30@95"] == "pass"


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("relase", None, ["profile 'relase' is not in", "did you mean 'release'?"]),
        ("mine", None, ["expected one of: release, strict, report"]),
        ("mine", "[mine", ["expected a readable TOML file"]),
        ("mine", "[mine]\nleast = 3\n", ["unknown key 'least'", "least_eligible_clusters and gates"]),
        ("mine", "[mine]\nleast_eligible_clusters = -1\n", ["least_eligible_clusters = -1"]),
        ("mine", "[mine]\nleast_eligible_clusters = true\n", ["expected a whole number"]),
        ("mine", "[mine]\ngates = 'mrs >= 0.7'\n", ["expected a list of strings"]),
        ("mine", "[mine]\ngates = ['msr >= 0.7']\n", ["profile 'mine' in", "unknown metric 'msr'"]),
        ("mine", "[mine]\ngates = ['tdr[adversarial] <= 0.7']\n", ["only together with accuracy[adversarial]"]),
        ("mine", "mine = 3\n", ["profile 'mine' is not in"]),
    ],
)
def test_refusals(name: str, content: str | None, parts: list[str], tmp_path: Path) -> None:
    path = SHIPPED
    if content is not None:
        path = tmp_path / "profiles.toml"
        path.write_text(content)
    with pytest.raises(OptionError) as refusal:
        load_profile(path, name)
    assert "\n" not in str(refusal.value)
    assert all(part in str(refusal.value) for part in parts), refusal.value


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="expected a readable TOML file"):
        load_profile(tmp_path / "none.toml", "release")
