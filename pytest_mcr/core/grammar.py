"""The gate grammar: ``[TASK.|each.]METRIC[CONDITION] OP NUMBER[@95]``; for repairs ``gain[ARM]`` and ``drop[ARM]``."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pytest_mcr.core.case import PLACEBO, TASK_NAME
from pytest_mcr.core.catalogue import METRICS, MetricSpec
from pytest_mcr.core.repair_arms import parse_arm
from pytest_mcr.errors import OptionError

EACH: Final = "each"
OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
)
_GATE: Final = re.compile(
    r"(?P<left>(?:[^<>=\[]|\[[^\[\]]*\])*?)\s*(?P<op>>=|<=|>|<)\s*(?P<number>[^@]*?)\s*(?P<bound>@.*)?"
)
_LEFT: Final = re.compile(r"(?P<name>[^\[\]]*?)\s*(?:\[\s*(?P<condition>[^\[\]]*?)\s*\])?")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EXAMPLE: Final = "tir[adversarial] <= 0.30@95"


@dataclass(frozen=True, slots=True)
class Gate:
    """A threshold on a number.

    Attributes:
        expr: canonical form, one space on each side of the operator, the number as it was written.
        each: judged once for every task.
        task: None for the row over all tasks (or with ``each``).
        condition: None for a metric that takes none; the repair arm of one that takes an arm.
        op: one of ``>= <= > <``.
        at95: the one-sided 95 % bound on the unfavourable side must hold too.
        explicit: asked for by the user, not by a profile.
    """

    expr: str
    each: bool
    task: str | None
    metric: str
    condition: str | None
    op: str
    threshold: float
    at95: bool
    explicit: bool = True

    def holds(self, value: float) -> bool:
        """Whether a value lies inside the threshold."""
        return OPERATORS[self.op](value, self.threshold)

    @property
    def upward(self) -> bool:
        """Whether larger values are inside."""
        return self.op in (">=", ">")

    def of(self, task: str) -> Gate:
        """This ``each.`` gate for one task."""
        return replace(self, expr=f"{task}.{self.expr.removeprefix(f'{EACH}.')}", each=False, task=task)


def parse_gate(text: str, *, tasks: Sequence[str] | None = None, explicit: bool = True) -> Gate:
    """Read a gate expression.

    Args:
        text: e.g. ``each.tir[adversarial] <= 0.5@95``.
        tasks: the known tasks; None accepts any task name.
        explicit: whether the user asked for it (a profile's gates are more lenient where nothing can be judged).

    Raises:
        OptionError: one line: the expression, what is wrong in it, what was expected, what to type.
    """
    whole = _GATE.fullmatch(text.strip())
    left = None if whole is None else _LEFT.fullmatch(whole["left"])
    if whole is None or left is None:
        raise _error(text, "not of the form [TASK.|each.]METRIC[CONDITION] OP NUMBER[@95]", f"for example {_EXAMPLE!r}")
    scope, metric = _split(text, left["name"])
    if scope not in (None, EACH):
        _check_task(text, str(scope), tasks)
    condition = _condition(text, METRICS[metric], left["condition"], left["name"])
    threshold = _threshold(text, whole["number"])
    if whole["bound"] not in (None, "@95"):
        raise _error(text, f"unknown bound {whole['bound']!r}", "only '@95' exists")
    name = left["name"] + (f"[{condition}]" if condition else "")
    return Gate(
        expr=f"{name} {whole['op']} {whole['number']}{whole['bound'] or ''}",
        each=scope == EACH,
        task=None if scope in (None, EACH) else scope,
        metric=metric,
        condition=condition,
        op=whole["op"],
        threshold=threshold,
        at95=whole["bound"] is not None,
        explicit=explicit,
    )


def needs(gate: Gate) -> frozenset[str]:
    """The conditions that the data and the run must have for this gate; the placebo is a control and not among them."""
    spec = METRICS[gate.metric]
    own = () if spec.arms or gate.condition in (None, PLACEBO) else (gate.condition,)
    return frozenset((*own, *spec.needs))


def require_companions(gates: Iterable[Gate]) -> None:
    """Refuse a gate that a bad model can meet on its own: TDR without accuracy, overconfidence without AUROC.

    Raises:
        OptionError: names the gate, the missing companion and what to add.
    """
    gates = tuple(gates)
    present = {(gate.metric, gate.condition) for gate in gates}
    for gate in gates:
        companion = METRICS[gate.metric].companion
        if companion is not None and (companion, gate.condition) not in present:
            wanted = f"{companion}[{gate.condition}]"
            raise _error(gate.expr, f"is gated only together with {wanted}", f"add --mcr-add-gate '{wanted} >= NUMBER'")


def _error(text: str, wrong: str, hint: str) -> OptionError:
    return OptionError(f"gate {text.strip()!r}: {wrong}; {hint}")


def _suggest(word: str, known: Iterable[str], what: str) -> str:
    """The nearest known word, else all of them."""
    names = tuple(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"{what}: {', '.join(names)}"


def _split(text: str, name: str) -> tuple[str | None, str]:
    """Scope and metric of ``SCOPE.METRIC``; the longest known metric name wins, as metric names may hold dots."""
    fits = [metric for metric in METRICS if name == metric or name.endswith(f".{metric}")]
    if not fits:
        metric = name.rpartition(".")[2] if name.count(".") == 1 else name
        first, _, rest = metric.partition(" ")
        if first in METRICS:  # a condition without its brackets; the list of all metrics would hide what is wrong
            raise _error(
                text, f"{metric!r} is no metric", f"conditions stand in brackets: write '{first}[{rest.strip()}]'"
            )
        raise _error(text, f"unknown metric {metric!r}", _suggest(metric, METRICS, "the metrics are"))
    metric = max(fits, key=len)
    scope = name.removesuffix(metric).removesuffix(".")
    return (scope or None) if name != metric else None, metric


def _check_task(text: str, task: str, tasks: Sequence[str] | None) -> None:
    known = tasks is None or task in tasks
    if not TASK_NAME.fullmatch(task) or not known:
        raise _error(text, f"unknown task {task!r}", _suggest(task, (*(tasks or ()), EACH), "expected one of"))


def _condition(text: str, spec: MetricSpec, condition: str | None, name: str) -> str | None:
    expected = ", ".join(spec.conditions)
    if spec.arms:
        return _arm(text, spec, condition, name)
    if not spec.takes_condition:
        if condition is not None:
            raise _error(text, f"{spec.name} takes no condition", f"write {name!r} without [{condition}]")
        return None
    if condition is None:
        default = "adversarial" if "adversarial" in spec.conditions else spec.conditions[0]
        raise _error(text, f"{spec.name} needs a condition ({expected})", f"write '{name}[{default}]'")
    if condition not in spec.conditions:
        hint = _suggest(condition, spec.conditions, "expected one of")
        raise _error(text, f"{spec.name} has no condition {condition!r}", hint)
    return condition


def _arm(text: str, spec: MetricSpec, arm: str | None, name: str) -> str:
    """A repair arm in its canonical spelling."""
    if not arm:
        raise _error(text, f"{spec.name} needs a repair arm", f"for example '{name}[gacl]'")
    try:
        return parse_arm(arm).text
    except ValueError as error:
        raise _error(text, f"{arm!r} is no repair arm", f"expected {error}") from None


def _threshold(text: str, number: str) -> float:
    if not _NUMBER.fullmatch(number) or not math.isfinite(float(number)):
        hint = (
            f"write {float(number[:-1]) / 100:g}"
            if _NUMBER.fullmatch(number.removesuffix("%")) and number[-1:] == "%"
            else ""
        )
        raise _error(text, f"{number!r} is not a finite number", hint or f"for example {_EXAMPLE!r}")
    return float(number)
