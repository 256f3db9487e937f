"""Varied texts: byte-for-byte identity, protected words, guards, and claims that the reader confirms."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import unicodedata
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.answers import text_label
from pytest_mcr.core.case import ADVERSARIAL, IRRELEVANT, Case, Sample
from pytest_mcr.core.perturb import (
    OPERATORS,
    Context,
    Rendered,
    apply,
    base_context,
    check,
    levels_for,
    render,
    render_variant,
)
from pytest_mcr.core.perturb.banks import HOMOGLYPHS, TELLING
from pytest_mcr.core.perturb.spans import mentioned, plain_words, polar
from pytest_mcr.core.perturb.tree import Claims
from pytest_mcr.core.prompts import DISCRETION, PAPER, TEMPLATES
from pytest_mcr.core.prompts import render as render_case
from pytest_mcr.core.reading.polarity import stated, topic
from pytest_mcr.core.reading.words import clean, key, words
from pytest_mcr.data.release import load
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import PerturbError

LABELS = ("angry", "calm", "fearful", "happy", "sad")
SAD = "Some say that the speaker's voice is full of sorrow, not much else."


@cache
def samples() -> tuple[Sample, ...]:
    """Six clips of each task of the mini benchmark."""
    everything = load(fixture("mini-mcr")).samples
    return tuple(s for task in ("AQA", "SER", "VSC") for s in [s for s in everything if s.task == task][:6])


def context_of(sample: Sample, condition: str) -> Context:
    label = sample.text_labels.get(condition)
    return base_context(sample.texts[condition], label, sample.candidates, sample.question)


def contexts() -> list[Context]:
    return [context_of(sample, condition) for sample in samples() for condition in sample.texts]


def variants(context: Context, seed: int = 1) -> list[Rendered]:
    """Every operator at every level."""
    return [render(apply(context, op, level, seed)) for op in OPERATORS for level in levels_for(context, op)]


@given(st.text(min_size=1).filter(str.strip), st.sampled_from([None, *LABELS]))
def test_a_base_text_is_rendered_byte_for_byte(text: str, label: str | None) -> None:
    context = base_context(text, label, LABELS, "What emotion is it?")
    assert render(context) == Rendered(text, "same", (), "before", LABELS, label)
    for operator in OPERATORS:
        assert apply(context, operator, "none", 7) == context == apply(context, operator, 0)


SENTENCES = "she is not sad no fear I am happy to say , . : ; Yes dog There a calm 'angry' isn't well-known 3.5 İ ß é"
MIXED = st.lists(st.sampled_from(["\n", *SENTENCES.split()]), min_size=1, max_size=14).map(" ".join)


@settings(deadline=None, max_examples=60)
@given(st.data(), (MIXED | st.text(min_size=1, max_size=60)).filter(str.strip), st.sampled_from([None, *LABELS]))
def test_guards_hold_for_any_text_and_any_edits(data: st.DataObject, text: str, label: str | None) -> None:
    context = base_context(text, label, LABELS, "What emotion is it?")
    for _ in range(3):
        operator = data.draw(st.sampled_from(list(OPERATORS)))
        levels = levels_for(base_context(text, label, LABELS, "What emotion is it?"), operator)
        if levels:
            context = apply(context, operator, data.draw(st.sampled_from(levels)), data.draw(st.integers(0, 99)))
    render(context)


def test_every_operator_changes_something_somewhere_at_every_level() -> None:
    seen = {variant.operators for context in contexts() for variant in variants(context)}
    wanted = {(f"{op.name}:{level}",) for op in OPERATORS.values() for level in op.levels[1:]}
    assert wanted - seen == {("unicode:nfd",), ("space:lines",)} - seen
    accents = base_context("Café noise. She is sad.", "sad", LABELS, "?")
    assert "nfd" in levels_for(accents, "unicode")
    assert "lines" in levels_for(accents, "space")


def test_levels_are_named_once_and_doses_fit() -> None:
    for name, operator in OPERATORS.items():
        assert operator.name == name
        assert operator.levels[0] == "none"
        assert len(set(operator.levels)) == len(operator.levels)
        assert len(operator.doses) in (0, len(operator.levels))
    assert len(OPERATORS) >= 19


def test_protected_words_survive_every_operator_that_does_not_aim_at_them() -> None:
    for context in (base_context(SAD, "sad", LABELS, "?"), *contexts()):
        said = mentioned(context.text, LABELS)
        for variant in variants(context):
            (edit,) = variant.operators
            assert (
                said <= mentioned(variant.text, LABELS)
                or edit.startswith(("dose", "asr:claim", "paraphrase"))
                or (edit in ("voice:passive", "language:de", "language:fr", "language:es"))
            ), variant
    for operator in ("typo", "asr", "unicode", "punctuation", "space", "case"):
        for level in levels_for(base_context(SAD, "sad", LABELS, "?"), operator):
            if level == "claim":
                continue
            for seed in range(5):
                varied = apply(base_context(SAD, "sad", LABELS, "?"), operator, level, seed)
                said_now = plain_words(render(varied).text)
                assert {"sorrow", "not"} <= set(said_now)


@pytest.mark.parametrize("level", ["nfd", "zero-width", "right-to-left", "full-width", "homoglyph"])
def test_unicode_reads_the_same(level: str) -> None:
    for context in contexts():
        if level in levels_for(context, "unicode"):
            text = render(apply(context, "unicode", level)).text
            assert text != context.text
            assert plain_words(text) == plain_words(context.text)
            if level in ("nfd", "full-width"):
                assert unicodedata.normalize("NFKC", text) == unicodedata.normalize("NFKC", context.text)


def asserted(text: str, context: Context) -> str | None:
    """The label that our reader finds asserted in a text; for yes and no, from what the question asks about."""
    text = text.translate({ord(other): latin for latin, other in HOMOGLYPHS.items()})
    if not polar(context.labels):
        return text_label(text, context.labels, "", IRRELEVANT)
    found = set()
    for sentence in clean(text).replace(";", ".").split("."):
        there = stated(words(sentence).fold, topic(context.question))
        found |= {there} if there is not None else set()
        found |= {"yes" in mentioned(sentence, context.labels)} if mentioned(sentence, context.labels) else set()
    return {True: "yes", False: "no"}[found.pop()] if len(found) == 1 else None


UNREADABLE = ("dose", "asr:claim", "reliability:known-wrong", "language:de", "language:fr", "language:es", "injection")
"""Destroyed, foreign, said of the whole text, or an order: no claim that our reader could read."""


def test_claims_are_what_the_reader_reads() -> None:
    checked: dict[Claims, int] = {"same": 0, "void": 0, "flipped": 0}
    dogs = [
        base_context(t, y, ("no", "yes"), "Is there a dog?")
        for t, y in (("There is a dog.", "yes"), ("There is no dog.", "no"))
    ]
    for context in (*dogs, *contexts()):
        if context.label is None or asserted(context.text, context) != context.label:
            continue
        for variant in variants(context):
            if not variant.operators[0].startswith(UNREADABLE):
                read = asserted(variant.text, context)
                keeps = read == context.label or (read is None and polar(context.labels) and variant.claims == "same")
                assert keeps == (variant.claims == "same"), (read, variant)  # yes and no are read in few wordings
                checked[variant.claims] += 1
    assert min(checked.values()) > 0
    assert checked["same"] > 500


def test_claims_by_operator() -> None:
    two = base_context("There is a dog.", "yes", ("no", "yes"), "Is there a dog?")
    five = base_context("The speaker is sad.", "sad", LABELS, "How does the speaker feel?")

    def claims(context: Context, *edits: tuple[str, str]) -> str:
        for operator, level in edits:
            context = apply(context, operator, level)
        return render(context).claims

    assert claims(two, ("negation", "not")) == "flipped"
    assert claims(five, ("negation", "not")) == "void"
    assert claims(two, ("negation", "not"), ("quotation", "mistaken")) == "void"
    assert claims(five, ("injection", "answer")) == "instruction"
    assert claims(five, ("injection", "answer"), ("dose", "100")) == "void"
    assert claims(five, ("reliability", "known-wrong")) == "void"
    assert claims(five, ("reliability", "verified"), ("hedge", "unsure"), ("case", "upper")) == "same"
    assert claims(five, ("asr", "wer40")) == "same"
    assert claims(five, ("asr", "claim")) == "void"


def test_a_stronger_level_goes_on_from_the_milder_one() -> None:
    context = base_context("The mood of the person in this long recording is furious.", "angry", LABELS, "?")
    lost = [render(apply(context, "dose", level, 3)).text for level in ("25", "50", "75", "100")]
    for mild, strong in pairwise(lost):
        assert all(s == "_" for m, s in zip(mild, strong, strict=True) if m == "_")
    assert not any(c.isalnum() for c in lost[-1])
    fillers = [render(apply(context, "length", level, 3)).text for level in ("1", "2", "4", "8")]
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(fillers))


def test_edits_commute_and_the_last_level_counts() -> None:
    context = base_context("The speaker is sad.", "sad", LABELS, "?")
    one = apply(apply(context, "authority", "expert"), "case", "upper")
    assert one == apply(apply(apply(context, "case", "lower"), "authority", "expert"), "case", "upper")
    assert render(one).text == "AN EXPERT REPORTS: THE SPEAKER IS SAD."
    assert render(one).operators == ("case:upper", "authority:expert")
    reworded = apply(apply(context, "paraphrase", "1"), "language", "de")
    assert render(reworded).operators == ("language:de",)
    assert render(reworded).text == "Die Stimme klingt traurig."
    assert apply(reworded, "language", "none") == context


def test_only_the_claim_is_put_in_other_words() -> None:
    context = base_context("A note on the clip. The speaker is sad. The room is small.", "sad", LABELS, "?")
    assert render(apply(context, "negation", 1)).text == (
        "A note on the clip. It is not the case that the speaker is sad. The room is small."
    )
    assert render(apply(context, "voice", "claim-first")).text.startswith("The speaker is sad. A note")
    assert render(apply(context, "repetition", "2")).text.count("sad") == 2


def test_words_of_an_operator_that_name_a_label_make_it_unavailable() -> None:
    context = base_context("A pulse is heard.", "sensor", ("radio", "sensor"), "What is it?")
    assert levels_for(context, "authority") == ("anonymous", "user", "expert", "verified")
    listed = base_context("A dog.", "yes", ("no", "yes"), "A dog? Answer yes or no.")
    assert levels_for(listed, "option-order") == ()
    irrelevant = base_context("The shop is closed.", None, LABELS, "?")
    assert not any(levels_for(irrelevant, op) for op in ("paraphrase", "negation", "quotation", "injection", "dose"))


def test_a_complete_prompt_keeps_its_question() -> None:
    text = "A dog barks. Is there a dog? Answer yes or no."
    context = base_context(text, "yes", ("no", "yes"), "Is there a dog?")
    assert render(apply(context, "case", "upper")).text == "A DOG BARKS. Is there a dog? Answer yes or no."
    assert levels_for(context, "position") == ()
    with pytest.raises(ValueError, match="nothing but the question"):
        base_context("Is there a dog?", "yes", ("no", "yes"), "Is there a dog?")


@pytest.mark.parametrize(
    ("call", "words_"),
    [
        (lambda c: apply(c, "cases", 1), "unknown operator 'cases'; expected one of case, "),
        (lambda c: apply(c, "case", "big"), "operator case has no level 'big'; expected one of none, lower"),
        (lambda c: apply(c, "case", 9), "no level 9"),
        (lambda c: base_context(" ", "sad", LABELS, "?"), "text is empty"),
        (lambda c: base_context("x", "bad", LABELS, "?"), "label 'bad' is none of the labels"),
    ],
)
def test_bad_names(call: object, words_: str) -> None:
    with pytest.raises(ValueError, match=words_):
        call(base_context("The speaker is sad.", "sad", LABELS, "?"))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"text": "The speaker is angry, and sad."}, "names \\['angry'\\]"),
        ({"text": "The speaker is."}, "label 'sad' is gone"),
        ({"text": "The speaker is sad. " * 200}, "characters, too many"),
        ({"candidates": ("sad",)}, "options became"),
    ],
)
def test_a_broken_guard_is_our_bug_and_shows_the_text(change: dict[str, object], rule: str) -> None:
    context = apply(base_context("The speaker is sad.", "sad", LABELS, "?"), "typo", 1, 5)
    bad = replace(render(context), **change)  # type: ignore[arg-type]
    with pytest.raises(PerturbError, match=rule) as caught:
        check(context, bad)
    assert "a bug in pytest-mcr" in str(caught.value)
    assert "typo:1 (seed 5)" in str(caught.value)
    assert repr(bad.text) in str(caught.value)
    base = base_context("The speaker is sad.", "sad", LABELS, "?")
    with pytest.raises(PerturbError, match="base text changed"):
        check(base, replace(render(base), text="The speaker is sad"))
    with pytest.raises(PerturbError, match="protected word"):
        check(context, render(context), bearing=("sorrow",))


def test_no_word_of_an_operator_is_in_the_default_template() -> None:
    fixed = (DISCRETION.instruction, DISCRETION.text_line, DISCRETION.question_line, DISCRETION.options_line)
    assert TELLING.isdisjoint(key(" ".join(fixed)))
    added = [set(key(v.text)) - set(key(c.text)) for c in contexts()[:6] for v in variants(c)]
    assert all(any(word in words_ for words_ in added) for word in ("verified", "expert", "sensor", "wrong", "ignore"))


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.name)
def test_a_base_text_gives_the_prompt_of_its_case(template: object) -> None:
    for sample in samples():
        for condition in sample.texts:
            context = context_of(sample, condition)
            prompt = render_variant(template, sample, render(context))  # type: ignore[arg-type]
            assert prompt == render_case(template, Case(sample, condition).sample, condition)  # type: ignore[arg-type]


def test_position_and_option_order_move_lines_and_change_none() -> None:
    (sample,) = [s for s in samples() if s.id == "SER-0000"]
    context = context_of(sample, ADVERSARIAL)
    plain = render_variant(DISCRETION, sample, render(context)).split("\n")
    after = render_variant(DISCRETION, sample, render(apply(context, "position", "after"))).split("\n")
    assert after == [plain[0], plain[2], plain[1], plain[3]]
    turned = render_variant(PAPER, sample, render(apply(context, "option-order", "reversed"))).split("\n")
    assert turned[-1] == f"Options: {', '.join(reversed(sample.candidates))}."


def digest_of_everything() -> str:
    """One hash of every variant of a few texts."""
    found = "\n".join(repr(v) for c in contexts()[::9] for seed in (0, 5) for v in variants(c, seed))
    return hashlib.sha256(found.encode()).hexdigest()


def test_texts_are_the_same_in_another_process_with_another_hash_seed() -> None:
    code = "from tests.unit.test_perturb import digest_of_everything; print(digest_of_everything())"
    hash_seed = {"PYTHONHASHSEED": "4711"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **hash_seed}, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.strip() == digest_of_everything(), ran.stderr


def test_the_documentation_lists_every_operator_and_level() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dominance.md").read_text()
    for operator in OPERATORS.values():
        levels = ", ".join(f"`{level}`" for level in operator.levels[1:])
        assert f"| `{operator.name}` | {levels} | {operator.kind} | {operator.description} |" in page
