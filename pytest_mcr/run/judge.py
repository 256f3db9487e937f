"""Judgement: from what arrived to one of four verdicts, once, on the controller.

``invalid``: what was measured cannot be trusted. ``partial``: a subset ran, so the gates are another question.
``fail``: a gate failed or is undecided, or a case had an error. ``pass``: none of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_mcr.core.awareness import awareness_rows, complaints
from pytest_mcr.core.budgets import check_budgets
from pytest_mcr.core.calibrated_arm import Calibrated, arm_rows, learned_from
from pytest_mcr.core.calibrated_arm import complaints as uncalibrated
from pytest_mcr.core.calibration_rows import calibration_rows
from pytest_mcr.core.case import ADVERSARIAL, PLACEBO, Case, Verdict
from pytest_mcr.core.confidence import NO_SCORES, NOT_STATED, measured
from pytest_mcr.core.dominance import dominance_rows
from pytest_mcr.core.dominance_trials import Probed
from pytest_mcr.core.gates import NOT_JUDGED, Gate, GateResult, judge_gates
from pytest_mcr.core.hearing import Hearing, annotate, hearing_test
from pytest_mcr.core.metrics import Metric, Table, measure
from pytest_mcr.core.profiles import Profile
from pytest_mcr.core.repair_arms import arms_of
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.core.repaired import Repaired, repaired
from pytest_mcr.core.stated import NO_LENGTHS, PER_TOKEN, SCORES
from pytest_mcr.run.against import Compared
from pytest_mcr.run.batch_audit import audit_report
from pytest_mcr.run.early_verdict import sequential_results, with_sequence
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.exits import FAILED_EXIT, INVALID_EXIT, OK_EXIT
from pytest_mcr.run.gating import Gated, gate_all, left_out, nothing_judged
from pytest_mcr.run.ledger import Ledger
from pytest_mcr.run.references import NOTHING, Against
from pytest_mcr.run.repeat_audit import repeat_report
from pytest_mcr.run.settings import REPORT, Settings


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reasons and everything it rests on.

    Attributes:
        reasons: one line each, the most serious first; empty for a clean pass.
        arms: confidence before and after a calibration head.
        repairs: what the mitigation suite's arms gain and cost.
        compared: the run against its baseline and its anchor.
        notes: waivers that did nothing.
        gates_not_judged: expressions dropped by ``--mcr-gate``, or all of them where the run is not whole.
    """

    verdict: str
    reasons: tuple[str, ...]
    table: Table
    gates: tuple[GateResult, ...]
    gates_not_judged: tuple[str, ...]
    arms: tuple[Metric, ...] = ()
    repairs: Repaired = field(default_factory=Repaired)
    hearing: Mapping[str, Hearing] = field(default_factory=dict)
    batch_audit: Mapping[str, Any] = field(default_factory=dict)
    repeat_audit: Mapping[str, Any] = field(default_factory=dict)
    compared: Sequence[Compared] = ()
    notes: Sequence[str] = ()
    exit_code: int = 0


def judge(
    evidence: Evidence,
    design: Sequence[Case],
    settings: Settings,
    profile: Profile,
    gates: Sequence[Gate],
    against: Against = NOTHING,
    data: str = "",
) -> Judgement:
    """Judge a run.

    Args:
        evidence: what arrived, and how the run ended.
        design: all cases that the run should have had.
        settings: the run's options.
        profile: the thresholds asked for.
        gates: the gates to judge: the profile's with additions, or those given in their place.
        against: earlier runs that it must not be worse than, and waivers.
        data: digest of the dataset.
    """
    ledger = evidence.ledger
    outcomes = list(ledger.outcomes.values())
    hearing = hearing_test(outcomes, seed=settings.seed)
    varied = [Probed.from_json(packed) for packed in ledger.probes.get("varied", {}).values()]
    rows = [*measure(outcomes, mrs_alpha=settings.mrs_alpha), *dominance_rows(varied)]
    rows += calibration_rows(outcomes) if "confidence" in settings.suites else []
    rows += awareness_rows(ledger.probes.get("awareness", {}))
    repairs = repairs_of(ledger, settings)
    rows += repairs.judged
    table = annotate(worded(Table(rows), settings), hearing)
    table = table if evidence.early is None else with_sequence(table, evidence.early, ledger)
    compared = [row for row in ledger.audits.values() if not row.get("again")]
    plain = any(process.get("plain") for process in ledger.processes.values())
    batch_audit = audit_report(compared, dtype_of(ledger), plain=plain)
    repeat_audit = repeat_report([row for row in ledger.audits.values() if row.get("again")])
    calibrated = [Calibrated.from_json(packed) for packed in ledger.probes.get("calibration", {}).values()]
    untrusted = distrust(evidence, settings) + learned_from(calibrated)
    if batch_audit["verdict"] == "fail":
        untrusted.append(f"batch audit: {batch_audit['detail']}")
    if repeat_audit["verdict"] == "fail":
        untrusted.append(f"repeat audit: {repeat_audit['detail']}")
    whole = "bench" in settings.suites or "confidence" in settings.suites
    partial = incomplete(evidence, design if whole else ()) + unrepaired(evidence, design, settings)
    heard = settings.gates is None and "bench" in settings.suites
    least = profile.least_eligible_clusters if heard else 0
    gated = Gated()
    dropped = [] if settings.gates is None else [gate.expr for gate in profile.gates]
    elsewhere = [gate for gate in gates if not gate.explicit and not measured(gate.metric, settings.suites)]
    dropped += [gate.expr for gate in elsewhere]
    gates = [gate for gate in gates if gate not in elsewhere]
    if untrusted or partial:
        dropped += [gate.expr for gate in gates] + left_out(against, settings.profile)
    else:
        own = judge_gates(gates, table, hearing=hearing, least_clusters=least)
        own = own if evidence.early is None else sequential_results(own, gates, evidence.early)
        gated = gate_all(own, outcomes, against, settings.profile, fingerprint_of(ledger), data)
    results = gated.gates
    invalid = (
        untrusted
        + nothing_judged(results, settings.profile)
        + [f"gate {gate.expr}: {gate.reason}" for gate in results if gate.verdict == "invalid"]
    )
    failed = [f"gate {gate.expr}: {gate.reason}" for gate in results if gate.verdict in ("fail", "undecided")]
    errors = sum(outcome.verdict is Verdict.ERROR and outcome.condition != PLACEBO for outcome in outcomes)
    if errors:
        failed.append(f"{errors} case{'s' * (errors > 1)} had an error")
    lost, prompts = sum(len(clip.errors) for clip in varied), sum(len(clip.trials) for clip in varied)
    if lost:
        failed.append(f"{lost} of {prompts} prompts of the dominance suite had an error")
    failed += uncalibrated(calibrated)
    failed += [*complaints(ledger.probes.get("awareness", {})), *repairs.problems]
    verdict = "invalid" if invalid else "partial" if partial else "fail" if failed else "pass"
    return Judgement(
        verdict=verdict,
        reasons=tuple(dict.fromkeys(invalid + partial + failed)),
        table=table,
        gates=results,
        compared=gated.compared,
        notes=tuple(gated.notes),
        gates_not_judged=tuple(
            dict.fromkeys([*dropped, *(gate.expr for gate in results if gate.verdict == NOT_JUDGED)])
        ),
        arms=tuple(arm_rows(outcomes, calibrated)),
        repairs=repairs,
        hearing=hearing,
        batch_audit=batch_audit,
        repeat_audit=repeat_audit,
        exit_code=own_exit_code(verdict, settings.profile),
    )


def worded(table: Table, settings: Settings) -> Table:
    """The same numbers; where confidence was asked for, scores are not what is missing."""
    if settings.confidence == SCORES:
        return table
    missing = NO_LENGTHS if settings.confidence == PER_TOKEN else NOT_STATED
    return table.mapped(lambda row: replace(row, note=row.note and row.note.replace(NO_SCORES, missing)))


def repairs_of(ledger: Ledger, settings: Settings) -> Repaired:
    """The repair arms compared on the clips that arrived."""
    cases = [RepairCase.from_json(packed) for packed in ledger.probes.get("mitigation", {}).values()]
    arms = arms_of(settings.mitigation)
    return repaired(cases, arms, tune=settings.tune, budget=settings.budget, seed=settings.seed)


def fingerprint_of(ledger: Ledger) -> str | None:
    """The fingerprint of the model, None where no process loaded it."""
    known = [process["model"].get("fingerprint") for process in ledger.processes.values()]
    return str(known[0]) if known and known[0] else None


def dtype_of(ledger: Ledger) -> str | None:
    """The number format of the model, None where it does not say."""
    known = [process["model"]["dtype"] for process in ledger.processes.values()]
    return str(known[0]) if known and known[0] else None


def distrust(evidence: Evidence, settings: Settings) -> list[str]:
    """Reasons why nothing measured may count."""
    ledger = evidence.ledger
    reasons = [ledger.stop[0]] if ledger.stop else []
    reasons += [f"a worker died ({worker})" for worker in ledger.dead_workers]
    reasons += mixed_revisions(ledger)
    missing = [key for key in evidence.selected if key not in ledger.outcomes]
    if missing and not (evidence.interrupted or ledger.stop):
        sample, condition = missing[0]
        reasons.append(f"{len(missing)} selected cases were never reported, e.g. {sample}-{condition}")
    if evidence.interrupted:
        return reasons  # a budget is a share of whole cells
    outcomes = list(ledger.outcomes.values())
    reasons += [str(breach) for breach in check_budgets(outcomes, settings.max_errors, settings.max_unparsed)]
    return reasons


def mixed_revisions(ledger: Ledger) -> list[str]:
    """A branch of the hub that moved while the workers loaded it: they measured two models."""
    found: dict[str, str] = {}
    for worker, process in sorted(ledger.processes.items()):
        found.setdefault(str(process["model"].get("traits", {}).get("revision")), worker)
    if len(found) < 2:
        return []
    loaded = ", ".join(f"{worker} {revision}" for revision, worker in found.items())
    return [f"the workers loaded different commits of the model ({loaded}); give one: hf:REPO@COMMIT"]


def incomplete(evidence: Evidence, design: Sequence[Case]) -> list[str]:
    """Reasons why only a part of the design was measured."""
    if evidence.interrupted:
        return [f"the run ended early: {evidence.interrupted}"] if not evidence.ledger.stop else []
    chosen = set(evidence.selected)
    left_out = sum((case.sample.id, case.condition) not in chosen for case in design)
    if left_out:
        return [f"{len(design) - left_out} of {len(design)} cases were selected (-k, -m, --lf, ids or paths)"]
    return []


def unrepaired(evidence: Evidence, design: Sequence[Case], settings: Settings) -> list[str]:
    """The same for the clips of the mitigation suite; none at all is a suite that was skipped, with its reason."""
    arrived = len(evidence.ledger.probes.get("mitigation", {}))
    clips = len({case.sample.id for case in design if case.condition == ADVERSARIAL})
    if "mitigation" not in settings.suites or not 0 < arrived < clips or evidence.interrupted:
        return []
    return [f"{arrived} of {clips} clips of the mitigation suite were asked (-k, -m, --lf, ids or paths)"]


def own_exit_code(verdict: str, profile: str) -> int:
    """The exit code that a verdict stands for, before pytest's own failures."""
    if verdict == "invalid" or (verdict == "partial" and profile != REPORT):
        return INVALID_EXIT
    return FAILED_EXIT if verdict == "fail" else OK_EXIT
