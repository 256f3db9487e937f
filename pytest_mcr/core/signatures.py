"""The three failure signatures of arXiv 2508.15407, shown or not shown by this model on these clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pytest_mcr.core.case import ADVERSARIAL, NEUTRAL
from pytest_mcr.core.confidence import OVERCONFIDENT
from pytest_mcr.core.metrics import OVERALL, Table

COLLAPSE: Final = 0.95
FLIPS: Final = 0.95


@dataclass(frozen=True, slots=True)
class Signature:
    """One failure signature.

    Attributes:
        name: ``collapse``, ``text flips`` or ``overconfident``.
        value: what is compared with the threshold; None where undefined.
        shown: the model shows it.
        detail: one line with the number that must stand beside it.
    """

    name: str
    value: float | None
    shown: bool
    detail: str


def signatures(table: Table, task: str = OVERALL) -> tuple[Signature, ...]:
    """The signatures of a task or over all tasks.

    - collapse: ``1 - accuracy[adversarial] / accuracy[neutral] >= 0.95``, with neutral skill beside it (a model that
      hears nothing has little to lose);
    - text flips: ``tir[adversarial] >= 0.95``, with the placebo floor;
    - overconfident: mean confidence of wrong adversarial answers above 0.85, with that of wrong neutral ones.
    """
    return (_collapse(table, task), _flips(table, task), _overconfident(table, task))


def _signature(name: str, value: float | None, over: Callable[[float], bool], detail: str) -> Signature:
    return Signature(name, value, value is not None and over(value), detail)


def _shown(value: float | None, missing: str = "undefined") -> str:
    return missing if value is None else f"{value:.2f}"


def _collapse(table: Table, task: str) -> Signature:
    neutral, adversarial = (table.value("accuracy", c, task) for c in (NEUTRAL, ADVERSARIAL))
    value = 1 - adversarial / neutral if neutral and adversarial is not None else None
    skill = table.value("skill", NEUTRAL, task)
    detail = (
        f"accuracy {_shown(neutral)} neutral, {_shown(adversarial)} adversarial: {_shown(value)} of it lost; "
        f"neutral skill {_shown(skill)}"
    )
    return _signature("collapse", value, lambda x: x >= COLLAPSE, detail)


def _flips(table: Table, task: str) -> Signature:
    row, floor = table.get("tir", ADVERSARIAL, task), table.value("tir", "placebo", task)
    value, n = (None, 0) if row is None else (row.value, row.n)
    detail = (
        f"the text decides {_shown(value)} of {n} answers right in neutral; placebo {_shown(floor, 'not measured')}"
    )
    return _signature("text flips", value, lambda x: x >= FLIPS, detail)


def _overconfident(table: Table, task: str) -> Signature:
    rows = [table.where("mean_confidence", c, task, answers="wrong") for c in (ADVERSARIAL, NEUTRAL)]
    value, neutral = (found[0].value if found else None for found in rows)
    n = rows[0][0].n if rows[0] else 0
    detail = (
        f"mean confidence {_shown(value)} on {n} wrong adversarial answers, {_shown(neutral)} on wrong neutral ones"
    )
    return _signature("overconfident", value, lambda x: x > OVERCONFIDENT, detail)
