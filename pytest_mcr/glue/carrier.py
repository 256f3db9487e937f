"""The carrier: lives where tests run (a worker, or the only process) and puts what cases gave on their reports."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

import pytest

from pytest_mcr.errors import McrError, StopRunError
from pytest_mcr.glue import options
from pytest_mcr.glue.collect import McrCase
from pytest_mcr.glue.probing import Probe
from pytest_mcr.glue.queue import waiting
from pytest_mcr.glue.wire import PAYLOAD, pack_process, probe_to_wire, to_wire
from pytest_mcr.report.wording import safe
from pytest_mcr.run.ask import ERROR_LIMIT
from pytest_mcr.run.chunks import case_in, cases_of, plan_chunks
from pytest_mcr.run.run import Key, Run


class Carrier:
    """Plans the chunks of this process and attaches ``report.mcr`` (call phase only)."""

    def __init__(self, run: Run, worker: str) -> None:
        self.run = run
        self.worker = worker

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Cut the final list, after every selection and reordering, into chunks."""
        tasks = self.run.dataset.tasks
        chunks = plan_chunks((item.nodeid for item in session.items), tasks, self.run.chunk_size)
        cases = [cases_of(chunk, tasks) for chunk in chunks]
        self.run.plan(cases, partial(self._upcoming, session) if options.is_worker(session.config) else None)

    def _upcoming(self, session: pytest.Session, chunk: Sequence[Key]) -> Sequence[Key] | None:
        """The first chunk after this one among the tests that xdist has sent to this worker."""
        tasks = self.run.dataset.tasks
        for node_id in waiting(session):
            case = case_in(node_id, tasks)
            following = None if case is None else self.run.chunk_of(case)
            if following is not None and following != chunk:
                return following
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach what the case gave, or what stops the run."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, StopRunError):
            self._stop(item.session, report, call.excinfo.value)
        elif call.excinfo is not None and isinstance(call.excinfo.value, McrError):
            report.longrepr = " ".join(str(call.excinfo.value).split())  # our own messages need no traceback
        if report.when == "call":
            payload = self._payload(item)
            if payload:
                setattr(report, PAYLOAD, {**getattr(report, PAYLOAD, {}), **payload})
        return report

    def _payload(self, item: pytest.Item) -> dict[str, object]:
        callspec = getattr(item, "callspec", None)
        params = callspec.params if callspec is not None else {}
        case = params.get("mcr_case")
        if isinstance(case, McrCase) and case.result is not None:
            result, case.result = case.result, None
            return to_wire(result, self.run.take_news(), self.worker)
        payload: dict[str, object] = {}
        for probe in params.values():
            if isinstance(probe, Probe) and probe.payload:
                payload |= probe_to_wire(probe.payload, self.run.take_news(), self.worker)
                probe.payload = {}
        return payload

    def _stop(self, session: pytest.Session, report: pytest.TestReport, error: StopRunError) -> None:
        """Fail this test in one line and let no other start: nothing that the model says could become a score."""
        message = safe(str(error), ERROR_LIMIT)
        report.longrepr = message
        stop: dict[str, object] = {"stop": [message, error.exit_code]}
        news = self.run.take_news()
        if news is not None:
            stop["process"] = pack_process(news, self.worker)
        setattr(report, PAYLOAD, stop)
        session.shouldstop = message

    def pytest_sessionfinish(self) -> None:
        """Let the model go."""
        self.run.close()
