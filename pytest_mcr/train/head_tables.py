"""The rows of a calibration head's study as tables of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def markdown(rows: Sequence[Row]) -> str:
    """All tables, one a kind of row."""
    parts = []
    for target in ("correctness", "conflict"):
        mine = [row for row in rows if row.get("target") == target and "measure" in row and "temperature" in row]
        if mine:
            parts.append(f"target {target}\n\n{_measures(mine)}")
        probed = [row for row in rows if row.get("target") == target and "probe" in row]
        if probed:
            parts.append(
                f"target {target}, with the logit of a probe at layer {probed[0]['layer']}\n\n{_probed(probed)}"
            )
    rare = [row for row in rows if "prevalence" in row]
    if rare:
        parts.append(
            f"conflict at other prevalences (test cases reweighted, the head's log-odds shifted)\n\n{_rare(rare)}"
        )
    rules = [row for row in rows if row.get("where") == "robustness"]
    if rules:
        parts.append(f"answer from branch A when the conflict head fires\n\n{_rules(rules)}")
    notes = [f"{row['target']}, {row['where']}: not measured ({row['note']})" for row in rows if "note" in row]
    return "\n\n".join([*parts, *notes])


def number(value: float | None) -> str:
    """Three digits, a dash where undefined."""
    return "-" if value is None else f"{value:.3f}"


def change(row: Row, key: str = "difference") -> str:
    """A difference with its interval."""
    if row[key] is None:
        return "-"
    ends = "" if row["low"] is None else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"{row[key]:+.3f}{ends}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def _measures(rows: Sequence[Row]) -> str:
    head = ("where", "condition", "measure", "raw", "temperature", "head", "head - temperature [95 %]", "n")
    return table(
        head,
        [
            (
                row["where"], row["condition"], row["measure"], number(row["raw"]), number(row["temperature"]),
                number(row["head"]), change(row), str(row["n"]),
            )
            for row in rows
        ],
    )  # fmt: skip


def _probed(rows: Sequence[Row]) -> str:
    head = ("where", "condition", "measure", "without", "with", "with - without [95 %]", "n")
    return table(
        head,
        [
            (
                row["where"], row["condition"], row["measure"], number(row["head"]), number(row["probe"]), change(row),
                str(row["n"]),
            )
            for row in rows
        ],
    )  # fmt: skip


def _rare(rows: Sequence[Row]) -> str:
    head = ("conflicts", "measure", "base rate", "head", "head - base rate [95 %]", "recall", "precision")
    return table(
        head,
        [
            (
                f"{row['prevalence']:.0%}", row["measure"], number(row["base_rate"]), number(row["head"]), change(row),
                number(row["recall"]), number(row["precision"]),
            )
            for row in rows
        ],
    )  # fmt: skip


def _rules(rows: Sequence[Row]) -> str:
    head = ("rule", "condition", "J alone", "rule's accuracy", "change [95 %]", "fired", "n")
    return table(
        head,
        [
            (
                row["rule"], row["condition"], number(row["joint"]), number(row["accuracy"]), change(row, "change"),
                number(row["fired"]), str(row["n"]),
            )
            for row in rows
        ],
    )  # fmt: skip
