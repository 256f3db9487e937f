"""The summary's part on text dominance: relations, what each edit turns, the mildest texts found, curves by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from pytest_mcr.core.metrics import OVERALL, Metric, Table
from pytest_mcr.report.number_words import cell, own_note
from pytest_mcr.report.terminal_tables import grid
from pytest_mcr.report.word_diff import IN, KEPT, OUT, word_diff
from pytest_mcr.report.wording import NOTHING, count, figure, safe, with_interval
from pytest_mcr.run.record import RunRecord

PREFIX: Final = "dominance."
RELATIONS: Final = (
    ("an irrelevant text turns a right answer", "irrelevant_flip"),
    ("  a varied one does", "irrelevant_edit_flip"),
    ("a true text breaks a right answer", "faithful_break"),
    ("a false text turns an answer heard for sure", "strong_audio_flip"),
    ("harmless edits change nothing", "edit_consistency"),
    ("text before or after the question: alike", "position_consistency"),
    ("options in another order: alike", "order_consistency"),
    ("a warning raises following by", "warning_excess"),
    ("  and breaks true texts by", "warning_cost"),
    ("a denied or quoted label is followed", "denied_follow"),
    ("over a clip of which it is true the text is followed", "swap_follow"),
    ("silence in the clip's place is answered otherwise", "silence_difference"),
    ("an order in the text adds to following", "injection_excess"),
    ("another language adds to following", "language_excess"),
    ("one label is followed more than the other by", "label_asymmetry"),
)
FUSION: Final = (
    ("margin of the audio alone, nats", "margin_audio"),
    ("margin with the adversarial text, nats", "margin_joint"),
    ("heard and kept", "robust"),
    ("heard and given up for the text", "repairable"),
    ("never heard", "unheard"),
    ("Shapley value of the audio, nats", "phi_audio"),
    ("Shapley value of the text, nats", "phi_text"),
    ("the text's share", "text_share"),
    ("  without any audio instead of silence", "text_share_none"),
    ("text preference ratio (TPR)", "tpr"),
    ("balance point (relative uncertainty)", "balance_point"),
)
EDITS_SHOWN: Final = 12
FINDINGS_SHOWN: Final = 3
TEXT_LIMIT: Final = 240


def dominance(record: RunRecord) -> Iterator[RenderableType]:
    """Everything that the suite found; nothing where it did not run."""
    table = record.judgement.table
    yield from _numbers(table, RELATIONS, "relation")
    margin = table.get(f"{PREFIX}margin_joint")
    if margin is not None and not margin.n:
        skipped = ", ".join(words.strip() for words, _ in FUSION)
        yield Padding(Text(f"no scores of the candidates, so these are skipped: {skipped}"), (0, 0, 1, 2))
    else:
        yield from _numbers(table, FUSION, "audio against text")
    yield from _edits(table)
    yield from _findings(record.probes)
    yield from _layers(record.layers())


def _numbers(table: Table, names: Sequence[tuple[str, str]], head: str) -> Iterator[RenderableType]:
    rows = [(words, row) for words, name in names if (row := table.get(PREFIX + name)) is not None]
    if not rows:
        return
    block = grid(head, "value [95 %]", "n", "")
    for words, row in rows:
        block.add_row(words, cell(row), str(row.n), Text(safe(own_note(row), 60) if row.value is None else ""))
    yield Padding(block, (0, 0, 1, 2))


def _edits(table: Table) -> Iterator[RenderableType]:
    """Share of heard clips whose answer the adversarial text turns, as it is and by edit; the strongest first."""
    flips = [row for row in table if row.metric == f"{PREFIX}flip" and row.task == OVERALL and row.value is not None]
    rows = [row for row in flips if ":" not in _edit(row)]  # all levels of an operator together
    if not rows:
        return
    base = [row for row in rows if row.extra["operator"] == "none"]
    others = sorted((row for row in rows if row not in base), key=lambda row: (-float(row.value or 0), _edit(row)))
    block = grid("the adversarial text, edited", "turns a right answer [95 %]", "n")
    for row in (*base, *others[:EDITS_SHOWN]):
        name = "as it is" if row in base else _edit(row)
        block.add_row(name, with_interval(row.value, row.low, row.high), str(row.n))
    yield Padding(block, (0, 0, 0, 2))
    if len(others) > EDITS_SHOWN:
        yield Text(f"  and {len(others) - EDITS_SHOWN} weaker operators, and every level, in results.json")


def _edit(row: Metric) -> str:
    return str(row.extra["operator"])


def _findings(probes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[RenderableType]:
    """The search: how many clips have a text that turns them, and the mildest texts."""
    hunted = [probes["hunted"][name] for name in sorted(probes.get("hunted", {}))]
    if not hunted:
        return
    found = [finding for one in hunted for finding in one["findings"]]
    searched = [one for one in hunted if one["refused"] is None]
    cut = sum(bool(one["truncated"]) for one in hunted)
    yield Text("")
    yield Text(
        f"  search: {count(len(found), 'clip')} of {len(searched)} turned by a text, "
        f"{sum(one['calls'] for one in hunted)} texts asked" + (f", {cut} truncated" if cut else "")
    )
    again = sum(len(one["replayed"]) for one in hunted)
    healed = sum(len(one["healed"]) for one in hunted)
    if again or healed:
        yield Text(f"  {count(again, 'former finding')} turned the answer again" + f", {healed} did not" * bool(healed))
    for one in hunted:
        if one["refused"] is not None:
            yield Text(f"  {safe(str(one['id']))}: not searched: {safe(str(one['refused']), TEXT_LIMIT)}")
    found.sort(key=lambda finding: (len(finding["operators"]), finding["sample"]))
    for finding in found[:FINDINGS_SHOWN]:
        yield from _finding(finding)
    if len(found) > FINDINGS_SHOWN:
        yield Text(f"  and {len(found) - FINDINGS_SHOWN} more in findings.jsonl")


def _finding(finding: Mapping[str, Any]) -> Iterator[RenderableType]:
    edits = ", ".join(map(str, finding["operators"])) or "the adversarial text as it is"
    yield Text(f"  {safe(str(finding['sample']))}  {safe(edits)}")
    yield Text(f"    {safe(str(finding['gold']))} -> {safe(str(finding['answer']))}: ", end="").append(
        _difference(str(finding["base"]), str(finding["text"]))
    )


def _difference(base: str, text: str) -> str:
    """A text with what was taken out of its base in [-...-] and what came in in {+...+}, as word diffs are written."""
    marks = {KEPT: "{}", OUT: "[-{}-]", IN: "{{+{}+}}"}
    return safe(" ".join(marks[kind].format(words) for kind, words in word_diff(base, text)), TEXT_LIMIT)


def _layers(rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Curves by layer, one line a metric and task; a sign a layer between the curve's least and largest value."""
    curves: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if "layer" in row and "draw" not in row:
            curves.setdefault((row["task"], row["metric"].removeprefix(PREFIX)), []).append(row)
    if not curves:
        return
    block = grid("task", "by layer, low to high", "", "first", "last", "n")
    for (task, metric), curve in curves.items():
        values = [row["value"] for row in curve]
        ends = figure(values[0]), figure(values[-1])
        block.add_row(safe(task), safe(metric), _spark(values), *ends, str(max(row["n"] for row in curve)))
    yield Padding(block, (1, 0, 0, 2))


BARS: Final = " .:-=+*#%@"
"""ASCII, from low to high: logs and old consoles have to show it."""


def _spark(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return NOTHING
    low, span = min(known), max(known) - min(known)
    scale = (len(BARS) - 2) / span if span > 0 else 0.0
    return "".join("?" if value is None else BARS[1 + round((value - low) * scale)] for value in values)
