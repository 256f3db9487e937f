"""The Markdown report: the first minute, then gates and numbers; short enough for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pytest_mcr.core.gates import PASS
from pytest_mcr.core.metrics import OVERALL, Table, conflict_errors_per_1000
from pytest_mcr.report.first_minute import Point, first_minute, is_red
from pytest_mcr.report.gate_words import gate_remark, ordered, row_of
from pytest_mcr.report.markdown_text import bullets, code_block, details, inline, table
from pytest_mcr.report.number_words import LEGEND, remarks, robustness_rows, task_rows
from pytest_mcr.report.sentences import NOT_COMPARABLE, headline, prevalence_sentence, title
from pytest_mcr.report.wording import NOTHING, with_interval
from pytest_mcr.run.record import RunRecord

BYTES: Final = 60_000
"""Longest report; a comment on GitHub holds 65,536 characters."""
GATES_SHOWN: Final = 100
FOLDED: Final = (6, 9)
"""Points that are folded in a red run: clips and waivers take many lines."""

Section = tuple[str, list[str]]
"""What it is called where it is left out, and its lines."""


def markdown(record: RunRecord) -> str:
    """The report, at most `BYTES` long in UTF-8; the same record gives the same bytes.

    Sections that do not fit are left out, and the report ends by saying which.
    """
    told, size, left_out = [], 0, []
    for name, lines in sections(record):
        text = "\n".join(lines) + "\n"
        length = len(text.encode("utf-8", "backslashreplace")) + 1
        if size + length > BYTES:
            left_out.append(name)
            continue
        told.append(text)
        size += length
    if left_out:
        shown = ", ".join(left_out[:10]) + (", ..." if len(left_out) > 10 else "")
        told.append(f"{inline(f'Left out for length, see results.json: {shown}')}\n")
    return "\n".join(told)


def sections(record: RunRecord) -> Iterator[Section]:
    """The sections in the order in which they are read."""
    yield "head", head(record)
    points = first_minute(record)
    if is_red(record):
        for point in points:
            yield point.title, point_lines(point, folded=point.number in FOLDED)
    else:
        yield points[0].title, point_lines(points[0], folded=False)
        for point in points[1:]:
            yield point.title, point_lines(point, folded=True)
    yield from gates(record)
    yield from numbers(record)
    yield "provenance", provenance(record)


def head(record: RunRecord) -> list[str]:
    """Title, verdict and what the numbers must not be compared with."""
    lines = [f"## pytest-mcr: {headline(record).word}", "", f"**{inline(title(record))}**"]
    return lines if record.dataset["kind"] == "release" else [*lines, "", inline(NOT_COMPARABLE)]


def point_lines(point: Point, *, folded: bool) -> list[str]:
    """One of the nine points."""
    name = f"{point.number}. {point.title}"
    lines = bullets(point.lines)
    if point.code:
        language = "toml" if point.code[0].startswith("[[") else "sh"
        lines += [""] * bool(lines) + code_block(point.code, language)
    return details(f"<b>{name}</b>", lines) if folded else [f"**{name}**", "", *lines]


def gates(record: RunRecord) -> Iterator[Section]:
    """Every gate, what blocks first."""
    judgement = record.judgement
    results = ordered(judgement.gates)
    if not results:
        return
    rows = []
    for result in results[:GATES_SHOWN]:
        row = row_of(result, judgement.table)
        word = result.verdict.replace("_", " ")
        shown = with_interval(result.value, result.low, result.high)
        value = shown if row is not None or result.value is None else f"{result.value:g}"
        rows.append(
            (
                word if result.verdict == PASS else word.upper(),
                result.expr,
                value,
                NOTHING if row is None else str(row.n),
                gate_remark(result, judgement.table),
            )
        )
    more = len(results) - len(rows)
    after = ["", f"and {more} more in results.json"] if more else []
    yield "Gates", ["### Gates", "", *table(("", "gate", "value [95 %]", "n", ""), rows), *after]


def numbers(record: RunRecord) -> Iterator[Section]:
    """The numbers by task and condition: the mean over tasks first, each task folded."""
    measured = record.judgement.table
    if not measured.conditions:
        return
    tasks = (OVERALL, *measured.tasks) if len(measured.tasks) > 1 else measured.tasks
    yield "Numbers", ["### Numbers by task and condition", "", *block(measured, tasks[0])]
    for task in tasks[1:]:
        yield f"numbers of {task}", details(task, block(measured, task))
    yield "Modal Robustness Score", robustness(record)
    yield "legend", [f"<sub>{inline(LEGEND)}</sub>"]


def block(measured: Table, task: str) -> list[str]:
    """One task's table with what must stand beside it."""
    rows = task_rows(measured, task)
    notes = bullets(remarks(measured, task))
    return [*table(rows[0], rows[1:]), *([""] * bool(notes)), *notes]


def robustness(record: RunRecord) -> list[str]:
    """MRS by task, and what conflict costs in service."""
    measured = record.judgement.table
    rows = robustness_rows(measured)
    lines = [*table(("", "MRS [95 %]", "uncapped", "n"), rows), ""] if rows else []
    prevalence = record.settings["prevalence"]
    if isinstance(prevalence, (int, float)):
        lines.append(inline(prevalence_sentence(record, conflict_errors_per_1000(float(prevalence), measured))))
    return ["### Modal Robustness Score (1 is best)", "", *lines]


def provenance(record: RunRecord) -> list[str]:
    """Which run this was."""
    versions = record.run.get("versions")
    known = [f"{name} {number}" for name, number in versions.items()] if isinstance(versions, dict) else []
    parts: Sequence[str] = [
        f"run {record.run['id']}",
        f"seed {record.run['seed']}",
        f"fingerprint {str(record.model.get('fingerprint'))[:200]}",
        f"dataset digest {record.dataset['digest']}",
        *known,
    ]
    return [f"<sub>{inline('; '.join(parts))}</sub>"]
