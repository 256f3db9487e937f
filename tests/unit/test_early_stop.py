"""The order in which clips count: seeded, nested, and the same however the answers arrive."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS, Case, Outcome, Sample, Verdict
from pytest_mcr.core.grammar import Gate, parse_gate
from pytest_mcr.core.metrics import measure
from pytest_mcr.data import release
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.run.design import design
from pytest_mcr.run.early_order import in_order, units_of
from pytest_mcr.run.early_stop import EarlyStop, chances, share_clips
from pytest_mcr.run.early_verdict import NO_INTERVAL, sequential_results, with_sequence
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.journal import Journal
from pytest_mcr.run.ledger import Ledger
from tests.support import folders
from tests.unit.outcomes import ERROR, RIGHT, TEXT, planted

GATES = ("tir[adversarial] <= 0.3@95", "each.accuracy[faithful] >= 0.5")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return release.load(folders.dataset(tmp_path_factory.mktemp("early") / "data", 60))


def started(dataset: Dataset, gates: tuple[str, ...] = GATES, seed: int = 0) -> EarlyStop:
    parsed: list[Gate] = [parse_gate(gate) for gate in gates]
    cases = in_order(design(dataset.samples, None), seed)
    return EarlyStop(cases, dataset, parsed, seed=seed, alpha=0.8, least=30)


def answer(case: Case, verdict: Verdict, cluster: str | None = None) -> Outcome:
    sample = case.sample
    labels = tuple(sample.candidates)
    row = int(sample.id[-4:])
    return planted(
        row, case.condition, verdict, task=sample.task, gold=sample.gold, labels=labels, cluster=cluster or sample.audio
    )


def take(ledger: Ledger, case: Case, verdict: Verdict, cluster: str | None = None) -> None:
    ledger.outcomes[case.sample.id, case.condition] = answer(case, verdict, cluster)


def ledger() -> Ledger:
    return Ledger(Journal(Path("never-written")))


@given(st.integers(0, 5), st.integers(1, 60))
@settings(max_examples=20)
def test_the_order_is_that_of_limits_and_tasks_take_turns(dataset: Dataset, seed: int, limit: int) -> None:
    cases = design(dataset.samples, None)
    ordered = in_order(cases, seed)
    assert sorted(c.id for c in ordered) == sorted(c.id for c in cases)
    first = {case.sample.id for case in ordered[: 2 * limit * len(CONDITIONS)]}
    assert first == {sample.id for sample in dataset.select(limit=limit, seed=seed).samples}
    units = units_of(ordered, seed)
    assert units == units_of(cases, seed)
    assert [unit.task for unit in units[:4]] == ["AQA", "SER", "AQA", "SER"]


def test_samples_of_a_group_stay_together(dataset: Dataset) -> None:
    samples = [replace(s, split_group=f"speaker {int(s.id[-4:]) % 7}") for s in dataset.samples if s.task == "SER"]
    units = units_of(design(samples, None), 3)
    assert len(units) == 7
    assert sorted(len(unit.samples) for unit in units) == [8, 8, 8, 9, 9, 9, 9]
    assert {case.sample.split_group for case in units[0].cases} == {samples_group(samples, units[0].samples[0])}


def samples_group(samples: list[Sample], name: str) -> str | None:
    return next(sample.split_group for sample in samples if sample.id == name)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([0.05, 0.9]))
def test_the_arrival_order_changes_nothing(dataset: Dataset, shuffle: random.Random, turned: float) -> None:
    """Chunks of two workers in any order: the same clips count, the same gates are decided."""
    fixed = random.Random(4)
    verdicts = {
        case.id: TEXT if case.condition == "adversarial" and fixed.random() < turned else RIGHT
        for case in design(dataset.samples, None)
    }
    found = []
    for shuffled in (False, True):
        early, seen = started(dataset), ledger()
        cases = in_order(design(dataset.samples, None), 0)
        chunks = [cases[i : i + 32] for i in range(0, len(cases), 32)]
        if shuffled:
            chunks = [chunk for pair in zip(chunks[::2], chunks[1::2], strict=False)
                      for chunk in shuffle.sample(pair, 2)]  # fmt: skip
        for case in (case for chunk in chunks for case in chunk):
            take(seen, case, verdicts[case.id])
            if early.read(seen):
                break
        evidence, counted = early.counted(Evidence(seen, [], "early stopping", 2, 1.0, early=early), cases)
        found.append(
            (early.stopped, early.used, early.watch.decided, [c.id for c in counted], evidence.ledger.outcomes)
        )
        assert evidence.interrupted is None
    assert found[0] == found[1]
    assert found[0][0] == ("pass" if turned < 0.3 else "fail")


def test_answers_beyond_the_end_do_not_count(dataset: Dataset) -> None:
    early, seen = started(dataset), ledger()
    for case in in_order(design(dataset.samples, None), 0):
        take(seen, case, RIGHT)
    early.read(seen)
    assert early.stopped == "pass"
    early.chunks = [[(c.sample.id, c.condition)] for c in design(dataset.samples, None)]
    evidence, counted = early.counted(Evidence(seen, [], None, 0, 1.0, early=early), [])
    assert len(evidence.ledger.outcomes) == len(counted) == len(evidence.selected) == 4 * early.used < 480
    mark = early.to_json(seen)
    assert mark["asked"] == 480
    assert sum(mark["samples"].values()) == early.used
    assert mark["of"] == {"AQA": 60, "SER": 60}


def test_a_copy_of_an_earlier_clip_is_no_new_evidence(dataset: Dataset) -> None:
    early, seen = started(dataset), ledger()
    cases = in_order(design(dataset.samples, None), 0)
    for case in cases[: 4 * 20]:
        take(seen, case, RIGHT, cluster=f"{case.sample.task}-always the same")
    early.read(seen)
    assert early.used == 20
    assert early.copies == 18
    assert early.watch.clips == {"AQA": 1, "SER": 1}
    assert not early.watch.mean_ended


def test_a_clip_of_two_tasks_that_shows_late_ends_the_means(dataset: Dataset) -> None:
    early, seen = started(dataset), ledger()
    for case in in_order(design(dataset.samples, None), 0):
        take(seen, case, RIGHT, cluster="one clip" if case.sample.id in ("AQA-0000", "SER-0000") else None)
    early.read(seen)
    assert early.watch.mean_ended or early.used < 60


def test_shared_clips_are_known_before(dataset: Dataset, tmp_path: Path) -> None:
    assert not share_clips(dataset)
    root = folders.dataset(tmp_path / "data", 4)
    (root / "SER" / "audio" / "ser-2.wav").write_bytes((root / "AQA" / "audio" / "aqa-1.wav").read_bytes())
    assert share_clips(release.load(root))
    grouped = replace(dataset, samples=tuple(replace(sample, split_group="room") for sample in dataset.samples))
    assert share_clips(grouped)


def test_chance_is_that_of_the_whole_data(dataset: Dataset) -> None:
    assert chances(dataset) == {"AQA": 0.5, "SER": pytest.approx(1 / 3)}


def judged(early: EarlyStop, seen: Ledger, base: str) -> dict[str, Any]:
    from pytest_mcr.core.gates import judge_gates
    from pytest_mcr.core.hearing import Hearing

    gates = [parse_gate(gate) for gate in (*GATES, base)]
    evidence, _ = early.counted(Evidence(seen, [], None, 0, 1.0, early=early), [])
    table = with_sequence(measure(list(evidence.ledger.outcomes.values())), early, evidence.ledger)
    heard = {task: Hearing(task, True, 0.0, 1.0, None, 0, "") for task in table.tasks}
    results = sequential_results(judge_gates(gates, table, hearing=heard), gates, early)
    for row in table:
        if row.low is None:
            assert row.value is None or row.extra or NO_INTERVAL in (row.note or ""), row
        else:
            assert row.value is not None
            assert row.high is not None
            assert row.low <= row.value <= row.high, row
    assert table.get("accuracy", "neutral", "AQA") != measure(list(evidence.ledger.outcomes.values())).get(
        "accuracy", "neutral", "AQA"
    )
    return {result.expr: result.verdict for result in results}


def test_gates_and_intervals_of_a_pass(dataset: Dataset) -> None:
    early, seen = started(dataset), ledger()
    for case in in_order(design(dataset.samples, None), 0):
        take(seen, case, RIGHT)
    early.read(seen)
    assert judged(early, seen, "flip[adversarial] <= 0.5") == {
        "tir[adversarial] <= 0.3@95": "pass", "AQA.accuracy[faithful] >= 0.5": "pass",
        "SER.accuracy[faithful] >= 0.5": "pass", "flip[adversarial] <= 0.5": "pass",
    }  # fmt: skip


def test_gates_of_a_failure(dataset: Dataset) -> None:
    """A gate that failed, one that was not decided, and one that clips cannot decide."""
    gates = (*GATES, "flip[adversarial] <= 0.99", "accuracy[neutral] >= 0.97@95")
    early, seen = started(dataset, gates), ledger()
    for case in in_order(design(dataset.samples, None), 0):
        take(seen, case, TEXT if case.condition == "adversarial" else RIGHT)
    early.read(seen)
    assert early.stopped == "fail"
    found = judged(early, seen, "flip[adversarial] <= 0.99")
    assert found["tir[adversarial] <= 0.3@95"] == "fail"
    assert found["flip[adversarial] <= 0.99"] == "not_judged"


def test_clips_with_errors_bet_nothing(dataset: Dataset) -> None:
    early, seen = started(dataset), ledger()
    for case in in_order(design(dataset.samples, None), 0):
        take(seen, case, ERROR)
    early.read(seen)
    assert (early.stopped, early.used, early.watch.decided) == (None, 120, {})
    assert not early.watch.book.now("tir", "adversarial", "AQA").any()


def test_a_design_without_pairs_ends_after_thirty_answers(dataset: Dataset) -> None:
    cases = in_order(design(dataset.samples, ("faithful",)), 0)
    early = EarlyStop(cases, dataset, [parse_gate("each.accuracy[faithful] >= 0.5")], seed=0, alpha=0.8, least=0)
    seen = ledger()
    for case in cases:
        take(seen, case, RIGHT)
    early.read(seen)
    assert (early.stopped, early.used) == ("pass", 60)
