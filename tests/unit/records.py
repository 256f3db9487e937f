"""Records of planted runs: real samples, outcomes, measurement and judgement; only the answers are chosen by a rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_mcr.core.case import CONDITIONS, NEUTRAL, PLACEBO, Case, Outcome, Sample, Verdict, sample_id
from pytest_mcr.core.grammar import parse_gate
from pytest_mcr.core.profiles import load_profile
from pytest_mcr.core.repair_cases import RepairCase
from pytest_mcr.run.diagnosis import diagnosed
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.examples import examples
from pytest_mcr.run.journal import Journal
from pytest_mcr.run.judge import judge
from pytest_mcr.run.ledger import Ledger
from pytest_mcr.run.record import RunRecord
from pytest_mcr.run.settings import Settings

LABELS = {
    "AQA": ("no", "yes"),
    "SER": ("angry", "happy", "neutral", "sad"),
    "VSC": ("Cough", "Laughter", "Sigh", "Sneeze", "Sniff"),
}
PROFILES = Path(__file__).parents[2] / "suites" / "profiles.toml"

Rule = Callable[[Case, int], str | Verdict]
"""From a case and its sample's position to the answer given, or to a verdict without an answer."""


def listener(case: Case, position: int) -> str:
    """Always right."""
    return case.sample.gold


def follower(case: Case, position: int) -> str:
    """Right in neutral, else what the text says."""
    return case.text_label or case.sample.gold


def constant(case: Case, position: int) -> str:
    """The same whatever is played."""
    return case.sample.candidates[0]


def lab_like(case: Case, position: int) -> str | Verdict:
    """Hears well, follows most texts, mumbles and notices now and then."""
    gold, wrong = case.sample.gold, case.sample.text_labels["adversarial"]
    if case.condition == NEUTRAL:
        return wrong if position % 15 == 7 else gold
    if case.condition == "faithful":
        return gold
    if case.condition == "irrelevant":
        return Verdict.UNPARSED if position == 11 else wrong if position % 9 == 2 else gold
    if position % 20 == 3:
        return Verdict.FLAGGED
    return gold if position % 10 == 0 else wrong


def samples_of(sizes: Mapping[str, int]) -> list[Sample]:
    """Samples with balanced gold and adversarial labels."""
    made = []
    for task, size in sizes.items():
        labels = LABELS[task]
        for position in range(size):
            gold = labels[position % len(labels)]
            wrong = labels[(position + 1 + position // len(labels) % (len(labels) - 1)) % len(labels)]
            made.append(
                Sample(
                    id=sample_id(task, position),
                    task=task,
                    audio=f"{task}/audio/{position:04d}.ogg",
                    question=f"What is heard in recording {position}?",
                    gold=gold,
                    texts={
                        "faithful": f"The recording holds {gold}, as the speaker's notes say.",
                        "adversarial": f"The recording holds {wrong}, as the speaker's notes say.",
                        "irrelevant": "A tram passes a market square in the rain.",
                    },
                    candidates=labels,
                    text_labels={"faithful": gold, "adversarial": wrong},
                    where=f"{task}/{task}.json record {position}",
                )
            )
    return made


def outcome(case: Case, said: str | Verdict, condition: str) -> Outcome:
    """What the metrics keep of an answer."""
    sample, label = case.sample, None if condition in (NEUTRAL, PLACEBO) else case.text_label
    answer = None if isinstance(said, Verdict) else said
    if isinstance(said, Verdict):
        verdict = said
    elif said == sample.gold:
        verdict = Verdict.AUDIO
    else:
        verdict = Verdict.TEXT if said == label else Verdict.OTHER
    sure = None if answer is None else 0.99 - 0.001 * int(sample.id[-2:])
    return Outcome(
        sample=sample.id,
        task=sample.task,
        condition=condition,
        cluster=f"digest of {sample.audio}",
        gold=sample.gold,
        text_label=label,
        answer=answer,
        verdict=verdict,
        confidence=sure,
        best=answer,
        k=len(sample.candidates),
    )


def scored(case: Case, rule: Rule, position: int) -> dict[str, float]:
    """Log-probabilities that are best for what the rule says."""
    said = rule(case, position)
    return {label: -0.1 if label == said else -3.0 for label in case.sample.candidates}


def run(
    tmp: Path,
    rule: Rule = lab_like,
    *,
    sizes: Mapping[str, int] | None = None,
    conditions: Sequence[str] = CONDITIONS,
    profile: str = "release",
    gates: Sequence[str] | None = None,
    samples: Sequence[Sample] | None = None,
    kind: str = "mini",
    model: str = "lab",
    selected: Callable[[Case], bool] = lambda case: True,
    stop: tuple[str, int] | None = None,
    interrupted: str | None = None,
    out: Path | None = Path(".mcr/runs/20260131-094512-3f9c"),
    runs: Path | None = None,
    repairs: Sequence[RepairCase] = (),
    scores: bool = False,
    **settings: Any,
) -> RunRecord:
    """The record of a run in which every selected case was answered by the rule.

    With a folder of runs it has its diagnosis; with clips of the mitigation suite, or scores, it knows what repairs do.
    """
    chosen = list(samples or samples_of(sizes or {"AQA": 60, "SER": 60, "VSC": 60}))
    design = [Case(sample, condition) for sample in chosen for condition in conditions]
    given = Settings(
        **{
            "invocation_dir": tmp, "model": model, "data": None, "tasks": None, "conditions": None, "limit": None,
            "suites": ("bench",), "profile": profile, "gates": None if gates is None else tuple(gates), "add_gates": (),
            "mrs_alpha": 0.8, "seed": 0, "prevalence": 0.05, "max_errors": 0.01, "max_unparsed": 0.05,
            "answer": "generate", "max_new_tokens": None, "template": "discretion", "device": "auto", "dtype": "auto",
            "cache": None, "cache_size": 1, "batch_size": None, "time_limit": None, "out": None, **settings,
        }
    )  # fmt: skip
    ledger = Ledger(Journal(tmp / "journal"), stop=stop)
    cases = [case for case in design if selected(case)]
    for case in cases if stop is None else ():
        position = int(case.sample.id.rpartition("-")[2])
        ledger.outcomes[case.sample.id, case.condition] = outcome(case, rule(case, position), case.condition)
        if runs is not None:
            ledger.journal.append(case.id, {"error": None, "scores": scored(case, rule, position) if scores else None})
        if case.condition == NEUTRAL:
            ledger.outcomes[case.sample.id, PLACEBO] = outcome(case, rule(case, position), PLACEBO)
    ledger.probes |= {"mitigation": {one.sample: one.to_json() for one in repairs}} if repairs else {}
    thresholds = load_profile(PROFILES, profile)
    asked = thresholds.gates if gates is None else tuple(parse_gate(text) for text in gates)
    evidence = Evidence(ledger, [(case.sample.id, case.condition) for case in cases], interrupted, 0, 1.0)
    judgement = judge(evidence, design, given, thresholds, asked)
    planned = {(case.sample.id, case.condition) for case in design}
    canary = {"verdict": "pass", "detail": "4 of 4 pairs of clips moved the candidates' log-probabilities"}
    record = RunRecord(
        judgement=judgement,
        run={
            "id": "20260131-094512-3f9c", "argv": ["--mcr-model", model], "seed": 0,
            "started": "2026-01-31T09:45:12+00:00",
        },
        model={"spec": model, "name": model, "kind": "lab", "fingerprint": f"{model} 1", "traits": {}},
        dataset={
            "path": "mini-mcr",
            "kind": kind,
            "digest": "3f9c" * 16,
            "samples": {task: sum(s.task == task for s in chosen) for task in dict.fromkeys(s.task for s in chosen)},
        },
        protocol={"template": "discretion", "version": 1, "answer": given.answer, "candidates_shown": True},
        settings=given.to_json(),
        counts=ledger.counts(planned),
        canary=canary if stop is None else {"verdict": "fail", "detail": stop[0]},
        audit={},
        timing={"total": 1.0},
        clusters=len({o.cluster for o in ledger.outcomes.values()}),
        examples=examples(ledger.outcomes, {sample.id: sample for sample in chosen}),
        out=out,
    )  # fmt: skip
    if runs is None:
        return record
    record = diagnosed(record, ledger, {sample.id: sample for sample in chosen}, asked, thresholds, runs)
    ledger.journal.publish(tmp / "cases.jsonl", ())
    return record


def renamed(samples: Sequence[Sample], **changes: Any) -> list[Sample]:
    """The samples with some attributes changed."""
    return [replace(sample, **changes) for sample in samples]


def looked_into(tmp_path: Path, rule: Rule = follower, **options: Any) -> RunRecord:
    """A run with its diagnosis, beside earlier runs in a folder of its own."""
    return run(tmp_path, rule, runs=tmp_path / "runs", **options)


def hostile(tmp_path: Path, bomb: str, question: str) -> RunRecord:
    """A run on data that holds a hostile text in every field."""
    chosen = [
        replace(
            sample, question=question, gold=f"gold {bomb}", source=bomb, audio=f"AQA/{sample.id}{bomb}",
            texts={name: f"{name} {bomb}" for name in sample.texts},
            text_labels={"faithful": f"gold {bomb}", "adversarial": f"wrong {bomb}"},
            candidates=(f"gold {bomb}", f"wrong {bomb}"),
        )
        for sample in samples_of({"AQA": 40})
    ]  # fmt: skip
    record = looked_into(tmp_path, samples=chosen, model=f"m:{bomb}", kind="custom")
    return replace(record, dataset={**record.dataset, "path": bomb}, run={**record.run, "notes": [bomb]})
