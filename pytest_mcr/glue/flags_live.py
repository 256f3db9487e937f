"""The flag of what is printed while a run goes on."""

from __future__ import annotations

from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import switch

LIVE = (
    Option(
        "--mcr-quiet",
        "",
        "while the run goes on, print nothing but pytest's own letters: no live table on a terminal, no line now and "
        "then elsewhere",
        switch,
        False,
        alone=True,
    ),
)
