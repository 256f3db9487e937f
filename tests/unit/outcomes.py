"""Planted outcomes for the tests of the numbers: a builder, and Hypothesis strategies over whole runs."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, PLACEBO, Outcome, Verdict
from pytest_mcr.core.metrics import Table

RIGHT, TEXT, OTHER = Verdict.AUDIO, Verdict.TEXT, Verdict.OTHER
FLAGGED, UNPARSED, ERROR = Verdict.FLAGGED, Verdict.UNPARSED, Verdict.ERROR
LABELS = ("cough", "laughter", "sigh")


def planted(
    row: int,
    condition: str,
    verdict: Verdict,
    *,
    task: str = "VSC",
    cluster: str | None = None,
    gold: str = "cough",
    labels: Sequence[str] = LABELS,
    confidence: float | None = None,
    text_label: str | None = "default",
    closed: bool = True,
) -> Outcome:
    """One outcome; the text label is the next label under adversarial and the gold under faithful."""
    following = labels[(labels.index(gold) + 1) % len(labels)]
    if text_label == "default":
        text_label = {ADVERSARIAL: following, FAITHFUL: gold}.get(condition)
    other = next(label for label in labels if label not in (gold, text_label)) if len(labels) > 2 else following
    answer = {RIGHT: gold, TEXT: text_label, OTHER: other}.get(verdict)
    return Outcome(
        sample=f"{task}-{row:04d}",
        task=task,
        condition=condition,
        cluster=cluster or f"{task}-clip-{row:04d}",
        gold=gold,
        text_label=text_label,
        answer=answer,
        verdict=verdict,
        confidence=confidence if answer is not None else None,
        best=answer if confidence is not None else None,
        k=len(labels) if closed else 0,
    )


def listener(count: int, tasks: Sequence[str] = ("AQA", "SER")) -> list[Outcome]:
    """Always right, sure of it, one sample a clip."""
    return [
        planted(row, condition, RIGHT, task=task, gold=LABELS[row % 2], labels=LABELS[:2], confidence=0.9)
        for task in tasks
        for row in range(count)
        for condition in (*CONDITIONS, PLACEBO)
    ]


def rates(task: str, hits: dict[str, int], count: int) -> list[Outcome]:
    """The first so many samples of each condition are right, the others follow the text (or answer something else)."""
    return [
        planted(
            row, condition, RIGHT if row < right else TEXT if condition == ADVERSARIAL else OTHER, task=task,
            gold=LABELS[row % 3],
        )
        for condition, right in hits.items()
        for row in range(count)
    ]  # fmt: skip


def number(table: Table, metric: str, condition: str | None = None, task: str = "*") -> float:
    """The value of a row that must exist and be defined."""
    value = table.value(metric, condition, task)
    assert value is not None, (metric, condition, task)
    return value


@st.composite
def runs(
    draw: st.DrawFn, *, tasks: int = 2, samples: int = 8, verdicts: Sequence[Verdict] = tuple(Verdict)
) -> list[Outcome]:
    """A run of up to so many tasks and samples, with gaps: conditions missing, errors, clips shared by samples."""
    found: list[Outcome] = []
    for task in ("AQA", "SER", "VSC")[: draw(st.integers(1, tasks))]:
        for row in range(draw(st.integers(1, samples))):
            gold, cluster = draw(st.sampled_from(LABELS)), f"clip-{draw(st.integers(0, 4))}"
            for condition in (*CONDITIONS, PLACEBO):
                verdict = draw(st.sampled_from((None, *verdicts)))
                if verdict is None or (verdict == TEXT and condition != ADVERSARIAL):
                    continue
                confidence = draw(st.sampled_from((None, 0.4, 0.6, 0.86, 0.99)))
                found.append(
                    planted(row, condition, verdict, task=task, cluster=cluster, gold=gold, confidence=confidence)
                )
    return found
