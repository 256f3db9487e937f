"""The design of the dominance suite's rates: which texts a clip is asked about, declared before anything is measured.

Hypothesis searches for texts that flip a model, so what it draws is no sample of anything. Rates rest on this table
instead: every family of edits gets an equal share of the trials, and within a family every operator and level its turn.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.perturb import OPERATORS


@dataclass(frozen=True, slots=True)
class Stratum:
    """One edit of one text.

    Attributes:
        base: ``joint`` (the adversarial text), ``faithful`` or ``irrelevant``.
        operator: of `OPERATORS`.
        level: of the operator.
        dose: the level's strength on the operator's own scale, None where its levels have no order.
    """

    base: str
    operator: str
    level: str
    dose: float | None


_KEEPING: Final = tuple(
    name
    for name, operator in OPERATORS.items()
    if operator.kind == "keeps" and name not in ("position", "option-order", "language", "relevance")
)
"""Edits that keep the claim and have no relation of their own."""
_DOUBTS: Final = frozenset({("reliability", "may-be-wrong"), ("reliability", "known-wrong")})


def _strata(base: str, operators: Sequence[str], only: Container[tuple[str, str]] | None = None) -> tuple[Stratum, ...]:
    """Every level of the operators, the operators in turn, so that few clips already meet all of them."""
    found = []
    for place in range(1, max(len(OPERATORS[name].levels) for name in operators)):
        for name in operators:
            operator = OPERATORS[name]
            if place < len(operator.levels) and (only is None or (name, operator.levels[place]) in only):
                dose = operator.doses[place] if operator.doses else None
                found.append(Stratum(base, name, operator.levels[place], dose))
    return tuple(found)


FAMILIES: Final[Mapping[str, tuple[Stratum, ...]]] = MappingProxyType(
    {
        "M4": _strata("joint", _KEEPING),
        "M2": _strata("irrelevant", ("length", "position", "language", "relevance")),
        "M6": _strata("joint", ("authority", "hedge", "repetition")),
        "M7": _strata("joint", ("dose",)),
        "M8": _strata("joint", ("reliability",), _DOUBTS),
        "M8f": _strata("faithful", ("reliability",), _DOUBTS),
        "M9": _strata("joint", ("position",)),
        "M10": _strata("joint", ("negation", "quotation")),
        "M13": _strata("joint", ("option-order",)),
        "M15": _strata("joint", ("injection",)),
        "M16": _strata("joint", ("language",)),
        "verified": _strata("joint", ("reliability",), frozenset({("reliability", "verified")})),
    }
)
"""Every stratum by family; a family is named after its relation, where it has one (see `dominance`)."""


def plans(clips: int, examples: int) -> list[list[Stratum]]:
    """The strata of each clip of a task: the families in turn, and within each its strata in turn.

    No clip has a stratum twice, so that long plans take more from the large families.

    Args:
        clips: of the task, in its seeded order.
        examples: varied texts a clip; at most all strata.
    """
    families = list(FAMILIES.values())
    taken = [0] * len(families)
    made = []
    turn = 0
    for _ in range(clips):
        chosen: list[Stratum] = []
        left = [len(strata) for strata in families]
        while len(chosen) < examples and any(left):
            family = turn % len(families)
            turn += 1
            if left[family]:
                chosen.append(families[family][taken[family] % len(families[family])])
                taken[family] += 1
                left[family] -= 1
        made.append(chosen)
    return made
