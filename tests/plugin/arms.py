"""What the tests of the mitigation suite share: its words, and the numbers of a run by repair arm."""

from __future__ import annotations

from typing import Any

from tests.plugin.conftest import Ran

SUITE = "--mcr-suite=mitigation"
REPORT = "--mcr-profile=report"
FOLLOWER = "oracle:text-follower"
GACL = "gacl?lambda=1"


def arms(ran: Ran, metric: str, condition: str | None = None, task: str = "*") -> dict[str, dict[str, Any]]:
    return {
        row["arm"]: row
        for row in ran.results["metrics"]
        if "arm" in row and (row["metric"], row["condition"], row["task"]) == (metric, condition, task)
    }


def values(ran: Ran, metric: str, condition: str | None = None) -> dict[str, Any]:
    return {arm: row["value"] for arm, row in arms(ran, metric, condition).items()}
