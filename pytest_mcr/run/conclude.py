"""The conclusion of a run: header, judgement, record, files and exit code, with no knowledge of pytest's hooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mcr.core.case import Case, Verdict
from pytest_mcr.core.grammar import Gate
from pytest_mcr.core.profiles import Profile
from pytest_mcr.core.prompts import TEMPLATES
from pytest_mcr.data.audit import Finding as Flaw
from pytest_mcr.data.audit import audit
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.results_file import CASES
from pytest_mcr.models.resolve import kind
from pytest_mcr.models.spec import Spec
from pytest_mcr.report import layer_chart, reliability
from pytest_mcr.report.files import shows_points, write_files
from pytest_mcr.report.results import point_latest, write_results
from pytest_mcr.run.dominance import FINDINGS, store_of
from pytest_mcr.run.evidence import Evidence
from pytest_mcr.run.examples import examples, flips
from pytest_mcr.run.exits import INTERRUPTED_EXIT, INVALID_EXIT, OK_EXIT
from pytest_mcr.run.findings import Finding, add
from pytest_mcr.run.journal import Journal
from pytest_mcr.run.ledger import Ledger
from pytest_mcr.run.provenance import git_state, new_run_id, versions
from pytest_mcr.run.record import ANSWERS, KNOWN_DATA, SYNTHETIC, RunRecord
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.timing import timing_of

if TYPE_CHECKING:
    from pytest_mcr.run.data_audit import DataAudit
    from pytest_mcr.run.early_stop import EarlyStop
    from pytest_mcr.run.references import Against


class Conclusion:
    """Holds what a run was asked for, and turns its evidence into a record, files and an exit code.

    Args:
        settings: the run's options.
        dataset: the chosen samples.
        design: the chosen cases.
        spec: the model.
        profile: the thresholds asked for.
        gates: the gates to judge.
        argv: pytest's arguments.
        now: start of the run, in UTC.
        against: earlier runs to compare with, and waivers; None for neither.
    """

    def __init__(
        self,
        settings: Settings,
        dataset: Dataset,
        design: Sequence[Case],
        spec: Spec,
        profile: Profile,
        gates: Sequence[Gate],
        argv: Sequence[str],
        now: datetime,
        against: Against | None = None,
    ) -> None:
        self.settings = settings
        self.dataset = dataset
        self.design = design
        self.spec = spec
        self.profile = profile
        self.gates = gates
        self.argv = list(argv)
        self.now = now
        self.against = against
        self.run_id = new_run_id(now)
        self.home = settings.invocation_dir / ".mcr"
        self.out: Path = settings.out or self.home / "runs" / self.run_id
        self.examined: DataAudit | None = None  # set where ``--mcr-audit strict`` asks for it
        self.early: EarlyStop | None = None  # set where ``--mcr-early-stop`` asks for it
        self.journal = Journal(self.out / f".cases.{self.run_id}.part")
        self._record: RunRecord | None = None
        self._ledger: Ledger | None = None
        self._limited = False

    @property
    def record(self) -> RunRecord:
        """The record; only after `conclude`."""
        assert self._record is not None
        return self._record

    def header(self) -> list[str]:
        """Lines for the head of the session."""
        tasks = Counter(case.sample.task for case in self.design)
        cases = ", ".join(f"{task} {count}" for task, count in tasks.items())
        data = KNOWN_DATA.get(self.dataset.kind, f"{self.dataset.kind} data in {self.dataset.root}")
        return [
            f"mcr: model {self.spec.text}, data: {data}, {len(self.design)} cases ({cases})",
            f"mcr: template {self.settings.template}, profile {self.settings.profile}, "
            f"{ANSWERS[self.settings.answer]}; results go to {self.out}",
            *(self.against.header() if self.against is not None else ()),
            *([] if self.early is None else [self.early.outlook()]),
        ]

    def refusal(self) -> str | None:
        """Why nothing should be asked on this data, None where it was not examined or nothing can mislead."""
        found = [] if self.examined is None else self.examined.misleading
        if not found:
            return None
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        where = f"python -m pytest_mcr audit {self.dataset.root}"
        return f"the data can mislead (--mcr-audit strict): {found[0]}{more}; see them all with {where}"

    def conclude(self, evidence: Evidence) -> None:
        """Judge the evidence and build the record."""
        # Their statistics are imported when there is something to judge.
        from pytest_mcr.report.first_minute import is_red
        from pytest_mcr.run.judge import judge

        asked = evidence
        if evidence.early is not None:
            evidence, design = evidence.early.counted(evidence, self.design)
        else:
            design = list(self.design)
        ledger = self._ledger = evidence.ledger
        self._limited = evidence.limited
        others = {} if self.against is None else {"against": self.against}
        digest = self.dataset.digest
        judgement = judge(evidence, design, self.settings, self.profile, self.gates, data=digest, **others)
        planned = {(case.sample.id, case.condition) for case in design}
        samples = {sample.id: sample for sample in self.dataset.samples}
        record = RunRecord(
            judgement=judgement,
            run=self._run_facts(asked, judgement.notes),
            model=self._model_facts(list(ledger.processes.values())),
            dataset={
                "path": str(self.dataset.root),
                "kind": self.dataset.kind,
                "digest": self.dataset.digest,
                "samples": dict(Counter(sample.task for sample in self.dataset.samples)),
                **shared_clips(ledger),
                **({"about": SYNTHETIC} if self.dataset.kind == "mini" else {}),
            },
            protocol=protocol_of(self.settings, self.dataset),
            settings=self.settings.to_json(),
            counts=ledger.counts(planned),
            canary=canary_of(list(ledger.processes.values())),
            audit={
                "batch": judgement.batch_audit,
                "repeat": judgement.repeat_audit,
                "data": [finding.to_json() for finding in self._flaws()],
            },
            timing=timing_of(asked),
            clusters=len({outcome.cluster for outcome in ledger.outcomes.values()}),
            examples=examples(ledger.outcomes, samples),
            out=self.out,
            probes=ledger.probes,
        )
        if is_red(record) or shows_points(self.settings):  # it takes seconds on a large run
            from pytest_mcr.run.diagnosis import diagnosed

            record = diagnosed(record, ledger, samples, self.gates, self.profile, self.home / "runs")
        self._record = record

    def write(self) -> None:
        """Write the result files, each in one atomic step, and move the pointer ``.mcr/latest``."""
        assert self._ledger is not None
        self.out.mkdir(parents=True, exist_ok=True)
        arrived = self._ledger.outcomes  # the journal may hold one line more, where Ctrl-C cut its arrival short
        published = [case.id for case in self.design if (case.sample.id, case.condition) in arrived]
        self.journal.publish(self.out / CASES, published)
        write_results(self.record, self.out)
        self._keep_findings()
        reliability.write(self.record, self.out)
        layer_chart.write(self.record, self.out)
        if self.settings.out is None:
            point_latest(self.home, self.out)
        write_files(self.record, self.settings)
        self._write_html()

    def _write_html(self) -> None:
        if self.settings.html is not None:
            from pytest_mcr.report import html  # jinja2 is imported only to write

            assert self._ledger is not None
            turned, clips = flips(self._ledger.outcomes), self.settings.html_clips
            material = html.Material(self.dataset, self.out / CASES, turned, clips)
            html.write(self.record, material, self.settings.html)

    def _keep_findings(self) -> None:
        """Write this run's findings beside its results, and add them to those that the next run asks first."""
        hunted = self.record.probes.get("hunted", {})
        found = [
            Finding.from_json(finding)
            for name in sorted(hunted)
            for kind in ("findings", "replayed", "others")
            for finding in hunted[name][kind]
        ]
        if hunted and self.settings.out is None:
            (self.out / FINDINGS).unlink(missing_ok=True)
            add(self.out / FINDINGS, found)
        if hunted:
            add(store_of(self.settings), found)

    def exit_code(self, status: int) -> int:
        """The exit code of the session.

        Args:
            status: what pytest itself would exit with.
        """
        assert self._ledger is not None
        if self._ledger.stop is not None:
            return self._ledger.stop[1]
        if status == INTERRUPTED_EXIT and self._limited:
            return self.record.judgement.exit_code
        if status >= INTERRUPTED_EXIT:
            died = status > INTERRUPTED_EXIT and self._ledger.dead_workers
            return INVALID_EXIT if died else status
        own = self.record.judgement.exit_code
        return own if own != OK_EXIT else status

    def _flaws(self) -> Sequence[Flaw]:
        return audit(self.dataset) if self.examined is None else self.examined.findings

    def _run_facts(self, evidence: Evidence, notes: Sequence[str]) -> dict[str, Any]:
        return {
            "id": self.run_id,
            "started": self.now.isoformat(timespec="seconds"),
            "seconds": round(evidence.seconds, 3),
            "workers": evidence.workers,
            "argv": self.argv,
            "seed": self.settings.seed,
            "versions": versions(),
            "git": git_state(self.settings.invocation_dir),
            "notes": [*notes, *notes_of(evidence.ledger)],
            **({} if self.settings.tier is None else {"tier": self.settings.tier}),
            **({} if evidence.early is None else {"sequential": evidence.early.to_json(evidence.ledger)}),
        }

    def _model_facts(self, processes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        unknown: dict[str, Any] = {"name": None, "fingerprint": None, "device": None, "dtype": None, "traits": {}}
        facts = processes[0]["model"] if processes else unknown
        return {"spec": self.spec.text, "name": facts["name"], "kind": kind(self.spec), **facts}


def protocol_of(settings: Settings, dataset: Dataset) -> dict[str, Any]:
    """How the cases are asked and read."""
    return {
        "template": settings.template,
        "version": TEMPLATES[settings.template].version,
        "answer": settings.answer,
        "candidates_shown": any(sample.candidates and not sample.complete for sample in dataset.samples),
    }


def shared_clips(ledger: Ledger) -> dict[str, dict[str, str]]:
    """The cluster of every sample that is not alone in it: a later comparison must not take those as independent."""
    clusters = {o.sample: o.cluster for o in ledger.outcomes.values() if o.verdict is not Verdict.ERROR}
    sizes = Counter(clusters.values())
    shared = {sample: cluster for sample, cluster in sorted(clusters.items()) if sizes[cluster] > 1}
    return {"shared_clips": shared} if shared else {}


def canary_of(processes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The canary of the run: the worst of its processes."""
    for verdict in ("fail", "not_applicable", "pass"):
        for process in processes:
            if process["canary"] is not None and process["canary"]["verdict"] == verdict:
                return dict(process["canary"])
    return {"verdict": "not_run", "detail": "no process got as far as its canary"}


def notes_of(ledger: Ledger) -> list[str]:
    """What the processes had to say, each line once."""
    return list(dict.fromkeys(line for process in ledger.processes.values() for line in process["notes"]))
