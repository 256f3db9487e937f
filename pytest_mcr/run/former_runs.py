"""The runs that lie beside this one, under ``.mcr/runs``."""

from __future__ import annotations

from pathlib import Path


def newest_first(runs: Path) -> list[Path]:
    """What a folder of runs holds, the newest first: names begin with the time. Nothing where it cannot be read.

    Args:
        runs: with one folder a run, and whatever else lies there.
    """
    try:
        return sorted(runs.iterdir(), reverse=True)
    except OSError:
        return []
