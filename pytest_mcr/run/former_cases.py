"""A former run's ``cases.jsonl`` as outcomes again, with the facts of its ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mcr.core.case import Observation, Outcome, Verdict
from pytest_mcr.errors import OptionError
from pytest_mcr.models.replay_former import CASES, RESULTS, SCHEMA
from pytest_mcr.run.observe import outcome_of


@dataclass(frozen=True, slots=True)
class FormerRun:
    """A run that was read again.

    Attributes:
        results: the content of ``results.json``.
        outcomes: by (sample, condition); clips are told apart by the path of their audio.
    """

    results: Mapping[str, Any]
    outcomes: dict[tuple[str, str], Outcome]

    @property
    def model(self) -> str:
        """The model as it was named."""
        return str(self.results["model"]["spec"])


def read_run(path: Path) -> FormerRun:
    """Read a run's results and cases.

    Args:
        path: of ``results.json``, or of the run's folder.

    Raises:
        OptionError: no such files, not of a run, or a run that is not whole or cannot be trusted.
    """
    file = path / RESULTS if path.is_dir() else path
    cases = file.with_name(CASES)
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        if results["schema"] != SCHEMA:
            raise OptionError(f"{file}: schema {results['schema']!r}; expected {SCHEMA!r}")
        lines = [json.loads(line) for line in cases.read_bytes().splitlines()]  # of bytes: text may hold U+0085
        outcomes = {(line["sample"], line["condition"]): _outcome(line) for line in lines}
        verdict, _ = str(results["verdict"]), str(results["model"]["spec"])
        reasons = [str(reason) for reason in results["reasons"]]
    except OSError as error:
        raise OptionError(f"{error.filename}: cannot be read ({error.strerror}); name a run's {RESULTS}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OptionError(f"{file}: no results of a run ({type(error).__name__}: {error})") from None
    if verdict not in ("pass", "fail"):
        raise OptionError(f"{file}: the run is {verdict} ({'; '.join(reasons)[:200]}); expected a whole, valid run")
    return FormerRun(results, outcomes)


def _outcome(line: Mapping[str, Any]) -> Outcome:
    scores = line["scores"]
    return outcome_of(
        Observation(
            id=line["id"], task=line["task"], sample=line["sample"], source_id=line["source_id"],
            condition=line["condition"], audio=line["audio"], prompt=line["prompt"], gold=line["gold"],
            text_label=line["text_label"], answer=line["answer"], raw=line["raw"], verdict=Verdict(line["verdict"]),
            confidence=line["confidence"], scores=scores, seconds=line["seconds"], cached=line["cached"],
            error=line["error"], cluster=line["audio"], candidates=tuple(scores or ()),
        )
    )  # fmt: skip
