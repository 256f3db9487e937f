"""The first 60 seconds after a red run: nine points in a fixed order, as plain text for every kind of report.

Each line is one line of printable text of bounded length; whoever renders it escapes what its format obeys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.gates import FAIL, UNDECIDED, GateResult
from pytest_mcr.report.clip_words import clip_rows
from pytest_mcr.report.diagnosis_words import changed_lines, repair_lines, where_lines
from pytest_mcr.report.gate_words import distance_sentence, gate_of, gate_remark, ordered
from pytest_mcr.report.rerun import folded, repair_command, rerun_command
from pytest_mcr.report.sentences import headline
from pytest_mcr.report.trust_words import trust_rows
from pytest_mcr.report.waiver_words import waiver_blocks, waiver_lines
from pytest_mcr.report.wording import count, safe
from pytest_mcr.run.record import RunRecord

GATES_SHOWN: Final = 8
REASONS_SHOWN: Final = 6
COMMAND_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Point:
    """One of the nine points.

    Attributes:
        number: from 1.
        title: two to five words.
        lines: plain text; a line that begins with two spaces belongs to the last one that does not.
        code: lines to copy as they stand, a command or TOML; empty where there is nothing to copy.
    """

    number: int
    title: str
    lines: tuple[str, ...]
    code: tuple[str, ...] = ()


def first_minute(record: RunRecord) -> tuple[Point, ...]:
    """The nine points of a run, green ones included; the same record gives the same points."""
    return (
        Point(1, "Verdict", tuple(verdict_lines(record))),
        Point(2, "Model or tool?", tuple(trust_lines(record))),
        Point(3, "Decided or luck?", tuple(luck_lines(record))),
        Point(4, "What changed?", tuple(changed_lines(record))),
        Point(5, "Where?", tuple(where_lines(record))),
        Point(6, "Listen to these clips", tuple(clip_lines(record))),
        rerun_point(record),
        repair_point(record),
        Point(9, "How to waive", tuple(waiver_lines(record)), tuple(waiver_blocks(record))),
    )


def is_red(record: RunRecord) -> bool:
    """Whether somebody has to look."""
    return record.judgement.verdict in ("fail", "invalid")


def verdict_lines(record: RunRecord) -> Iterator[str]:
    """The verdict with the number of clips that must change, and reasons that no gate tells."""
    verdict = headline(record)
    yield f"{verdict.word}: {verdict.sentence}"
    yield from verdict.reasons[:REASONS_SHOWN]
    if len(verdict.reasons) > REASONS_SHOWN:
        yield f"and {len(verdict.reasons) - REASONS_SHOWN} more reasons in results.json"


def trust_lines(record: RunRecord) -> Iterator[str]:
    """What speaks for the model or for the tool."""
    name = ""
    for label, text in trust_rows(record):
        name = label or name
        yield f"{name}: {text}"


def luck_lines(record: RunRecord) -> Iterator[str]:
    """How far each failed gate is from passing and whether luck may decide it; the undecided ones apart."""
    table = record.judgement.table
    failed = [gate for gate in ordered(record.judgement.gates) if gate.verdict == FAIL]
    unsettled = [gate for gate in record.judgement.gates if gate.verdict == UNDECIDED]
    for gate in failed[:GATES_SHOWN]:
        yield f"FAIL {distance_sentence(gate, table)}{luck(gate)}"
    for gate in unsettled[:GATES_SHOWN]:
        yield f"UNDECIDED {safe(gate.expr)}: {gate_remark(gate, table)}"
    left = max(len(failed) - GATES_SHOWN, 0) + max(len(unsettled) - GATES_SHOWN, 0)
    if left:
        yield f"and {count(left, 'more gate')} in results.json"
    if not failed and not unsettled:
        judged = record.judgement.gates
        yield "no gate failed and none is undecided" if judged else "no gate was judged"


def luck(result: GateResult) -> str:
    """Whether the interval of a failed gate's number reaches its threshold."""
    gate = gate_of(result)
    if gate is None or result.low is None or result.high is None:
        return ""
    reaches = gate.holds(result.high if gate.upward else result.low)
    return "; its 95 % interval reaches the threshold, so luck may decide" if reaches else "; beyond luck"


def clip_lines(record: RunRecord) -> Iterator[str]:
    """The clips to listen to, with texts and answers."""
    if not record.examples:
        yield "no answer that was right from the audio alone was turned by an adversarial text"
        return
    yield "right from the audio alone, turned by the text; surest first"
    for example in record.examples:
        lines: list[str] = []
        for label, text in clip_rows(example):
            if label:
                lines.append(f"{'  ' * label.startswith(' ')}{label.strip()}: {text}")
            else:
                lines[-1] += f" {text}"
        yield from lines


def rerun_point(record: RunRecord) -> Point:
    """The command that asks about these clips again."""
    words = rerun_command(record)
    if words is None:
        return Point(7, "Run them again", ("no clip to run again",))
    return Point(7, "Run them again", (), tuple(folded(words, COMMAND_WIDTH).split("\n")))


def repair_point(record: RunRecord) -> Point:
    """Which repair arm would meet every gate, or how to learn it."""
    lines, asked = repair_lines(record)
    command = folded(repair_command(record), COMMAND_WIDTH).split("\n") if asked else ()
    return Point(8, "Which repair would pass?", tuple(lines), tuple(command))
