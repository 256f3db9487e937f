"""Where the time of a run went, and how much is left."""

from __future__ import annotations

from typing import Any

from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.process import STAGES


def timing_of(evidence: Evidence) -> dict[str, Any]:
    """``timing`` of the results.

    Returns:
        Seconds of wall time (``total``), summed over processes (``load``, ``canary``) and over cases (``cases``);
        ``cases_per_second`` of wall time; ``share`` of the processes' measuring time by stage, ``idle`` included, each
        in [0, 1], null when nothing was measured.
    """
    ledger = evidence.ledger
    processes = list(ledger.processes.values())
    cases = ledger.cases

    def summed(name: str) -> float:
        return float(sum(process["seconds"].get(name, 0.0) for process in processes))

    measuring = summed("measuring")
    share = {stage: round(summed(stage) / measuring, 4) if measuring else None for stage in STAGES}
    busy = sum(value or 0.0 for value in share.values())
    return {
        "total": round(evidence.seconds, 3),
        **{name: round(summed(name), 3) for name in ("load", "canary", "measuring")},
        "cases": round(ledger.seconds, 3),
        "cases_per_second": round(cases / evidence.seconds, 2) if evidence.seconds else None,
        "share": {**share, "idle": round(max(0.0, 1.0 - busy), 4) if measuring else None},
    }


def remaining(asked: int, left: int, computing: float, workers: int) -> float | None:
    """Seconds that the open cases will take at the pace of those that the model was asked.

    Args:
        asked: finished cases, without those from the cache.
        left: open cases.
        computing: seconds of computing of the asked ones, summed over workers.
        workers: processes that compute side by side, at least 1.

    Returns:
        None before the model was asked anything.
    """
    return left * computing / asked / max(1, workers) if asked > 0 else None


def duration(seconds: float) -> str:
    """A duration in words: ``8 s``, ``4 min``, ``2 h 05 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
