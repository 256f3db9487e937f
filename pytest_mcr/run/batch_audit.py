"""The batch-invariance audit: does the fast path answer as the plain one, which asks one question at a time?

Up to 64 cases, stratified by task and condition, are asked again through the model's plain path. What differs is
counted; more than the budget makes the run INVALID, because then the numbers are about batches, not about the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pytest_mcr.core.case import Case, Observation
from pytest_mcr.run.subsets import seeded

AUDITED: Final = 64
"""Cases a run (all, if it has fewer)."""
MOST_FLIPS: Final = 1
DRIFT: Final = {"float32": 1e-3}
DRIFT_16_BIT: Final = 0.1
"""Most that a candidate's log-probability may move, in nats, by dtype."""

NO_PATH: Final = "the model has no plain path to compare with"
UNASKED: Final = "no audited case was answered (only cases of the benchmark are audited)"


@dataclass(frozen=True, slots=True)
class Compared:
    """One case through both paths.

    Attributes:
        id: the case.
        flip: the two paths give different answers or verdicts.
        drift: largest move of a candidate's log-probability, in nats; None without scores.
        margin: gap of the plain path's two best candidates, in nats; None without scores.
        problem: why the plain path gave no answer, one line.
        again: no other path, but the same question asked a second time (`repeat_audit`).
    """

    id: str
    flip: bool
    drift: float | None
    margin: float | None
    problem: str | None = None
    again: bool = False


def audit_subset(cases: Sequence[Case], seed: int, size: int = AUDITED) -> frozenset[str]:
    """Ids of the cases to audit: by turns one of each task and condition, in a seeded order."""
    strata: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        strata.setdefault((case.sample.task, case.condition), []).append(case.id)
    queues = [sorted(ids, key=lambda name: seeded(seed, "audit", name)) for ids in strata.values()]
    turns = (queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue))
    return frozenset(name for name, _ in zip(turns, range(size), strict=False))


def compare(fast: Observation, plain: Observation, *, again: bool = False) -> Compared | None:
    """Compare what a case gave through the two paths, or at two times.

    Returns:
        None where the fast path gave an error: that is counted as one already.
    """
    if fast.error is not None:
        return None
    if plain.error is not None:
        return Compared(fast.id, flip=True, drift=None, margin=None, problem=plain.error, again=again)
    flip = (fast.verdict, fast.answer) != (plain.verdict, plain.answer)
    return Compared(fast.id, flip, _drift(fast.scores, plain.scores), _margin(plain.scores), again=again)


def _drift(fast: Mapping[str, float] | None, plain: Mapping[str, float] | None) -> float | None:
    if not fast or not plain:
        return None
    return max(abs(fast[label] - plain[label]) for label in plain)


def _margin(scores: Mapping[str, float] | None) -> float | None:
    if not scores or len(scores) < 2:
        return None
    best, second = sorted(scores.values(), reverse=True)[:2]
    return best - second


def audit_report(compared: Sequence[Mapping[str, Any]], dtype: str | None, *, plain: bool = False) -> dict[str, Any]:
    """The finding, for ``audit`` of the results.

    Args:
        compared: fields of `Compared`, one mapping a case, in any order.
        dtype: the model's number format, which sets the drift that is allowed.
        plain: the model has a plain path.
    """
    if not compared:
        return {"verdict": "not_applicable", "detail": UNASKED if plain else NO_PATH, "cases": 0}
    rows = sorted(compared, key=lambda row: str(row["id"]))
    drifts = [row["drift"] for row in rows if row["drift"] is not None]
    drift, allowed = max(drifts, default=0.0), DRIFT.get(dtype or "", DRIFT_16_BIT)
    flips = [row for row in rows if row["flip"]]
    problems = list(_problems(flips, drift, allowed))
    said = (
        f"{len(flips)} of {len(rows)} answers differ from the plain one-by-one path, scores by up to {drift:.2g} nats"
    )
    return {
        "verdict": "fail" if problems else "pass",
        "detail": "; ".join([said, *problems]),
        "cases": len(rows),
        "flips": [{key: row[key] for key in ("id", "drift", "margin", "problem")} for row in flips],
        "drift": drift,
        "drift_allowed": allowed,
    }


def _problems(flips: Sequence[Mapping[str, Any]], drift: float, allowed: float) -> list[str]:
    found = []
    if drift > allowed:
        found.append(f"at most {allowed:g} nats are allowed")
    if len(flips) > MOST_FLIPS:
        found.append(f"at most {MOST_FLIPS} flip is allowed, e.g. {flips[0]['id']}")
    decided = next((row for row in flips if row["margin"] is None or row["margin"] > 2 * drift), None)
    if decided is not None:
        why = decided["problem"] or "its two best answers are further apart than twice the drift"
        found.append(f"{decided['id']} is no near tie: {why}")
    return found


def packed(compared: Compared) -> dict[str, Any]:
    """A comparison as builtins; ``again`` only where it is set."""
    values = asdict(compared)
    return values if compared.again else {name: value for name, value in values.items() if name != "again"}
