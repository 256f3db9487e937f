"""The flags of how much is asked: tiers, their plan, and stopping early."""

from __future__ import annotations

from pytest_mcr.core.tiers import TIERS
from pytest_mcr.glue.option import Option
from pytest_mcr.glue.values import one_of, switch

SEQUENTIAL = (
    Option(
        "--mcr-tier",
        "smoke|gate|full",
        "size of the run, each a part of the next: smoke (40 samples a task, a quick look), gate (200, what gates "
        "need) or full (all); in place of --mcr-limit",
        one_of(*TIERS),
    ),
    Option(
        "--mcr-early-stop",
        "",
        "end the run as soon as all gates are sure to pass, or one to fail, by tests that hold at every stopping time; "
        "the result is marked sequential, has wider intervals and is no baseline; runs the benchmark alone",
        switch,
        False,
        alone=True,
    ),
    Option(
        "--mcr-plan",
        "",
        "print what each tier (or the one of --mcr-tier) would ask, can tell apart and takes, and run nothing",
        switch,
        False,
        alone=True,
    ),
)
