"""The flags of the mitigation suite: which repairs are compared, and how their options are chosen."""

from __future__ import annotations

from pytest_mcr.core.repair_arms import parse_arm
from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import number, switch


def arm(text: str) -> str:
    """Accept a repair arm; the value is its canonical spelling."""
    return parse_arm(text).text


MITIGATION = (
    Option(
        "--mcr-mitigation",
        "ARM",
        "compare this repair, e.g. gacl?lambda=1&tau=0.5, hard-switch or prompt:audio-priority (repeatable; default in "
        "the mitigation suite: self-gated, pmi, contextual, aad, gacl; 'help' lists all); adds the suite",
        arm,
        (),
        repeat=True,
    ),
    Option(
        "--mcr-tune",
        "",
        "choose what a repair's options leave open on half of the clips and report on the other half only; adds the "
        "mitigation suite",
        switch,
        False,
        alone=True,
    ),
    Option(
        "--mcr-budget",
        "X",
        "largest drop of faithful accuracy that --mcr-tune may choose, as a share of the answers (default 0.05)",
        number(0, 1),
        0.05,
    ),
)
