"""``python -m pytest_mcr audit PATH``: what about a dataset could mislead, in one line each; no model is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mcr.command_line import Parser
from pytest_mcr.data import release
from pytest_mcr.data.audit_clips import clips_line
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import OptionError
from pytest_mcr.report.results import replace_file, to_json
from pytest_mcr.report.wording import count, figure, safe
from pytest_mcr.run.awareness import NO_LIBRARY
from pytest_mcr.run.data_audit import DataAudit, audit_data
from pytest_mcr.run.exits import INVALID_EXIT, OK_EXIT

SCHEMA = "pytest-mcr.audit/1"
LABELS_SHOWN = 12


def main(argv: Sequence[str]) -> int:
    """Audit a folder and print what was found.

    Returns:
        0; 8 with ``--strict`` where something can mislead.

    Raises:
        McrError: the folder is not in the release layout, or the JSON file cannot be written.
    """
    parser = Parser("python -m pytest_mcr audit", description=__doc__)
    parser.add_argument("path", type=Path, help="a folder in the MCR-BENCH release layout")
    parser.add_argument("--strict", action="store_true", help="exit with 8 when something was found that can mislead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write facts and findings there, too")
    given = parser.parse_args(list(argv))
    dataset = release.load(given.path)
    found = audit_data(dataset)
    sys.stdout.write("".join(f"{line}\n" for line in lines_of(dataset, found)))
    if given.json is not None:
        write(given.json, dataset, found)
    return INVALID_EXIT if given.strict and found.misleading else OK_EXIT


def write(path: Path, dataset: Dataset, found: DataAudit) -> None:
    """Write the audit as JSON.

    Raises:
        OptionError: the file cannot be written.
    """
    head = {"schema": SCHEMA, "path": str(dataset.root), "kind": dataset.kind, "digest": dataset.digest}
    text = json.dumps(to_json(head | found.to_json()), ensure_ascii=False, indent=1)
    try:
        replace_file(path, text + "\n")
    except OSError as error:
        raise OptionError(f"--json {path}: cannot be written ({error.strerror}); name a file elsewhere") from None


def lines_of(dataset: Dataset, found: DataAudit) -> Iterator[str]:
    """The audit for a reader: facts by task, then findings, then what they come to."""
    yield f"{safe(str(dataset.root))}: {dataset.kind} data, digest {dataset.digest[:12]}"
    for task, facts in found.facts.items():
        yield f"{task}: {clips_line(facts)}"
        yield f"  gold {shares(facts['gold'])}; adversarial texts say {shares(facts['text_labels'])}"
        words = [word for leak in found.leaks or () if leak.task == task and (word := leak_words(leak.to_json()))]
        if words:
            yield f"  from words alone (AUROC, 0.5 is chance): {', '.join(words)}"
    if found.leaks is None:
        yield f"what words alone give away was not measured: {NO_LIBRARY}"
    for one in found.findings:
        yield f"{'MISLEADS' if one.misleads else 'note    '}  {safe(one.message, 600)}"
    bad = len(found.misleading)
    yield f"{count(bad, 'finding')} can mislead" if bad else "nothing found that can mislead"


def shares(counts: Mapping[str, int]) -> str:
    """Labels with their counts, the most frequent first."""
    if not counts:
        return "no known label"
    shown = [f"{safe(label, 40)} {number}" for label, number in list(counts.items())[:LABELS_SHOWN]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more labels" if more else "")


def leak_words(leak: Mapping[str, Any]) -> str:
    """``gold from question 0.49 [.33,.64]``; empty where it does not exist."""
    if leak["auroc"] is None:
        return ""
    interval = f"[{figure(leak['low'])},{figure(leak['high'])}]"
    return f"{leak['name'].replace('_', ' ')} {figure(leak['auroc'])} {interval}"
