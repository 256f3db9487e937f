"""What a run is held against besides its gates: the baseline that was named, and the waivers that lie about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mcr.run.conclude import protocol_of

if TYPE_CHECKING:
    from pytest_mcr.run.references import Against
    from pytest_mcr.run.run import Run
    from pytest_mcr.run.settings import Settings

WAIVERS: Final = "waivers.toml"


def against_of(settings: Settings, run: Run, folders: Sequence[Path], today: date) -> Against | None:
    """Read the baseline and the waivers before anything is measured; None where there is neither.

    Args:
        settings: the run's options.
        run: its design.
        folders: where a file of waivers may lie; the first that has one counts.
        today: in UTC.

    Raises:
        OptionError: a file that cannot be read or is refused.
    """
    waivers = next((folder / WAIVERS for folder in folders if (folder / WAIVERS).is_file()), None)
    if settings.baseline is None and waivers is None:
        return None
    from pytest_mcr.core.waivers import read_waivers  # statistics are imported only where they are asked for
    from pytest_mcr.run.references import Against, asked, read_references

    found = () if waivers is None else read_waivers(waivers, today)
    if settings.baseline is None:
        return Against(waivers=found, today=today)
    references, planned = read_references(settings.baseline, today)
    cases = ((case.sample.task, case.sample.id, case.condition) for case in run.cases)
    now = asked(run.dataset.digest, protocol_of(settings, run.dataset), cases)
    return Against(references, settings.margin, planned, now, found, today)
