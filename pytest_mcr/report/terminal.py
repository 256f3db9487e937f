"""The summary at the end of a run, for a reader with one minute: verdict first, then why, where and what to do.

Everything is plain words and ASCII rules (foreign text aside); colour repeats and never adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.metrics import conflict_errors_per_1000
from pytest_mcr.core.signatures import signatures
from pytest_mcr.report.clip_words import clip_rows
from pytest_mcr.report.engine_words import pace_line, resumable
from pytest_mcr.report.gate_words import is_comparison
from pytest_mcr.report.number_words import LEGEND
from pytest_mcr.report.rerun import folded, rerun_command
from pytest_mcr.report.sentences import (
    MEASURED,
    NOT_COMPARABLE,
    WAIVED_WORD,
    headline,
    prevalence_sentence,
    signature_word,
    title,
    unheard,
)
from pytest_mcr.report.terminal_awareness import awareness
from pytest_mcr.report.terminal_baseline import baseline
from pytest_mcr.report.terminal_calibration import calibration
from pytest_mcr.report.terminal_confidence import confidence
from pytest_mcr.report.terminal_dominance import dominance
from pytest_mcr.report.terminal_first import HEAD, commands, first_rows, first_waiver
from pytest_mcr.report.terminal_mitigation import mitigation
from pytest_mcr.report.terminal_tables import gates_grid, grid, robustness_grid, task_grids
from pytest_mcr.report.trust_words import trust_rows
from pytest_mcr.report.wording import UNSURE, spelled
from pytest_mcr.run.record import RunRecord

NARROWEST: Final = 60
REASONS_SHOWN: Final = 6
WORD_STYLES: Final = {
    "PASS": "bold green",
    WAIVED_WORD: "bold yellow",
    MEASURED: "bold",
    "FAIL": "bold red",
    "UNDECIDED": "bold yellow",
    "INVALID": "bold magenta",
    "PARTIAL": "bold yellow",
}


def summary(record: RunRecord, *, width: int, color: bool) -> list[str]:
    """Render the summary of a run.

    Args:
        record: the run.
        width: columns of the terminal; below 60 the lines are as for 60.
        color: whether to add ANSI colours.

    Returns:
        Lines without line ends. The same record gives the same lines, whatever the environment.
    """
    return printed(parts(record, max(width, NARROWEST)), width=width, color=color)


def printed(body: Iterable[RenderableType], *, width: int, color: bool) -> list[str]:
    """Print parts to lines without line ends.

    Args:
        body: what to print.
        width: columns; below 60 the lines are as for 60.
        color: whether to add ANSI colours.
    """
    console = Console(
        file=StringIO(),
        width=max(width, NARROWEST),
        height=100,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        force_jupyter=False,
        _environ={},
    )
    with console.capture() as capture:
        for part in body:
            console.print(part, soft_wrap=isinstance(part, Command))
    return [line.rstrip() for line in capture.get().rstrip().split("\n")]


class Command(Text):
    """Text that is to be copied: never broken by us."""


def parts(record: RunRecord, width: int) -> Iterator[RenderableType]:
    """The sections in the order in which they are read."""
    yield from opening(record)
    yield from section("Model or tool?", trust(record))
    yield from section(HEAD, first(record))
    yield from section("Gates", gates(record))
    yield from section("Against earlier runs", baseline(record))
    yield from section("Numbers by task and condition", numbers(record, width))
    yield from section("Modal Robustness Score (MRS, 1 is best)", robustness(record))
    yield from section("Failure signatures", failure_signatures(record))
    yield from section("Confidence", confidence(record))
    yield from section("Calibration head", calibration(record))
    yield from section("Text dominance", dominance(record))
    yield from section("Awareness", awareness(record))
    yield from section("Mitigation", mitigation(record))
    yield from section("Listen to these first", clips(record))
    yield from section("Next", following_steps(record, width))


def section(name: str, body: Iterable[RenderableType]) -> Iterator[RenderableType]:
    """A heading and its body; nothing where the body is empty."""
    body = list(body)
    if body:
        yield Text("")
        yield Text(name, style="bold underline")
        yield from body


def pairs(rows: Iterable[tuple[str | Text, str | Text]]) -> RenderableType:
    """Labels on the left, text on the right that wraps in its own column."""
    table = grid("", "")
    table.show_header = False
    table.columns[0].no_wrap = True
    for label, text in rows:
        table.add_row(label if isinstance(label, Text) else Text(label), text if isinstance(text, Text) else Text(text))
    return Padding(table, (0, 0, 0, 2))


def opening(record: RunRecord) -> Iterator[RenderableType]:
    """Title, verdict, reasons."""
    head = f"pytest-mcr: {title(record)}"
    yield Text(head, style="bold")
    if record.dataset["kind"] != "release":
        yield Text(NOT_COMPARABLE)
    yield Text("")
    verdict = headline(record)
    yield Text.assemble((verdict.word, WORD_STYLES[verdict.word]), f": {verdict.sentence}")
    shown = verdict.reasons[:REASONS_SHOWN]
    for reason in shown:
        yield pairs([("-", reason)])
    if len(verdict.reasons) > len(shown):
        yield Text(f"  - and {len(verdict.reasons) - len(shown)} more reasons in results.json")


def trust(record: RunRecord) -> Iterator[RenderableType]:
    """Whether the numbers speak about the model or about the tool."""
    yield pairs(trust_rows(record))


def first(record: RunRecord) -> Iterator[RenderableType]:
    """What a red run is asked next."""
    rows = list(first_rows(record))
    if rows:
        yield pairs(rows)


def gates(record: RunRecord) -> Iterator[RenderableType]:
    """The gates that were judged."""
    if any(not is_comparison(gate) for gate in record.judgement.gates):
        yield Padding(gates_grid(record.judgement), (0, 0, 0, 2))


def numbers(record: RunRecord, width: int) -> Iterator[RenderableType]:
    """The blocks of the tasks with what explains them."""
    table = record.judgement.table
    if not table.conditions:
        return
    yield from task_grids(table, width)
    yield Text(LEGEND)
    for doubt in unheard(record):
        yield Text(
            f"{UNSURE} {doubt}: right answers there may not come from the audio, so what a text takes away "
            "means nothing."
        )


def robustness(record: RunRecord) -> Iterator[RenderableType]:
    """MRS, and what conflict costs in service."""
    table = record.judgement.table
    block = robustness_grid(table)
    if block is not None:
        yield Padding(block, (0, 0, 0, 2))
    prevalence = record.settings["prevalence"]
    if table.conditions and isinstance(prevalence, (int, float)):
        sentence = prevalence_sentence(record, conflict_errors_per_1000(float(prevalence), table))
        yield Padding(Text(sentence), (0, 0, 0, 2))


def failure_signatures(record: RunRecord) -> Iterator[RenderableType]:
    """The paper's three signatures."""
    table = record.judgement.table
    if table.conditions:
        yield pairs((signature_word(found, record), f"{found.name}: {found.detail}") for found in signatures(table))


def clips(record: RunRecord) -> Iterator[RenderableType]:
    """The clips that a person should hear before believing any of this."""
    if record.examples:
        yield Text("  right from the audio alone, turned by the text; surest first")
    for example in record.examples:
        yield pairs(clip_rows(example))


def following_steps(record: RunRecord, width: int) -> Iterator[RenderableType]:
    """The command that asks about these clips again, and where everything is."""
    pace = pace_line(record)
    if pace is not None:
        yield Text(f"  {pace}")
    if resumable(record):
        yield Text("  the same command again goes on from here: what was answered is in the cache")
    command = rerun_command(record)
    if command is not None:
        yield Text("  rerun these clips:")
        yield Command(f"  {folded(command, width - 2)}")
    for head, words in commands(record):
        yield Text(f"  {head}")
        yield Command(f"  {folded(words, width - 2)}")
    waiver = first_waiver(record)
    if waiver:
        yield Text("  waive the farthest gate, in waivers.toml:")
        yield from (Command(f"  {line}") for line in waiver)
    if record.settings.get("html"):
        yield Command(f"  report: {spelled(str(record.settings['html']))}")
    if record.out is not None:
        yield Command(f"  results: {spelled(str(record.out / 'results.json'))}, with cases.jsonl beside it")
