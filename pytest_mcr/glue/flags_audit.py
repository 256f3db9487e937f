"""The flag of the dataset audit in a run."""

from __future__ import annotations

from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import one_of

AUDIT = (
    Option(
        "--mcr-audit",
        "warn|strict",
        "what a dataset's flaws do: warn (default: the manifest's are in results.json), or strict: clips and wording "
        "are looked at, too, and where something can mislead nothing is asked and the run is INVALID",
        one_of("warn", "strict"),
        "warn",
    ),
)
