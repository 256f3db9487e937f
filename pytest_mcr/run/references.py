"""The runs that ``--mcr-baseline`` names: a run itself, or the last of a file of blessings and its oldest anchor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from pytest_mcr.core.comparison import Key
from pytest_mcr.core.margins import Margins
from pytest_mcr.core.noninferiority import compare
from pytest_mcr.core.waivers import Waiver
from pytest_mcr.data.results_file import DIGEST, content_digest
from pytest_mcr.errors import OptionError
from pytest_mcr.report.wording import safe
from pytest_mcr.run.blessings import FILE, SCHEMA, Blessing, anchor_of, blessed_path, last_of, read_blessings
from pytest_mcr.run.former_cases import FormerRun, read_run

BASELINE: Final = "baseline"
ANCHOR: Final = "anchor"
WORDS: Final = 200
"""Longest value that a message repeats from a file."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run asked: only runs that agree in it can be compared.

    Attributes:
        digest: of the data.
        template: with its version, e.g. ``discretion v1``.
        answer: how answers were read.
        shown: whether prompts list the candidates.
        cases: (sample, condition) of the design.
        tasks: of the design.
    """

    digest: str
    template: str
    answer: str
    shown: bool
    cases: frozenset[tuple[str, str]]
    tasks: frozenset[str]

    @property
    def conditions(self) -> frozenset[str]:
        """The conditions of the design."""
        return frozenset(condition for _, condition in self.cases)


@dataclass(frozen=True, slots=True)
class Reference:
    """A run to compare with.

    Attributes:
        role: `BASELINE` or `ANCHOR`.
        blessing: None where a run was named itself.
    """

    role: str
    run: FormerRun
    blessing: Blessing | None = None

    @property
    def asked(self) -> Asked:
        """What the run asked."""
        results = self.run.results
        cases = ((outcome.task, *key) for key, outcome in self.run.outcomes.items())
        return asked(results["dataset"].get("digest"), results["protocol"], cases)

    def differences(self, now: Asked) -> list[str]:
        """Why the run cannot be compared with another; empty where it can."""
        doubt = [] if self.run.doubt is None else [self.run.doubt]
        return doubt or differences(self.asked, now)

    @property
    def named(self) -> str:
        """Which run it is, and who blessed it, in words."""
        run = f"run {self.run.results['run'].get('id')} of {self.run.model}"
        if self.blessing is None:
            return f"{run} ({self.run.path})"
        until = f", until {self.blessing.expires}" if self.blessing.expires else ""
        accepted = len(self.blessing.accepted)
        failed = f"; {accepted} failure{'s' * (accepted > 1)} accepted with it" if accepted else ""
        when = self.blessing.when.partition("T")[0]
        return f"{run}, blessed by {self.blessing.who} on {when}{until}: {self.blessing.why}{failed}"

    def to_json(self) -> dict[str, Any]:
        """Which run it is, as builtins."""
        results = self.run.results
        return {
            "role": self.role,
            "path": str(self.run.path),
            "digest": results.get(DIGEST) or content_digest(results),
            "run": str(results["run"].get("id")),
            "model": self.run.model,
            "fingerprint": results["model"].get("fingerprint"),
            "blessing": None if self.blessing is None else self.blessing.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Against:
    """Everything that a run is judged against besides its gates.

    Attributes:
        references: the baseline, then the anchor, if any.
        margins: what may be lost.
        planned: share of clips that differ between the last two blessed runs, by cell; empty where that is not known.
        asked: what this run asks; None where there is no reference.
        waivers: of the user.
        today: waivers that expired before do not count.
    """

    references: tuple[Reference, ...] = ()
    margins: Margins = field(default_factory=Margins)
    planned: Mapping[Key, float] = field(default_factory=dict)
    asked: Asked | None = None
    waivers: tuple[Waiver, ...] = ()
    today: date = date.min

    def header(self) -> list[str]:
        """Lines for the head of the session: what this run will be compared with, and what speaks against it."""
        lines = []
        for one in self.references:
            lost = f"macro {self.margins.macro:g}, a task {self.margins.task:g} may be lost"
            lines.append(f"mcr: {one.role} {one.named}; {lost}")
            problems = [] if self.asked is None else one.differences(self.asked)
            if problems:
                lines.append(f"mcr: WARNING: it cannot be compared with this run: {'; '.join(problems)}")
        return [safe(line) for line in lines]


NOTHING: Final = Against()
"""For a run that is compared with none."""


def read_references(path: Path, today: date) -> tuple[tuple[Reference, ...], dict[Key, float]]:
    """The runs behind a path, and the discordance of the last two blessed ones.

    Args:
        path: a run's ``results.json`` or folder, or a file of blessings or its folder.
        today: blessings that expired before do not count.

    Raises:
        OptionError: no such file, one that is refused, or no blessing that counts.
    """
    file = path / FILE if path.is_dir() and (path / FILE).exists() else path
    if not is_blessings(file):
        return (Reference(BASELINE, read_run(file, whole=False)),), {}
    blessings = read_blessings(file)
    last, anchor = last_of(blessings, today), anchor_of(blessings, today)
    if last is None:
        why = "all blessings have expired" if blessings else "it holds no blessing"
        raise OptionError(f"{file}: {why}; bless a run: python -m pytest_mcr bless results.json --who NAME --why TEXT")
    found = [Reference(BASELINE, _blessed(file, last), last)]
    if anchor is not None and anchor is not last:
        found.append(Reference(ANCHOR, _blessed(file, anchor), anchor))
    return tuple(found), _discordance(file, blessings[: blessings.index(last)], found[0].run)


def is_blessings(file: Path) -> bool:
    """Whether a file says that it holds blessings; one that cannot be read says nothing."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return file.name == FILE
    return isinstance(content, dict) and str(content.get("schema", "")).startswith(SCHEMA.partition("/")[0])


def asked(digest: object, protocol: Mapping[str, Any], cases: Iterable[tuple[str, str, str]]) -> Asked:
    """What a run asked.

    Args:
        digest: of its data.
        protocol: as in ``results.json``.
        cases: task, sample and condition of each.
    """
    chosen = list(cases)
    return Asked(
        digest=str(digest),
        template=f"{protocol.get('template')} v{protocol.get('version')}",
        answer=str(protocol.get("answer")),
        shown=bool(protocol.get("candidates_shown")),
        cases=frozenset((sample, condition) for _, sample, condition in chosen),
        tasks=frozenset(task for task, _, _ in chosen),
    )


def differences(before: Asked, now: Asked) -> list[str]:
    """What two runs asked differently, then and now; empty where the second's cases are all among the first's.

    A run on fewer clips (``--mcr-limit``) can be compared: they are the first of a seeded order, so nobody chose them.
    One on fewer tasks or conditions cannot, because nothing would be known of the cells it left out.
    """
    found = [
        f"{name} {safe(was, WORDS)}, now {safe(is_now, WORDS)}"
        for name, was, is_now in (
            ("data digest", before.digest[:12], now.digest[:12]),
            ("template", before.template, now.template),
            ("answers by", before.answer, now.answer),
            ("candidates", _shown(before), _shown(now)),
            ("tasks", _listed(before.tasks), _listed(now.tasks)),
            ("conditions", _listed(before.conditions), _listed(now.conditions)),
        )
        if was != is_now
    ]
    lost = sorted(now.cases - before.cases)
    if lost and not found:
        found.append(f"{len(lost)} cases are not in it, e.g. {safe('-'.join(lost[0]), WORDS)}")
    return found


def _shown(asked: Asked) -> str:
    return "shown" if asked.shown else "not shown"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _blessed(file: Path, blessing: Blessing) -> FormerRun:
    """A blessed run, if it is still what was blessed."""
    run = read_run(blessed_path(file, blessing), whole=False)
    digest = run.results.get(DIGEST) or content_digest(run.results)
    if digest != blessing.digest:
        raise OptionError(
            f"{run.path}: not the run that {blessing.who} blessed (digest {digest[:12]}, blessed "
            f"{blessing.digest[:12]}); restore it, or bless it again"
        )
    return run


def _discordance(file: Path, earlier: Sequence[Blessing], last: FormerRun) -> dict[Key, float]:
    """Share of clips that differ between the last two blessed runs, by cell; empty where that cannot be known."""
    if not earlier:
        return {}
    try:
        before = _blessed(file, earlier[-1])
    except OptionError:  # it serves for planning only, and may have been tidied away
        return {}
    if Reference(BASELINE, before).differences(Reference(BASELINE, last).asked):
        return {}
    return compare(before.outcomes.values(), last.outcomes.values(), Margins()).discordances
