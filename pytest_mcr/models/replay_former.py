"""What a former run says about its own answers: the ``results.json`` beside a ``cases.jsonl``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_mcr.data.results_file import CASES, RESULTS, read_results, require_cases
from pytest_mcr.errors import ModelError, OptionError

ASKED: Final = ("system", "order", "generation")
"""Traits of a model that a verdict on its answers names."""


@dataclass(frozen=True, slots=True)
class Former:
    """The run that recorded the answers.

    Attributes:
        run: its id.
        spec: the model as it was named.
        fingerprint: of the model.
        data: root of its dataset.
        kind: of its dataset.
        digest: of its dataset.
        template: name of its prompt template.
        version: of the template.
        answer: how answers were read, ``generate`` or ``score``.
        asked: how the model was asked (system turn, part order, decoding), as far as its traits say.
        doubt: why its answers cannot be trusted, None where nothing speaks against them.
    """

    run: str
    spec: str
    fingerprint: str | None
    data: str
    kind: str
    digest: str
    template: str
    version: int
    answer: str
    asked: dict[str, str]
    doubt: str | None

    def to_json(self) -> dict[str, object]:
        """What the results of a replay say about it."""
        return {"run": self.run, "spec": self.spec, "fingerprint": self.fingerprint, "answer": self.answer}


def former_run(cases: Path) -> Former | None:
    """The run that a file of answers comes from, None where no results lie beside it.

    Args:
        cases: the recorded answers; only a file called ``cases.jsonl`` is a run's.

    Raises:
        ModelError: the results beside it cannot be read, or are not those of these answers.
    """
    path = cases.with_name(RESULTS)
    if cases.name != CASES or not path.is_file():
        return None
    advice = f"or copy {CASES} to another folder, where only its prompts are compared"
    try:
        results = read_results(path)
        require_cases(cases, results)
        return _former(results)
    except OptionError as error:
        raise ModelError(f"{error}; {advice}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: no results of a run ({type(error).__name__}: {error}); {advice}") from None


def _former(results: dict[str, Any]) -> Former:
    model, data, protocol = results["model"], results["dataset"], results["protocol"]
    return Former(
        run=str(results["run"]["id"]),
        spec=str(model["spec"]),
        fingerprint=model["fingerprint"] and str(model["fingerprint"]),
        data=str(data["path"]),
        kind=str(data["kind"]),
        digest=str(data["digest"]),
        template=str(protocol["template"]),
        version=int(protocol["version"]),
        answer=str(protocol["answer"]),
        asked={name: str(model["traits"][name]) for name in ASKED if model["traits"].get(name) is not None},
        doubt=_doubt(results),
    )


def _doubt(results: dict[str, Any]) -> str | None:
    """A canary or an audit that failed says that the answers are not the model's, however they are read."""
    for name, found in (("canary", results["canary"]), ("batch audit", results["audit"].get("batch", {}))):
        if found.get("verdict") == "fail":
            return f"{name}: {found.get('detail')}"
    return None
