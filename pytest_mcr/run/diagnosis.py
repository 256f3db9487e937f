"""What a person looks at first after a red run, worked out once where the run is concluded; reports only word it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, Sample
from pytest_mcr.core.gates import FAIL, Gate, GateResult
from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.profiles import Profile
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.core.repair_gates import ArmJudged, judge_arms
from pytest_mcr.core.repaired import repaired
from pytest_mcr.core.slices import Slices, slices
from pytest_mcr.core.stated import SCORES
from pytest_mcr.errors import OptionError
from pytest_mcr.run.last_run import LastRun, last_run
from pytest_mcr.run.ledger import Ledger
from pytest_mcr.run.own_branches import own_arms, own_cases
from pytest_mcr.run.record import RunRecord


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """What to look at first.

    Attributes:
        last: what changed since the last comparable run.
        slices: where answers are lost, the worst slice first.
        arms: repair arms on the run's gates, the best first; empty where the run has no scores.
        own: the arms were judged on what a plain run asks, so those that need other branches are not among them.
    """

    last: LastRun
    slices: Slices
    arms: tuple[ArmJudged, ...] = ()
    own: bool = False


def diagnosed(
    record: RunRecord,
    ledger: Ledger,
    samples: Mapping[str, Sample],
    gates: Sequence[Gate],
    profile: Profile,
    runs: Path,
) -> RunRecord:
    """The record with its diagnosis.

    Args:
        record: the run, judged.
        ledger: what arrived.
        samples: by id.
        gates: of the run.
        profile: of the run.
        runs: where earlier runs lie.
    """
    judgement = record.judgement
    facts = {
        "run": record.run, "model": record.model, "dataset": record.dataset, "protocol": record.protocol,
        "settings": record.settings,
    }  # fmt: skip
    arms, own = arms_of_run(record, ledger, samples, gates, profile)
    found = Diagnosis(
        last=last_run(runs, facts, ledger.outcomes, judgement.verdict),
        slices=slices(ledger.outcomes, samples, condition_of(judgement.gates)),
        arms=arms,
        own=own,
    )
    return replace(record, diagnosis=found)


def arms_of_run(
    record: RunRecord, ledger: Ledger, samples: Mapping[str, Sample], gates: Sequence[Gate], profile: Profile
) -> tuple[tuple[ArmJudged, ...], bool]:
    """The arms of the mitigation suite, or those that a failed run's own scores allow; and whether it is these."""
    judgement, settings = record.judgement, record.settings
    asked = ledger.probes.get("mitigation", {})
    cases = [RepairCase.from_json(packed) for packed in asked.values()]
    repairs = judgement.repairs
    own = not asked and judgement.verdict == "fail" and settings["confidence"] == SCORES
    if own:
        cases = list(own_cases(ledger, samples))
        repairs = repaired(cases, own_arms(), tune=False, budget=0.0, seed=0)
    if not cases or not judgement.gates:
        return (), False
    found = judge_arms(
        cases,
        repairs,
        gates,
        {key: outcome.text_label for key, outcome in ledger.outcomes.items()},
        least_clusters=profile.least_eligible_clusters if settings["gates"] is None else 0,
        mrs_alpha=float(str(settings["mrs_alpha"])),
        seed=int(str(settings["seed"])),
    )
    return found, own


def condition_of(gates: Sequence[GateResult]) -> str:
    """The condition of the failed gate that is farthest from passing; adversarial where it names none."""
    blocked = sorted((gate for gate in gates if gate.verdict == FAIL), key=lambda gate: -(gate.distance or 0))
    for result in blocked[:1]:
        try:
            condition = parse_gate(result.expr).condition
        except OptionError:  # the least number of clips is no expression of the grammar
            continue
        if condition in CONDITIONS:
            return condition
    return ADVERSARIAL
