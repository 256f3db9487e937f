"""The controller: gathers what the cases gave, judges once when all tests are done, publishes and prints."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from pytest_mcr.core.case import PLACEBO
from pytest_mcr.errors import McrError
from pytest_mcr.glue import options
from pytest_mcr.glue.clock import Clock
from pytest_mcr.glue.early import Early
from pytest_mcr.glue.live import Live
from pytest_mcr.glue.publish import gate_reports, junit_properties, letter
from pytest_mcr.glue.wire import PAYLOAD, record_of, unpack
from pytest_mcr.run.chunks import case_in, cases_of, chunk_size, plan_chunks
from pytest_mcr.run.conclude import Conclusion
from pytest_mcr.run.deadline import Deadline
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.exits import INVALID_EXIT
from pytest_mcr.run.ledger import PROBES, Ledger
from pytest_mcr.run.observe import outcome_of


class Controller:
    """One a run: in the only process, or in the xdist controller.

    Args:
        conclusion: turns evidence into the record of the run and its files.
        suite: path of the benchmark's file, for the names of gates until the tests' own node ids are known: sharing
            their path lets ``--lf`` find a failed gate's suite again.
        deadline: of the run.
    """

    def __init__(self, config: pytest.Config, conclusion: Conclusion, suite: str, deadline: Deadline) -> None:
        self.config = config
        self.conclusion = conclusion
        self.ledger = Ledger(conclusion.journal)
        self.suite = suite
        self.clock = Clock(config, self.ledger, deadline, quiet=conclusion.settings.quiet)
        self.live = Live(config, quiet=conclusion.settings.quiet)
        self.early = Early(conclusion.early)
        self.session: pytest.Session | None = None
        self.selected: list[tuple[str, str]] | None = None
        self.tests = 0  # selected tests, the user's own included
        self.interrupted: str | None = None
        self.at_failure = False  # ended by -x or --maxfail
        self.finished = False

    def pytest_report_header(self) -> list[str]:
        """Say what will be measured."""
        return self.conclusion.header()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Remember the session: the clock may have to end it."""
        self.session = session

    # --- what was selected -------------------------------------------------------------------------------------

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember the selection (a plain run; an xdist controller collects nothing)."""
        if options.workers(self.config) == 0:
            self._select([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Remember the selection of the workers; all collect the same."""
        self._select(ids)

    def _select(self, node_ids: Sequence[str]) -> None:
        if self.selected is None:
            tasks = self.conclusion.dataset.tasks
            ours = next((node_id for node_id in node_ids if case_in(node_id, tasks)), None)
            self.suite = self.suite if ours is None else ours.partition("::")[0]
            self.tests = len(node_ids)
            self.selected = cases_of(node_ids, tasks)
            if self.early.wanted:  # chunks of thousands of tests cost as much as their selection
                chunks = plan_chunks(node_ids, tasks, chunk_size(self.conclusion.spec))
                self.early.select(self.selected, [cases_of(chunk, tasks) for chunk in chunks])

    # --- what arrived ------------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the payload off the report; trylast, because the terminal reads it and then keeps every report."""
        if report.failed:
            self.early.note(case_in(report.nodeid, self.conclusion.dataset.tasks))
        payload: dict[str, Any] | None = report.__dict__.pop(PAYLOAD, None)
        if payload is None:
            return
        self._take(report, payload)
        if self.session is not None:
            self.early.tick(self.session, self.ledger)
            self._show(self.session, len(self.selected or ()))

    def _show(self, session: pytest.Session, total: int) -> None:
        """The table, or a line now and then."""
        if self.early.message is None:  # a limit that is reached while the last answers arrive ends nothing
            self.clock.tick(session, total, so_far=self.live.tally.sentence, shown=self.live.drawn)
        if self.live.drawn:
            self.live.tick(total, self.clock.status(total))

    def _take(self, report: pytest.TestReport, payload: dict[str, Any]) -> None:
        if "process" in payload:
            self.ledger.processes[payload["process"]["worker"]] = payload["process"]
        if report.outcome == "rerun":  # type: ignore[comparison-overlap]  # pytest-rerunfailures: the last attempt counts
            return
        if "stop" in payload and self.ledger.stop is None:
            message, code = payload["stop"]
            self.ledger.stop = (str(message), int(code))
        if "audit" in payload:
            self.ledger.audits[payload["audit"]["id"]] = payload["audit"]
        for kind in PROBES:
            if kind in payload:
                self.ledger.probes.setdefault(kind, {})[payload[kind]["id"]] = payload[kind]
        for part in ("case", PLACEBO):
            if part in payload:
                calibration = payload.get("calibration") if part == "case" else None
                outcome = outcome_of(unpack(payload[part]))
                self.ledger.take(outcome, record_of(payload[part], calibration))
                self.live.tally.take(outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Show the verdict as the test's letter; the category stays ``passed``, because a wrong answer is data."""
        status = letter(report)
        if status is None or not self.live.drawn:
            return status
        return status[0], "", status[2]  # counted and not written: the table stands in for the letters

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Remember a worker that died: what it had not finished may be lost."""
        if error is not None and str(error) != "keyboard-interrupt":
            self.ledger.dead_workers.append(f"{node.gateway.id}: {error}")

    # --- judgement ---------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Judge when the loop is over and publish every gate as a test report; an interrupted loop raises past this."""
        try:
            self._require_sound_data(session)
            self.live.start()
            result = yield
        except BaseException as error:
            if not self.early.is_end(error):
                self.interrupted = self._why(session, error)
                raise
            result = True
        finally:
            self.live.stop()
        if not options.is_collect_only(self.config):
            self._conclude()
            if self.tests:
                self._publish(session)
        return result

    def _require_sound_data(self, session: pytest.Session) -> None:
        """Ask nothing on data that can mislead, where that was asked for."""
        refusal = self.conclusion.refusal()
        if refusal is not None and not options.is_collect_only(self.config):
            self.selected = self.selected or []
            self.ledger.stop = (refusal, INVALID_EXIT)
            raise session.Interrupted(refusal)

    def _publish(self, session: pytest.Session) -> None:
        self._end_line()
        red = session.testsfailed > 0
        reports = list(gate_reports(self.conclusion.record, self.suite, red=red))
        session.testscollected += sum(report.when == "call" for report in reports)  # keeps progress below 100 %
        for report in reports:
            self.config.hook.pytest_runtest_logreport(report=report)

    def _end_line(self) -> None:
        """The cases' last line is full: gates begin a new one."""
        if self.config.pluginmanager.hasplugin("terminalreporter"):
            writer = self.config.get_terminal_writer()
            if writer.width_of_current_line:
                writer.line()

    def _why(self, session: pytest.Session, error: BaseException) -> str:
        # pytest raises Failed for -x, the xdist controller Interrupted with the same words.
        self.at_failure = isinstance(error, session.Failed) or str(error).startswith("stopping after")
        return str(error) or "interrupted (Ctrl-C)"

    def _conclude(self) -> None:
        if not self.finished:
            self.finished = True
            evidence = Evidence(
                ledger=self.ledger,
                selected=self.selected or [],
                interrupted=self.interrupted,
                workers=options.workers(self.config),
                limited=self.clock.expired is not None,
                seconds=self.clock.seconds,
                early=self.conclusion.early,
            )
            self.conclusion.conclude(evidence)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the results, whatever happened, and set the exit code; outermost, so JUnit sees the properties."""
        if not options.is_collect_only(self.config) and self.selected is not None:
            self._conclude()
            junit_properties(self.config, self.conclusion.record)
            try:
                self.conclusion.write()
            except (McrError, OSError) as error:  # a full disk, say; what was measured so far stays in the journal
                raise pytest.UsageError(f"results not written: {error}") from None
            status = pytest.ExitCode.TESTS_FAILED if self.at_failure else session.exitstatus
            status = pytest.ExitCode.OK if self.early.only_beyond() else status
            session.exitstatus = self.conclusion.exit_code(int(status))
        code = session.exitstatus
        result = yield
        session.exitstatus = code
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what was concluded; decides nothing."""
        if self.finished and not self.tests and self.ledger.stop is None:
            terminalreporter.write_line(
                "mcr: no case was selected, so nothing was measured (-k, -m, --lf, ids or paths)"
            )
        elif self.finished:
            from pytest_mcr.report.terminal import summary  # rich is imported only to print

            writer = self.config.get_terminal_writer()
            for line in summary(self.conclusion.record, width=writer.fullwidth, color=writer.hasmarkup):
                terminalreporter.write_line(line)
