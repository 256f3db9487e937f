"""What the summary says about how the answers came about: batches, cache, pace."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mcr.run.record import RunRecord


def batches_line(record: RunRecord) -> str:
    """The finding of the batch-invariance audit."""
    found = record.judgement.batch_audit
    verdict = str(found.get("verdict", "not_applicable")).replace("_", " ")
    return f"{verdict.upper() if verdict == 'fail' else verdict}: {found.get('detail', 'no case was compared')}"


def repeats_line(record: RunRecord) -> str | None:
    """The finding of the repeat audit, None where nothing was asked twice."""
    found = record.judgement.repeat_audit
    if not found.get("cases") and found.get("verdict") != "fail":
        return None
    verdict = str(found["verdict"])
    return f"{verdict.upper() if verdict == 'fail' else verdict}: {found['detail']}"


def notes_of(record: RunRecord) -> list[str]:
    """Lines that the processes left for the user."""
    notes = record.run.get("notes")
    return [str(line) for line in notes] if isinstance(notes, (list, tuple)) else []


def pace_line(record: RunRecord) -> str | None:
    """How fast it went and where the time was spent, None when nothing was measured."""
    pace, share = record.timing.get("cases_per_second"), record.timing.get("share")
    if not isinstance(share, Mapping) or not isinstance(pace, (int, float)):
        return None
    spent = [f"{stage} {value:.0%}" for stage, value in share.items() if isinstance(value, float) and value >= 0.005]
    total = record.timing.get("total")
    cases = f"{pace:.3g} cases a second in " if record.counts["cases"] else ""  # a suite alone asks none of them
    return f"pace: {cases}{total:.0f} s, of the measuring: {', '.join(spent)}" if spent else None


def resumable(record: RunRecord) -> bool:
    """Whether the run was cut short and its model's answers are kept."""
    kept = record.settings.get("cache") is not None and record.model.get("kind") not in ("oracle", "replay")
    traits = record.model.get("traits")
    if record.model.get("kind") == "endpoint" and not (isinstance(traits, Mapping) and traits.get("revision")):
        kept = False  # weights without a name: nothing was cached
    return kept and any(reason.startswith("the run ended early") for reason in record.judgement.reasons)
