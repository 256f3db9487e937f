"""The flags of report files."""

from __future__ import annotations

from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import folder, integer

REPORT = (
    Option(
        "--mcr-html",
        "FILE",
        'write one HTML file with everything, to read and to listen to; needs pip install "pytest-mcr[report]" '
        "(default: none)",
        folder,
    ),
    Option(
        "--mcr-html-clips",
        "N",
        "clips inside of that file: of the N samples that a text turned from the surest right answers (default 12); "
        "the others are links to the dataset",
        integer(0),
        12,
    ),
    Option(
        "--mcr-markdown",
        "FILE",
        "write a Markdown report, short enough for a comment on a pull request; it is also appended to the file that "
        "$GITHUB_STEP_SUMMARY names (default: none)",
        folder,
    ),
)
