"""The flag of the awareness suite: what hidden states know about a conflict."""

from __future__ import annotations

from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import integer

AWARENESS = (
    Option(
        "--mcr-awareness-samples",
        "N",
        "awareness suite (--mcr-suite awareness): clips a task whose texts are exchanged, the first of a seeded order "
        "(default 200)",
        integer(1),
        200,
    ),
)
