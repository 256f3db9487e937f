"""What changed since the last comparable run, which is found by itself among the runs beside this one.

Comparable: the same data, template and answer mode, and the same cases; another model is fine and named. An older run
with a verdict that nobody may trust is passed over.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pytest_mcr.core.before_after import Change, changes
from pytest_mcr.core.case import CONDITIONS, Outcome
from pytest_mcr.data.results_file import RESULTS
from pytest_mcr.errors import McrError
from pytest_mcr.models.replay_former import ASKED
from pytest_mcr.run.former_cases import FormerRun, read_run
from pytest_mcr.run.former_runs import newest_first

LOOKED_AT: Final = 30
"""Runs that are looked at, the newest first; their files may be large."""
COMPARED: Final = ("accuracy", "tir")
"""Measures whose changes are kept."""
SAME: Final = (
    ("dataset", "digest", "other data"),
    ("protocol", "template", "another template"),
    ("protocol", "version", "another version of the template"),
    ("protocol", "answer", "another answer mode"),
    ("protocol", "arm", "another arm"),
)
"""What both runs must agree in: section, key, what a difference is called."""
UNTOLD: Final = ("out", "cache", "cache_size", "model", "data", "time_limit", "examples", "dominance_samples",
                 "hunt", "hunt_seconds", "html", "html_clips", "markdown", "prevalence", "baseline",
                 "margin")  # fmt: skip
"""Settings that change no answer, or that stand elsewhere."""
VALUE_LIMIT: Final = 48
FINGERPRINT_LIMIT: Final = 24


@dataclass(frozen=True, slots=True, eq=False)
class LastRun:
    """The last comparable run, and what is different now.

    Attributes:
        run: its id; None where there is none, and ``why`` says so.
        model: its model as it was named.
        verdict: its verdict.
        same_model: its model had this run's fingerprint.
        differences: what differs in the configuration, one line each, e.g. ``dtype: float32, now bfloat16``.
        changes: accuracy by condition and text influence, before, now and the paired change, by task and over tasks.
        why: why nothing is compared.
    """

    run: str | None = None
    model: str = ""
    verdict: str = ""
    same_model: bool = False
    differences: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    why: str = ""


def last_run(
    runs: Path, facts: Mapping[str, Any], outcomes: Mapping[tuple[str, str], Outcome], verdict: str
) -> LastRun:
    """Find the last comparable run and compare.

    Args:
        runs: folder of the runs, one folder each, whose names sort by time.
        facts: of this run, as ``results.json`` has them: run, model, dataset, protocol, settings.
        outcomes: of this run, by (sample, condition).
        verdict: of this run; numbers that cannot be trusted, or of a part, are not compared.
    """
    if verdict == "partial":
        return LastRun(why="a part of the cases was measured, which no other run compares with")
    passed_over: Counter[str] = Counter()
    mine = {key: outcome for key, outcome in outcomes.items() if key[1] in CONDITIONS}
    for file in _files(runs, str(facts["run"]["id"])):
        found, why = _comparable(file, facts, mine, verdict)
        if found is not None:
            return found
        passed_over[why] += 1
    if not passed_over:
        return LastRun(why=".mcr/runs holds no other run")
    told = ", ".join(
        f"{number} {why}" for why, number in sorted(passed_over.items(), key=lambda one: (-one[1], one[0]))
    )
    return LastRun(why=f"no comparable run among the last {passed_over.total()} in .mcr/runs: {told}")


def _files(runs: Path, own: str) -> Iterator[Path]:
    wanted = (folder / RESULTS for folder in newest_first(runs) if folder.name != own)
    present = (file for file in wanted if file.is_file())
    for _, file in zip(range(LOOKED_AT), present, strict=False):
        yield file


def _comparable(
    file: Path, facts: Mapping[str, Any], mine: Mapping[tuple[str, str], Outcome], verdict: str
) -> tuple[LastRun | None, str]:
    """The comparison, or None and why there is none: whatever lies there must not spoil the run that is judged."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        for section, key, why in SAME:
            if results[section].get(key) != facts[section].get(key):
                return None, why
        return _compared(read_run(file), facts, mine, verdict)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, McrError):
        return None, "without numbers that count"


def _compared(
    former: FormerRun, facts: Mapping[str, Any], mine: Mapping[tuple[str, str], Outcome], verdict: str
) -> tuple[LastRun | None, str]:
    results = former.results
    told = LastRun(
        run=str(results["run"]["id"]),
        model=former.model,
        verdict=str(results["verdict"]),
        same_model=results["model"].get("fingerprint") == facts["model"].get("fingerprint"),
        differences=tuple(differences(results, facts)),
    )
    if verdict == "invalid":
        return replace(told, why="numbers of an INVALID run are not compared"), ""
    if former.outcomes.keys() != mine.keys():
        return None, "with other cases"
    # A former run tells clips apart by their paths, this one by their sound: intervals need one numbering for both.
    before = [replace(outcome, cluster=mine[key].cluster) for key, outcome in former.outcomes.items()]
    found = changes(before, mine.values())
    return replace(told, changes=tuple(row for row in found if row.measure in COMPARED)), ""


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs in the configuration of two runs, one line each; the same in both is not told.

    Args:
        before: ``results.json`` of the first run, as far as it goes.
        now: of the second.
    """
    same_model = _part(before, "model").get("fingerprint") == _part(now, "model").get("fingerprint")
    was, has = _told(before, same_model), _told(now, same_model)
    for key in dict.fromkeys((*was, *has)):
        one, two = was.get(key), has.get(key)
        if one != two:
            limit = FINGERPRINT_LIMIT if key in ("fingerprint", "git sha") else VALUE_LIMIT
            yield f"{key}: {_short(one, limit)}, now {_short(two, limit)}"


def _told(results: Mapping[str, Any], same_model: bool) -> dict[str, Any]:
    """What may differ, by the name under which it is told; another model's other traits go without saying."""
    model, run = _part(results, "model"), _part(results, "run")
    traits = {key: value for key, value in _part(model, "traits").items() if _plain(value)}
    settings = {key: value for key, value in _part(results, "settings").items() if key not in UNTOLD}
    return (
        {key: model.get(key) for key in ("fingerprint", "device", "dtype")}
        | {key: value for key, value in traits.items() if same_model or key in ASKED}
        | {key: value for key, value in settings.items() if key not in ("device", "dtype", "answer", "template")}
        | _part(run, "versions")
        | {f"git {key}": value for key, value in _part(run, "git").items()}
    )


def _plain(value: object) -> bool:
    return isinstance(value, (str, int, float, bool))


def _part(section: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = section.get(name)
    return dict(part) if isinstance(part, Mapping) else {}


def _short(value: object, limit: int) -> str:
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    text = "none" if value is None or value == "" else str(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
