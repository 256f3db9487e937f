"""The support table of docs/adapters/families.md, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "adapters" / "families.md"


@dataclass(frozen=True)
class Row:
    """What the table says about a family."""

    class_name: str
    rate: str
    longest: str
    continued: str
    together: str
    evidence: str


def rows() -> dict[str, Row]:
    """The table's rows by family (``config.model_type``)."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 8:
            found[cells[0]] = Row(*cells[1:7])
    return found
