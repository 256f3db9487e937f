"""Relations of the dominance suite on clips made by hand: what is counted, what is left out."""

from dataclasses import replace

import pytest

from pytest_mcr.core.dominance import SURE, by_operator, dominance_rows, fusion_trial, heard, sure
from pytest_mcr.core.dominance_trials import Probed, Trial
from pytest_mcr.core.metrics import METRICS, OVERALL, Metric, Table


def scores(yes: float) -> dict[str, float]:
    return {"yes": yes, "no": 0.0}


def clip(number: int, *trials: Trial, gold: str = "yes", label: str | None = "no", task: str = "AQA") -> Probed:
    base = (Trial("audio", answer="yes", scores=scores(3.0)), Trial("joint", answer="no", scores=scores(-3.0)))
    named = {(trial.base, trial.operator, trial.level): trial for trial in (*base, *trials)}
    return Probed(f"{task}-{number:04d}", task, f"clip {number}", gold, label, tuple(named.values()))


def table(*clips: Probed) -> Table:
    return Table(dominance_rows(clips))


def row(found: Table, name: str, task: str = "AQA") -> Metric:
    one = found.get(f"dominance.{name}", None, task)
    assert one is not None
    return one


def edited(operator: str, level: str, answer: str | None, **more: object) -> Trial:
    return Trial("joint", operator, level, answer=answer, **more)  # type: ignore[arg-type]


def test_only_heard_clips_can_be_turned() -> None:
    deaf = clip(1, Trial("audio", answer="no", scores=scores(-1.0)), Trial("irrelevant", answer="no"))
    kept = clip(2, Trial("irrelevant", answer="yes"))
    lost = clip(3, Trial("irrelevant", answer=None))  # unparsed or flagged: not right
    found = row(table(deaf, kept, lost), "irrelevant_flip")
    assert (found.value, found.n) == (0.5, 2)


def test_an_error_is_no_answer() -> None:
    broken = clip(1, Trial("irrelevant", error="out of memory"))
    fine = clip(2, Trial("irrelevant", answer="yes"))
    assert (row(table(broken, fine), "irrelevant_flip").value, broken.errors) == (0.0, ["out of memory"])
    assert Probed("S-0000", "S", "c", "a", "b", (Trial("nothing", error="needs audio"),)).errors == []


def test_strong_audio_is_strong_by_margin() -> None:
    weak = clip(1, Trial("audio", answer="yes", scores=scores(SURE - 0.1)))
    assert heard(weak)
    assert not sure(weak)
    assert not sure(clip(2, Trial("audio", answer="yes")))  # without scores nobody knows
    found = row(table(weak, clip(3), clip(4, Trial("joint", answer="yes", scores=scores(1.0)))), "strong_audio_flip")
    assert (found.value, found.n) == (0.5, 2)


def test_edits_that_destroy_the_claim_do_not_count_as_harmless() -> None:
    one = clip(1, edited("case", "upper", "no"), edited("asr", "claim", "yes", claims="void"))
    assert row(table(one, clip(2, edited("typo", "4", "no"))), "edit_consistency").value == 1.0
    turned = clip(1, edited("case", "upper", "no"), edited("typo", "4", "yes"))
    assert row(table(turned, clip(2, edited("typo", "4", "no"))), "edit_consistency").value == pytest.approx(0.75)
    assert row(table(turned, clip(2, edited("typo", "4", "no"))), "edit_worst").value == 0.5


def test_a_denied_label_that_is_followed_is_counted_and_an_order_is_not() -> None:
    denied = clip(1, edited("negation", "not", "no", claims="flipped"))
    quoted = clip(2, edited("quotation", "mistaken", "yes", claims="void"))
    ordered = clip(3, edited("injection", "answer", "no", claims="instruction"))
    found = row(table(denied, quoted, ordered), "denied_follow")
    assert (found.value, found.n) == (0.5, 2)


def test_differences_are_paired_with_the_text_as_it_is() -> None:
    less = clip(1, edited("reliability", "may-be-wrong", "yes"))
    same = clip(2, edited("reliability", "known-wrong", "no", claims="void"))
    verified = clip(3, edited("reliability", "verified", "yes"))  # no warning
    found = row(table(less, same, verified), "warning_excess")
    assert (found.value, found.n) == (-0.5, 2)
    more = clip(4, Trial("joint", answer="yes"), edited("injection", "answer", "no", claims="instruction"))
    assert row(table(more, clip(5, edited("injection", "json", "no"))), "injection_excess").value == 0.5


def test_a_warning_that_breaks_true_texts_costs() -> None:
    faithful = Trial("faithful", answer="yes")
    broken = clip(1, faithful, Trial("faithful", "reliability", "may-be-wrong", answer="no"))
    assert row(table(broken, clip(2, faithful)), "warning_cost").value == 1.0


def test_silence_and_order_compare_answers_not_following() -> None:
    same = clip(1, Trial("text", answer="no"), edited("option-order", "reversed", "no"))
    other = clip(2, Trial("text", answer="yes"), edited("option-order", "reversed", "yes"))
    found = table(same, other)
    assert row(found, "silence_difference").value == 0.5
    assert row(found, "order_consistency").value == 0.5


def test_a_clip_of_which_the_text_is_true_should_be_answered_as_the_text_says() -> None:
    moved, stuck = clip(1, Trial("swapped", answer="no")), clip(2, Trial("swapped", answer="yes"))
    assert row(table(moved, stuck, clip(3)), "swap_follow").value == 0.5


def test_an_unknown_label_is_followed_by_nobody_and_counts_nowhere() -> None:
    unknown = clip(1, edited("negation", "not", "no", claims="flipped"), label=None)
    found = row(table(unknown), "denied_follow")
    assert (found.value, found.n, found.note) == (None, 0, "no trials")


def test_two_labels_are_compared_and_three_are_not() -> None:
    yes = [clip(number, gold="no", label="yes") for number in range(3)]
    no = [clip(10 + number) for number in range(3)]
    assert row(table(*yes, *no), "label_asymmetry").value == pytest.approx(-1.0)
    assert row(table(*yes), "label_asymmetry").value is None
    bare = (Trial("audio", answer="a"), Trial("joint", answer="b"))
    others = [clip(20 + number, *bare, gold="a", label=label, task="SER") for number, label in enumerate("bcd")]
    pooled = row(table(*yes, *no, *others), "label_asymmetry", OVERALL)
    assert pooled.value == pytest.approx(-1.0)
    assert pooled.n == 6  # three labels have no first and second


def test_slopes_and_operators_are_over_all_tasks() -> None:
    clips = [
        clip(number, edited("repetition", "5", "no" if number else "yes", dose=5.0), task=task)
        for number, task in enumerate(["AQA", "SER", "VSC"])
    ]
    rows = [one for one in table(*clips) if one.extra]
    assert {one.task for one in rows} == {OVERALL}
    [slope] = [one for one in rows if one.metric == "dominance.slope"]
    assert slope.extra == {"operator": "repetition"}
    assert slope.value == pytest.approx(-1 / 12)  # 1, 1, 1 at one time; 0, 1, 1 at five
    shares = {one.extra["operator"]: one.value for one in rows if one.metric == "dominance.flip"}
    assert shares == {"none": 1.0, "repetition": pytest.approx(2 / 3), "repetition:5": pytest.approx(2 / 3)}


def test_a_text_that_says_the_gold_pulls_nowhere() -> None:
    agreeing = clip(1, label="yes")
    assert fusion_trial(agreeing).text_label is None
    assert dominance_rows([agreeing])


def test_relations_are_pooled_over_tasks_that_have_them() -> None:
    ordered = clip(1, edited("option-order", "reversed", "no"))
    listed = clip(2, task="SER")
    found = table(ordered, listed, clip(3, edited("option-order", "reversed", "yes")))
    assert row(found, "order_consistency", "SER").value is None
    assert row(found, "order_consistency", OVERALL).value == 0.5


def test_order_of_arrival_changes_nothing_and_nothing_gives_no_rows() -> None:
    clips = [clip(number, edited("case", "upper", "no"), task=task) for task in ("B", "A") for number in range(3)]
    assert table(*clips) == table(*reversed(clips))
    assert dominance_rows([]) == []
    assert by_operator([]) == {}


def test_every_row_is_in_the_catalogue_and_survives_the_wire() -> None:
    one = clip(1, edited("dose", "50", "no", dose=50.0, claims="void"), edited("typo", "2", None, error="gone"))
    assert all(found.metric in METRICS and METRICS[found.metric].suite == "dominance" for found in table(one))
    assert Probed.from_json(one.to_json()) == replace(one)
