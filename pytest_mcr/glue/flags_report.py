"""The flags of report files."""

from __future__ import annotations

from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import folder

REPORT = (
    Option(
        "--mcr-markdown",
        "FILE",
        "write a Markdown report, short enough for a comment on a pull request; it is also appended to the file that "
        "$GITHUB_STEP_SUMMARY names (default: none)",
        folder,
    ),
)
