"""A former run's ``cases.jsonl`` as outcomes again, with the facts of its ``results.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mcr.core.case import Observation, Outcome, Verdict
from pytest_mcr.data.results_file import CASES, read_cases, read_results, results_path
from pytest_mcr.errors import OptionError
from pytest_mcr.report.wording import safe
from pytest_mcr.run.observe import outcome_of


@dataclass(frozen=True, slots=True)
class FormerRun:
    """A run that was read again.

    Attributes:
        path: of ``results.json``.
        results: its content.
        outcomes: by (sample, condition); a clip that only one sample has is named by the path of its audio.
    """

    path: Path
    results: Mapping[str, Any]
    outcomes: dict[tuple[str, str], Outcome]

    @property
    def model(self) -> str:
        """The model as it was named."""
        return str(self.results["model"]["spec"])

    @property
    def doubt(self) -> str | None:
        """Why the run is no whole, valid one; None where it is."""
        verdict = self.results["verdict"]
        if self.results["run"].get("sequential"):
            return "the run stopped early (--mcr-early-stop); expected one over all cases"
        if verdict in ("pass", "fail"):
            return None
        reasons = "; ".join(str(reason) for reason in self.results["reasons"])
        return f"the run is {safe(verdict, 40)} ({safe(reasons, 200)}); expected a whole, valid run"


def read_run(path: Path, *, whole: bool = True) -> FormerRun:
    """Read a run's results and cases.

    Args:
        path: of ``results.json``, or of the run's folder.
        whole: refuse a run that is not whole or cannot be trusted.

    Raises:
        OptionError: no such files, not of a run, changed since they were written, or a run that is refused.
    """
    file = results_path(path)
    results = read_results(file)
    lines = read_cases(file.with_name(CASES), results)
    try:
        str(results["model"]["spec"])
        shared = results["dataset"].get("shared_clips", {})
        outcomes = {(line["sample"], line["condition"]): _outcome(line, shared) for line in lines}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"{file}: no results of a run ({type(error).__name__}: {error})") from None
    run = FormerRun(file, results, outcomes)
    if whole and run.doubt is not None:
        raise OptionError(f"{file}: {run.doubt}")
    return run


def _outcome(line: Mapping[str, Any], shared: Mapping[str, str]) -> Outcome:
    scores = line["scores"]
    return outcome_of(
        Observation(
            id=line["id"], task=line["task"], sample=line["sample"], source_id=line["source_id"],
            condition=line["condition"], audio=line["audio"], prompt=line["prompt"], gold=line["gold"],
            text_label=line["text_label"], answer=line["answer"], raw=line["raw"], verdict=Verdict(line["verdict"]),
            confidence=line["confidence"], scores=scores, seconds=line["seconds"], cached=line["cached"],
            error=line["error"], cluster=shared.get(line["sample"], line["audio"]), candidates=tuple(scores or ()),
        )
    )  # fmt: skip
