"""Curves by layer as SVG: where in a local model the text wins over the audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mcr.report.results import replace_file
from pytest_mcr.report.sentences import model_name, title
from pytest_mcr.report.svg_chart import Series, line_chart
from pytest_mcr.run.record import RunRecord

CURVES: Final = (
    ("lens_audio", "lens, audio alone"),
    ("lens_joint", "lens, with the adversarial text"),
    ("knockout_text_all", "change by cutting the text off around the layer"),
    ("knockout_audio_all", "change by cutting the audio off around the layer"),
)
"""Metrics in nats of margin, and their names in the legend."""


def write(record: RunRecord, out: Path) -> None:
    """Write ``layers-TASK.svg`` for each task that was looked into.

    Raises:
        OSError: the folder cannot be written.
    """
    for task, text in charts(record).items():
        replace_file(out / f"layers-{task}.svg", text)


def charts(record: RunRecord, *, styled: bool = True) -> dict[str, str]:
    """The curves by task, of the tasks that have any."""
    rows, found = record.layers(), {}
    for task in sorted({row["task"] for row in rows}):
        own = [row for row in rows if row["task"] == task]
        text = svg(own, f"{model_name(record)}: {task}", title(record), styled=styled)
        if text is not None:
            found[task] = text
    return found


def svg(rows: Sequence[Mapping[str, Any]], name: str, about: str, *, styled: bool = True) -> str | None:
    """The curves of one task, None where nothing has a value by layer."""
    lines = [line for metric, words in CURVES if (line := _series(rows, f"dominance.{metric}", words)) is not None]
    if not lines:
        return None
    xs = [x for line in lines for x, _ in line.points]
    ys = [
        y for line in lines for y in (*(y for _, y in line.points), *(end for ends in line.ends for end in ends), 0.0)
    ]
    zero = Series("gold and text label alike", [(min(xs), 0.0), (max(xs), 0.0)], reference=True)
    return line_chart(
        [*lines, zero],
        title=f"{name}, margin of gold over the text's label by layer",
        subtitle=about,
        x_label="layer (0: embeddings)",
        y_label="nats",
        x_span=(min(xs), max(max(xs), min(xs) + 1)),
        y_span=(min(ys), max(max(ys), min(ys) + 1e-6)),
        styled=styled,
    )


def _series(rows: Sequence[Mapping[str, Any]], metric: str, words: str) -> Series | None:
    found = sorted(
        (row for row in rows if row["metric"] == metric and "layer" in row and row["value"] is not None),
        key=lambda row: int(row["layer"]),
    )
    if not found:
        return None
    ends = [(row["low"], row["high"]) for row in found]
    whole = all(low is not None and high is not None for low, high in ends)
    return Series(words, [(float(row["layer"]), row["value"]) for row in found], ends if whole else ())
