"""The crossed design: no text, and no label of a text, tells anything about the clip that it is read with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.case import Sample
from pytest_mcr.core.crossing import Crossing, Pair, cross, topic, uncrossed
from pytest_mcr.core.prompts import normalize

LABELS = ("bell", "drum", "siren", "wind")


def sample(number: int, gold: str, wrong: str, *, question: str = "What is heard?", **given: object) -> Sample:
    made = Sample(
        f"X-{number:04d}", "X", f"{number}.wav", question, gold,
        {"faithful": f"text {number} of a {gold}", "adversarial": f"words {number} on a {wrong}"}, LABELS,
        {"faithful": gold, "adversarial": wrong},
    )  # fmt: skip
    return replace(made, **given)  # type: ignore[arg-type]


def polar(number: int, gold: str, question: str) -> Sample:
    return sample(number, gold, "no" if gold == "yes" else "yes", question=question, candidates=("no", "yes"))


def why(pairs: tuple[Pair, ...]) -> str | None:
    golds, labels = [pair.sample.gold for pair in pairs], [pair.label for pair in pairs]
    return uncrossed([pair.sample.id for pair in pairs], [normalize(pair.text) for pair in pairs], golds, labels)


def design(samples: list[Sample], limit: int = 200, seed: int = 0) -> Crossing:
    [found] = cross(samples, limit=limit, seed=seed)
    return found


@st.composite
def tasks(draw: st.DrawFn) -> list[Sample]:
    golds = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=24))
    wrong = [draw(st.sampled_from([label for label in LABELS if label != gold])) for gold in golds]
    return [sample(number, gold, other) for number, (gold, other) in enumerate(zip(golds, wrong, strict=True))]


@settings(max_examples=60)
@given(tasks(), st.integers(0, 5))
def test_clip_and_text_are_independent_and_blocks_share_nothing(samples: list[Sample], seed: int) -> None:
    found = design(samples, seed=seed)
    assert (found.reason is None) == bool(found.pairs)
    if not found.pairs:
        assert "not crossed" in str(found.reason)
        return
    assert why(found.pairs) is None
    labels = {pair.label for pair in found.pairs}
    by_gold = Counter((pair.sample.gold, pair.label) for pair in found.pairs)
    assert set(by_gold) == {(gold, label) for gold in labels for label in labels}
    assert len(set(by_gold.values())) == 1
    for kind in ("clip", "text"):
        blocks: dict[str, set[str]] = {}
        for pair in found.pairs:
            blocks.setdefault(pair.sample.id if kind == "clip" else pair.text, set()).add(pair.block)
        assert all(len(own) == 1 for own in blocks.values())
    assert found.left_out == len(samples) - len({pair.sample.id for pair in found.pairs})


def test_the_same_text_is_faithful_for_one_clip_and_adversarial_for_another() -> None:
    found = design([sample(n, LABELS[n % 4], LABELS[(n + 1) % 4]) for n in range(16)])
    roles: dict[str, set[bool]] = {}
    for pair in found.pairs:
        roles.setdefault(pair.text, set()).add(pair.conflict)
    assert len(found.pairs) == 64
    assert all(own == {True, False} for own in roles.values())


def test_yes_and_no_are_exchanged_only_where_the_question_is_the_same() -> None:
    siren, drum = "Is there a siren?", "Is there a drum?"
    crossed = design([polar(0, "yes", siren), polar(1, "no", siren), polar(2, "yes", drum), polar(3, "no", drum)])
    assert len(crossed.pairs) == 8
    for pair in crossed.pairs:
        assert int(pair.text.split()[1]) // 2 == int(pair.sample.id[-4:]) // 2
    alone = design([polar(0, "yes", siren), polar(1, "no", drum)])
    assert alone.pairs == ()
    assert alone.left_out == 2
    assert str(alone.reason).startswith("not crossed: no two clips with different answers share a question")


def test_letters_and_whole_prompts_keep_to_their_question_too() -> None:
    named, lettered = sample(0, "bell", "drum"), sample(0, "A", "B", candidates=("A", "B"))
    assert topic(named) == topic(replace(named, question="Which sound is in it?"))
    assert topic(lettered) != topic(replace(lettered, question="Which sound is in it?"))
    whole = replace(named, complete=True)
    assert topic(whole) != topic(replace(whole, question="Which sound is in it?"))
    assert topic(replace(named, candidates=())) is None
    assert "no closed set" in str(design([replace(named, candidates=())]).reason)


def test_a_text_that_supports_two_answers_is_none() -> None:
    samples = [sample(n, LABELS[n % 2], LABELS[(n + 1) % 2]) for n in range(8)]
    both = [replace(one, texts={**one.texts, "adversarial": "Something is heard."}) for one in samples]
    found = design(both)
    assert found.pairs
    assert all("text" in pair.text for pair in found.pairs)


def test_rare_answers_cost_the_others_nothing() -> None:
    samples = [sample(n, LABELS[n % 2], LABELS[(n + 1) % 2]) for n in range(20)] + [sample(20, "siren", "wind")]
    found = design(samples)
    assert {pair.sample.gold for pair in found.pairs} == {"bell", "drum"}
    assert found.left_out == 1


def test_samples_are_nested_and_a_lost_row_is_noticed() -> None:
    samples = [sample(n, LABELS[n % 4], LABELS[(n + 1) % 4]) for n in range(40)]
    pairs = design(samples, limit=30).pairs
    assert {pair.sample.id for pair in pairs} <= {one.id for one in samples}
    assert design(samples) == design(samples[::-1])
    assert design(samples, seed=1) != design(samples)
    for lost in (pairs[1:], pairs[:-1]):
        assert "not crossed" in str(why(lost))


@pytest.mark.parametrize("gold", [("bell", "bell"), ("bell", "drum")])
def test_one_answer_or_no_text_for_it_cannot_be_crossed(gold: tuple[str, str]) -> None:
    samples = [sample(n, label, "wind") for n, label in enumerate(gold)]
    found = design([replace(one, text_labels={"adversarial": "wind"}) for one in samples])
    assert found.pairs == ()
