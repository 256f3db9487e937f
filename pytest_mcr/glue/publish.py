"""Gates and verdicts as pytest understands them: letters, synthetic reports, JUnit properties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pytest
from _pytest.junitxml import xml_key

from pytest_mcr.core.case import Verdict
from pytest_mcr.core.metrics import OVERALL
from pytest_mcr.glue.wire import PAYLOAD
from pytest_mcr.report.wording import safe
from pytest_mcr.run.record import SYNTHETIC, RunRecord

if TYPE_CHECKING:
    from pytest_mcr.core.gates import GateResult

Status = tuple[str, str, tuple[str, dict[str, bool]]]

LETTERS: dict[str, tuple[str, dict[str, bool]]] = {
    Verdict.AUDIO: ("a", {"green": True}),
    Verdict.TEXT: ("t", {"red": True}),
    Verdict.OTHER: ("o", {"yellow": True}),
    Verdict.FLAGGED: ("c", {"cyan": True}),
    Verdict.UNPARSED: ("u", {"purple": True}),
}
"""Letter of each verdict; none of pytest's own."""

Outcome = Literal["passed", "failed", "skipped"]
NAME_LIMIT, VALUE_LIMIT = 200, 1000
"""Longest name and value of a property in the JUnit file."""
FAILING = ("fail", "undecided", "invalid")


def letter(report: pytest.TestReport) -> Status | None:
    """The status of a case's report, None for anything else."""
    payload = getattr(report, PAYLOAD, None)
    if report.when != "call" or not report.passed or not payload or "case" not in payload:
        return None
    verdict = payload["case"]["verdict"]
    if verdict not in LETTERS:
        return None
    short, markup = LETTERS[verdict]
    return "passed", short, (str(verdict).upper(), markup)


def gate_reports(record: RunRecord, suite: str, *, red: bool) -> Iterator[pytest.TestReport]:
    """Each gate as a test report, and one more when the verdict is worse than anything else says.

    Args:
        record: the run.
        suite: path of the benchmark's file, which the reports' names begin with.
        red: a case has already failed, so nothing more is needed to say that a case had an error.
    """
    gates = record.judgement.gates
    for gate in gates:
        yield from gate_report(suite, gate)
    said = any(gate.verdict in FAILING for gate in gates) or (record.judgement.verdict == "fail" and red)
    if record.judgement.exit_code >= 1 and not said:
        name = f"verdict[{record.judgement.verdict}]"
        yield from reports(suite, name, "failed", "; ".join(record.judgement.reasons))


def gate_report(suite: str, gate: GateResult) -> Iterator[pytest.TestReport]:
    """One gate as a report: failed for fail, undecided and invalid, skipped when it was not judged."""
    outcome: Outcome = "failed" if gate.verdict in FAILING else "passed" if gate.verdict == "pass" else "skipped"
    message = f"{gate.verdict.upper()}: {gate.expr}: {gate.reason}"
    yield from reports(suite, f"gate[{gate.expr}]", outcome, message)


def reports(suite: str, name: str, outcome: Outcome, message: str) -> Iterator[pytest.TestReport]:
    """The call report of a synthetic test, and the teardown report on which JUnit closes a test case."""
    longrepr = {"passed": None, "failed": message, "skipped": (suite, 0, f"Skipped: {message}")}[outcome]
    for when in ("call", "teardown"):
        call = when == "call"
        yield pytest.TestReport(
            nodeid=f"{suite}::{name}",
            location=(suite, None, name),
            keywords={},
            outcome=outcome if call else "passed",
            longrepr=longrepr if call else None,
            when=when,
        )


def junit_properties(config: pytest.Config, record: RunRecord) -> None:
    """Put the run's facts and numbers into the JUnit file; synthetic data must never pass for MCR-BENCH there."""
    xml = config.stash.get(xml_key, None)
    if xml is None:
        return
    for name, value in (*facts(record), *numbers(record)):
        xml.add_global_property(f"mcr.{safe(name, NAME_LIMIT)}", safe(value, VALUE_LIMIT))
    if record.dataset["kind"] == "mini":
        xml.suite_name = f"{xml.suite_name}, mini benchmark ({SYNTHETIC})"


def facts(record: RunRecord) -> Iterator[tuple[str, str]]:
    """What was measured on what, and the verdict."""
    kind, protocol = record.dataset["kind"], record.protocol
    yield "verdict", record.judgement.verdict
    yield "model", str(record.model["spec"])
    yield "model.fingerprint", str(record.model.get("fingerprint"))
    yield "dataset", f"{kind} ({SYNTHETIC})" if kind == "mini" else str(kind)
    yield "dataset.digest", str(record.dataset["digest"])
    yield "protocol", f"template {protocol['template']} v{protocol['version']}, {protocol['answer']}"
    yield "run", str(record.run["id"])


def numbers(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Every defined number under the name that a gate gives it, with its 95 % interval and n; parts are left out."""
    for row in record.judgement.table:
        if row.value is None or row.extra:
            continue
        name = f"{'' if row.task == OVERALL else f'{row.task}.'}{row.metric}"
        name += "" if row.condition is None else f"[{row.condition}]"
        yield name, f"{row.value:.6g}"
        for end, value in (("low", row.low), ("high", row.high)):
            if value is not None:
                yield f"{name}.{end}", f"{value:.6g}"
        yield f"{name}.n", str(row.n)
