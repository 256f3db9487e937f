"""Gates and verdicts as pytest understands them: letters, synthetic reports, JUnit properties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pytest
from _pytest.junitxml import xml_key

from pytest_mcr.core.case import Verdict
from pytest_mcr.glue.wire import PAYLOAD
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


def junit_property(config: pytest.Config, record: RunRecord) -> None:
    """Say in the JUnit file what the numbers are about: synthetic data must never pass for MCR-BENCH."""
    xml = config.stash.get(xml_key, None)
    if xml is not None:
        kind = record.dataset["kind"]
        xml.add_global_property("mcr.verdict", record.judgement.verdict)
        xml.add_global_property("mcr.model", str(record.model["spec"]))
        xml.add_global_property("mcr.dataset", f"{kind} ({SYNTHETIC})" if kind == "mini" else str(kind))
        if kind == "mini":
            xml.suite_name = f"{xml.suite_name}, mini benchmark ({SYNTHETIC})"
