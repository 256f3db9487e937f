"""The HTML report: one file that needs nothing else, for a release manager and for who wants to hear the failures."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pytest_mcr.core.case import CONDITIONS
from pytest_mcr.core.metrics import conflict_errors_per_1000
from pytest_mcr.core.signatures import signatures
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import OptionError
from pytest_mcr.report import frontier, layer_chart, reliability
from pytest_mcr.report.first_minute import first_minute
from pytest_mcr.report.gate_words import gate_of, gate_remark, ordered, row_of
from pytest_mcr.report.html_audio import Clips
from pytest_mcr.report.html_cases import LETTERS, WORDS, cut, limit_of, rows_of
from pytest_mcr.report.html_findings import findings as hunted
from pytest_mcr.report.html_numbers import (
    SUITES,
    cell_of,
    every_row,
    repair_block,
    robustness_block,
    suite_blocks,
    task_blocks,
)
from pytest_mcr.report.number_words import LEGEND
from pytest_mcr.report.published import comparisons, others
from pytest_mcr.report.results import replace_in_parts
from pytest_mcr.report.sentences import NOT_COMPARABLE, headline, prevalence_sentence, signature_word, title
from pytest_mcr.report.wording import safe
from pytest_mcr.run.record import RunRecord

TEMPLATES: Final = Path(__file__).parent / "templates"
PAGE: Final = "report.html.j2"
BUFFERED: Final = 400
"""Pieces of the page that are written together."""
VALUE_LIMIT: Final = 600


@dataclass(frozen=True, slots=True)
class Material:
    """What the report shows beyond the record.

    Attributes:
        cases: ``cases.jsonl``.
        turned: samples whose right answer the adversarial text took away, in the order of the run's examples.
        clips: how many of their clips are embedded.
    """

    dataset: Dataset
    cases: Path
    turned: Sequence[str]
    clips: int


def write(record: RunRecord, material: Material, target: Path) -> None:
    """Write the report in one atomic step, a sample at a time.

    Raises:
        OptionError: the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_in_parts(target, page(record, material, target.parent))
    except OSError as error:
        raise OptionError(f"--mcr-html {target}: cannot be written ({error.strerror}); give another file") from error


def page(record: RunRecord, material: Material, folder: Path) -> Iterator[str]:
    """The report in parts.

    Args:
        record: the run.
        material: the cases and their clips.
        folder: that links are relative to.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    stream = environment.get_template(PAGE).stream(**content(record, material, folder))
    stream.enable_buffering(BUFFERED)
    return stream


def content(record: RunRecord, material: Material, folder: Path) -> dict[str, Any]:
    """Everything that the template shows; the cases are read while it is rendered."""
    samples = {sample.id: sample for sample in material.dataset.samples}
    worst = [samples[name] for name in material.turned[: material.clips]]
    clips = Clips(material.dataset.root, folder, worst)
    ranks = {name: place for place, name in enumerate(material.turned, 1)}
    limit = limit_of(record.counts["cases"])
    style, script = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("report.css", "report.js"))
    return {
        "style": style,
        "script": script,
        "policy": policy(style, script),
        "synthetic": record.dataset.get("about"),
        "title": title(record),
        "verdict": headline(record),
        "points": first_minute(record),
        "listen": [(example, clips.of(example.sample)) for example in record.examples],
        "above": {example.sample.id for example in record.examples},
        "gates": gate_rows(record),
        "legend": LEGEND,
        "not_comparable": NOT_COMPARABLE,
        "comparisons": comparisons(record),
        "others": others(record),
        "conditions": [name for name in CONDITIONS if name in material.dataset.conditions],
        "letters": {str(verdict): letter for verdict, letter in LETTERS.items()},
        "words": WORDS,
        "tasks": sorted({sample.task for sample in samples.values()}),
        "rows": rows_of(material.cases, samples, clips, ranks, limit),
        "embedded": clips.embedded,
        "limit": limit,
        "counts": record.counts,
        "facts": list(facts(record)),
        "findings": findings(record),
        "cut": cut,
        **numbers(record),
    }


def numbers(record: RunRecord) -> dict[str, Any]:
    """The tables and charts."""
    table = record.judgement.table
    prevalence = record.settings["prevalence"]
    assert isinstance(prevalence, (int, float))
    measured = bool(table.conditions)
    hunt, found = hunted(record)
    suites = [(name, blocks) for suite, name in SUITES.items() if (blocks := suite_blocks(table, suite))]
    drawings = {"Confidence": [reliability.svg(record, styled=False)]}
    layers = layer_chart.charts(record, styled=False)
    return {
        "blocks": task_blocks(table),
        "robustness": robustness_block(table),
        "price": prevalence_sentence(record, conflict_errors_per_1000(prevalence, table)) if measured else "",
        "signatures": [(signature_word(found, record), found) for found in signatures(table)] if measured else [],
        "suites": [(name, blocks, charts(drawings.get(name, []))) for name, blocks in suites],
        "hunt": hunt,
        "hunted": found,
        "layers": charts(list(layers.values())),
        "repairs": repair_block(record),
        "frontier": charts([frontier.svg(record)]),
        "every": list(every_row(record)),
    }


def charts(drawn: Sequence[str | None]) -> list[Markup]:
    """Our own SVG, in which every foreign word is escaped already."""
    return [Markup(text) for text in drawn if text is not None]


def policy(style: str, script: str) -> str:
    """The page's content security policy: this style, this script, clips from the file or beside it, nothing else."""
    return (
        f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; img-src data:; "
        "media-src 'self' data: file:; base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """The hash by which a policy allows an inline text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def gate_rows(record: RunRecord) -> list[tuple[str, str, str, Any, int | None]]:
    """Every gate, what blocks first: verdict, expression, what is missing, number, n."""
    table = record.judgement.table
    rows = []
    for result in ordered(record.judgement.gates):
        row, gate = row_of(result, table), gate_of(result)
        cell = None if row is None or gate is None else cell_of(row, threshold=gate.threshold)
        alone = "-" if result.value is None else f"{result.value:g}"
        remark = gate_remark(result, table)
        rows.append((result.verdict, safe(result.expr), remark, cell or alone, None if row is None else row.n))
    return rows


def findings(record: RunRecord) -> list[str]:
    """What the audit of the dataset found."""
    found = record.audit.get("data", [])
    assert isinstance(found, (list, tuple))
    return [cut("; ".join(f"{key}: {value}" for key, value in finding.items()), VALUE_LIMIT) for finding in found]


def facts(record: RunRecord) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Where the run came from: sections of names and values."""
    run = {key: value for key, value in record.run.items() if key not in ("versions", "git", "argv", "notes")}
    argv = record.run.get("argv", ())
    assert isinstance(argv, (list, tuple))
    run["command"] = shlex.join(["pytest", *map(str, argv)])
    sections: Mapping[str, Any] = {
        "Run": run,
        "Model": record.model,
        "Dataset": record.dataset,
        "Protocol": record.protocol,
        "Versions": record.run.get("versions", {}),
        "Git": record.run.get("git", {}),
        "Settings": record.settings,
        "Time": record.timing,
    }
    for name, values in sections.items():
        yield name, list(flat(values))


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values with dotted names; what is None is left out."""
    for key, value in values.items():
        name = safe(f"{prefix}{key}", VALUE_LIMIT)
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)):
            if value:
                yield name, cut(", ".join(map(worded, value)), VALUE_LIMIT)
        elif value is not None:
            yield name, cut(worded(value), VALUE_LIMIT)


def worded(value: object) -> str:
    """A plain value as a reader writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
