"""The flags of a comparison with an earlier run."""

from __future__ import annotations

from pytest_mcr.core.margins import MACRO_MARGIN, TASK_MARGIN, Margins, parse_margins
from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import folder

GATING = (
    Option(
        "--mcr-baseline",
        "PATH",
        "an earlier run's results.json (or its folder) that the model must not be worse than, cell by cell on the same "
        "cases; or a file of blessings (python -m pytest_mcr bless): its last run and its oldest anchor",
        folder,
    ),
    Option(
        "--mcr-margin",
        "X",
        f"accuracy that may be lost against the baseline: one number, or macro=X,task=Y (default "
        f"macro={MACRO_MARGIN:g},task={TASK_MARGIN:g})",
        parse_margins,
        Margins(),
    ),
)
