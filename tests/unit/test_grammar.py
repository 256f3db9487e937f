"""The gate grammar: what is read, and refusals that say what to type."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO
from pytest_mcr.core.grammar import OPERATORS, Gate, needs, parse_gate, require_companions
from pytest_mcr.core.metrics import METRICS
from pytest_mcr.errors import OptionError

TASKS = ("AQA", "SER", "VSC")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tir[adversarial] <= 0.30@95", (False, None, "tir", ADVERSARIAL, "<=", 0.3, True)),
        (" SER.accuracy[ faithful ]>=.9 ", (False, "SER", "accuracy", FAITHFUL, ">=", 0.9, False)),
        ("each.tir[placebo]<5e-2", (True, None, "tir", PLACEBO, "<", 0.05, False)),
        ("mrs > -1 @95", (False, None, "mrs", None, ">", -1.0, True)),
        ("AQA.accuracy_worst[neutral] >= 1", (False, "AQA", "accuracy_worst", NEUTRAL, ">=", 1.0, False)),
    ],
)
def test_expressions(text: str, expected: tuple[bool, str | None, str, str | None, str, float, bool]) -> None:
    gate = parse_gate(text, tasks=TASKS)
    assert gate == Gate(gate.expr, *expected)
    assert parse_gate(gate.expr, tasks=TASKS) == gate


@settings(deadline=None)
@given(
    st.sampled_from(("", "each.", "SER.")), st.sampled_from(tuple(METRICS)), st.sampled_from(tuple(OPERATORS)),
    st.floats(-10, 10), st.booleans(), st.data(),
)  # fmt: skip
def test_every_expression_of_the_grammar_is_read(
    scope: str, metric: str, op: str, number: float, bound: bool, data: st.DataObject
) -> None:
    spec = METRICS[metric]
    places = ("gacl", "gacl?lambda=0.5&tau=1", "prompt:reason") if spec.arms else spec.conditions
    condition = data.draw(st.sampled_from(places)) if places else None
    inside = f"[{condition}]" if condition else ""
    gate = parse_gate(f"{scope}{metric}{inside}{op}{number!r}{'@95' if bound else ''}", tasks=TASKS)
    assert (gate.metric, gate.condition, gate.op, gate.threshold, gate.at95) == (metric, condition, op, number, bound)
    assert (gate.each, gate.task) == (scope == "each.", "SER" if scope == "SER." else None)
    assert needs(gate) <= set(CONDITIONS)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["[TASK.|each.]METRIC[CONDITION] OP NUMBER[@95]", "tir[adversarial] <= 0.30@95"]),
        ("accuracy[neutral]", ["METRIC[CONDITION] OP NUMBER"]),
        ("accuracy[neutral] == 0.5", ["METRIC[CONDITION] OP NUMBER"]),
        ("tirr[adversarial] <= 0.3", ["unknown metric 'tirr'", "did you mean 'tir'?"]),
        ("SER.acuracy[neutral] >= 0.3", ["unknown metric 'acuracy'", "did you mean 'accuracy'?"]),
        ("tir adversarial <= 0.3", ["'tir adversarial' is no metric", "brackets: write 'tir[adversarial]'"]),
        ("zzz >= 1", ["unknown metric 'zzz'", "the metrics are: accuracy, "]),
        ("SRE.tir[adversarial] <= 0.3", ["unknown task 'SRE'", "did you mean 'SER'?"]),
        ("XYZZY.tir[adversarial] <= 0.3", ["unknown task 'XYZZY'", "AQA, SER, VSC, each"]),
        ("tir[adversarail] <= 0.3", ["no condition 'adversarail'", "did you mean 'adversarial'?"]),
        ("tir[neutral] <= 0.3", ["tir has no condition 'neutral'", "faithful, adversarial, irrelevant, placebo"]),
        ("accuracy[placebo] >= 0.3", ["accuracy has no condition 'placebo'"]),
        ("tir <= 0.3", ["tir needs a condition", "write 'tir[adversarial]'"]),
        ("mrs[adversarial] >= 0.7", ["mrs takes no condition", "write 'mrs' without [adversarial]"]),
        ("gain >= 0.3", ["gain needs a repair arm", "for example 'gain[gacl]'"]),
        ("drop[adversarial] <= 0.05", ["'adversarial' is no repair arm", "expected one of joint, hard-switch"]),
        ("gain[gacl?lamda=1] >= 0.3", ["'gacl?lamda=1' is no repair arm", "KEY one of lambda, tau"]),
        ("mrs >= much", ["'much' is not a finite number"]),
        ("mrs >= 70%", ["'70%' is not a finite number", "write 0.7"]),
        ("mrs >= nan", ["'nan' is not a finite number"]),
        ("mrs >= 1e999", ["not a finite number"]),
        ("mrs >= ", ["is not a finite number"]),
        ("mrs >= 0.7@90", ["unknown bound '@90'", "only '@95' exists"]),
    ],
)
def test_refusals_are_one_line_and_say_what_to_type(text: str, parts: list[str]) -> None:
    with pytest.raises(OptionError) as refusal:
        parse_gate(text, tasks=TASKS)
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(f"gate {text.strip()!r}: ")
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" SER.accuracy[ faithful ]>=.9 ", "SER.accuracy[faithful] >= .9"),
        ("each.tir[placebo]<5e-2", "each.tir[placebo] < 5e-2"),
        ("mrs  >  0.70 @95", "mrs > 0.70@95"),
    ],
)
def test_the_canonical_form_keeps_the_number_as_written(text: str, canonical: str) -> None:
    assert parse_gate(text).expr == canonical


def test_without_a_list_any_task_is_accepted() -> None:
    assert parse_gate("ANY-1.mrs >= 0.7").task == "ANY-1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy[faithful] >= 0.5", {FAITHFUL}),
        ("tir[adversarial] <= 0.5", {NEUTRAL, ADVERSARIAL}),
        ("tir[placebo] <= 0.5", {NEUTRAL}),
        ("mrs >= 0.5", {NEUTRAL, ADVERSARIAL, IRRELEVANT}),
        ("macro_accuracy >= 0.5", {FAITHFUL, ADVERSARIAL, IRRELEVANT}),
        ("tdr[adversarial] <= 0.5", {ADVERSARIAL}),
    ],
)
def test_what_a_gate_needs(text: str, expected: set[str]) -> None:
    assert needs(parse_gate(text)) == expected


def test_some_metrics_are_gated_only_in_company() -> None:
    tdr, accuracy = parse_gate("tdr[adversarial] <= 0.2"), parse_gate("each.accuracy[adversarial] >= 0.5")
    require_companions([tdr, accuracy])
    with pytest.raises(OptionError, match=r"only together with accuracy\[adversarial\]; add --mcr-add-gate"):
        require_companions([tdr])
    with pytest.raises(OptionError, match=r"only together with auroc\[neutral\]"):
        require_companions([parse_gate("overconfidence[neutral] <= 0.4"), parse_gate("auroc[adversarial] > 0.7")])
