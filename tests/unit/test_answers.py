"""The matcher may abstain; it never guesses."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.answers import Match, offered_letters, read_answer, text_label
from pytest_mcr.core.case import Verdict
from pytest_mcr.core.labels import labels
from pytest_mcr.core.lexicon import FAMILIES, IDIOMS, OTHER_SENSES, inflections
from pytest_mcr.core.words import key

NASTY = [json.loads(line) for line in (Path(__file__).parent / "nasty_answers.jsonl").read_text().splitlines()]

VSC = ("Laughter", "Sigh", "Cough", "Throat clearing", "Sneeze", "Sniff")
SER = ("angry", "happy", "neutral", "sad")
ESC = ("Dog bark", "Rain", "Sea waves", "Baby cry", "Clock tick", "Person sneeze", "Helicopter", "Chainsaw", "Rooster")
YES_NO = ("yes", "no")
INVENTED = ("Blorp", "Zindle", "Quax", "Mivvering", "Tarn gloop")
SETS = (VSC, SER, ESC, YES_NO, INVENTED)

closed_sets = st.sampled_from(SETS)


def read(row: dict[str, Any]) -> Match:
    asked = {"candidates": row["candidates"], "gold": row["gold"], "text_label": row["text_label"]}
    return read_answer(row["text"], **asked, prompt=row.get("prompt", ""))


def answer(text: str, candidates: tuple[str, ...], prompt: str = "") -> str | None:
    return read_answer(text, candidates=candidates, gold=candidates[0], text_label=candidates[1], prompt=prompt).answer


# --- the labelled file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", range(len(NASTY)), ids=str)
def test_no_nasty_answer_is_read_wrongly(line: int) -> None:
    row = NASTY[line]
    match = read(row)
    if row.get("may_abstain") and match.verdict is Verdict.UNPARSED:
        return
    assert match.verdict == row["expect"], row["text"]
    if "answer" in row:
        assert match.answer == row["answer"]


def test_the_labelled_file_is_large_and_abstentions_are_few() -> None:
    kinds = Counter(row["expect"] for row in NASTY)
    abstained = sum(read(row).verdict is Verdict.UNPARSED and row["expect"] != "unparsed" for row in NASTY)
    assert len(NASTY) >= 200
    assert len({(row["text"], *row["candidates"], row.get("prompt")) for row in NASTY}) == len(NASTY)
    assert kinds["flagged"] >= 20
    assert min(kinds[k] for k in ("audio", "text", "other", "unparsed")) >= 50
    assert abstained <= 0.08 * len(NASTY)


# --- properties -------------------------------------------------------------------------------------------------------

WRAPPERS = (
    "{}",
    "{}.",
    " {}\n",
    '"{}"',
    "'{}'",
    "**{}**",
    "({})",
    "`{}`",
    "{}!",
    "- {}",
    "\u201c{}\u201d",
    "# {}",
    "{} \U0001f600",
)
SAYINGS = (
    "The answer is {}.",
    "Answer: {}",
    "I choose {}.",
    "I would say {}.",
    '{{"answer": "{}"}}',
    "<think>{}? no.</think>{}",
)
CASES: tuple[Callable[[str], str], ...] = (str, str.lower, str.upper, str.title, str.swapcase)


def wide(text: str) -> str:
    """Full-width forms of ASCII."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@given(closed_sets, st.data())
def test_a_candidate_alone_is_itself_in_any_dress(candidates: tuple[str, ...], data: st.DataObject) -> None:
    candidate = data.draw(st.sampled_from(candidates))
    dressed = data.draw(st.sampled_from(CASES))(candidate)
    dressed = wide(dressed) if data.draw(st.booleans()) else dressed
    assert answer(data.draw(st.sampled_from(WRAPPERS)).format(dressed), candidates) == candidate


@given(closed_sets, st.data())
def test_a_candidate_said_plainly_is_read(candidates: tuple[str, ...], data: st.DataObject) -> None:
    candidate = data.draw(st.sampled_from(candidates))
    said = data.draw(st.sampled_from(SAYINGS))
    assert answer(said.format(*[candidate] * said.count("{}")), candidates) == candidate


NEGATIONS = (
    "not {}",
    "It is not {}.",
    "It isn't {}.",
    "This is definitely not {}",
    "I don't think it is {}.",
    "It can't be {}.",
    "neither {}",
    "anything but {}",
    "I rule out {}.",
    "{} is not the answer.",
    "{} is wrong.",
    "The answer is not {}.",
    "Answer: not {}",
    "Everything except {}",
    "rather than {}",
    "~~{}~~",
    "\u274c {}",
)


@given(closed_sets.filter(lambda s: s != YES_NO), st.sampled_from(NEGATIONS), st.data())
def test_a_negated_label_is_no_answer(candidates: tuple[str, ...], negation: str, data: st.DataObject) -> None:
    assert answer(negation.format(data.draw(st.sampled_from(candidates))), candidates) is None


CORRECTIONS = (
    "not {0}, but {1}",
    "It is not {0}; it is {1}.",
    "It isn't {0}, it's {1}.",
    "{1}, not {0}",
    "{1} rather than {0}",
    "Instead of {0}, I hear {1}.",
    "The text says {0}, but I hear {1}.",
    "While the description mentions {0}, it is {1}.",
    "{0} is not what I hear. I hear {1}.",
    "It could be {0}. Final answer: {1}",
    "Is it {0}? No, it is {1}.",
)


@given(closed_sets.filter(lambda s: s != YES_NO), st.sampled_from(CORRECTIONS), st.data())
def test_a_correction_gives_the_second_label(candidates: tuple[str, ...], form: str, data: st.DataObject) -> None:
    wrong, right = data.draw(st.permutations(candidates))[:2]
    assert answer(form.format(wrong, right), candidates) == right


UNDECIDED = (
    "{} or {}",
    "either {} or {}",
    "{}/{}",
    "{} and {}",
    "{}, {}",
    "Between {} and {}",
    "not {} and not {}",
    "{}? {}?",
)


@given(closed_sets, st.sampled_from(UNDECIDED), st.data())
def test_two_labels_are_no_answer(candidates: tuple[str, ...], form: str, data: st.DataObject) -> None:
    assert answer(form.format(*data.draw(st.permutations(candidates))[:2]), candidates) is None


PIECES = """
not no but , . ; ? : or and the a text audio says hear i it is isn't neither nor answer " ( ) if so yes laughing coughs
"""
sentences = st.lists(st.sampled_from([*PIECES.split(), *VSC]), max_size=14).map(" ".join)


@given(sentences, st.permutations(VSC))
def test_the_order_of_candidates_does_not_matter(text: str, shuffled: list[str]) -> None:
    assert answer(text, VSC) == answer(text, tuple(shuffled))


@given(st.one_of(st.text(), sentences), closed_sets)
def test_any_text_gives_a_match_from_the_set(text: str, candidates: tuple[str, ...]) -> None:
    match = read_answer(text, candidates=candidates, gold=candidates[0], text_label=candidates[1], prompt=text)
    assert match.answer is None or match.answer in candidates
    assert (match.answer is None) == (match.verdict in (Verdict.FLAGGED, Verdict.UNPARSED))


@given(st.text(), st.text(min_size=1), st.none() | st.text(min_size=1))
def test_any_open_ended_text_gives_a_match(text: str, gold: str, other: str | None) -> None:
    match = read_answer(text, candidates=(), gold=gold, text_label=other)
    assert match.verdict is not Verdict.ERROR
    assert match.verdict is not Verdict.TEXT or match.answer == other


@given(st.lists(st.sampled_from([*PIECES.split(), "{0}", "{1}", "{2}"]), max_size=14), st.permutations(INVENTED))
def test_renaming_invented_labels_renames_the_answer(pieces: list[str], renamed: list[str]) -> None:
    said = " ".join(pieces)
    names = dict(zip(INVENTED, renamed, strict=True))
    before = answer(said.format(*INVENTED), INVENTED)
    assert answer(said.format(*renamed), tuple(renamed)) == (None if before is None else names[before])


@given(st.lists(st.text("abcdefghij", min_size=4, max_size=9), min_size=2, max_size=6, unique_by=key))
def test_made_up_labels_are_read_alone(candidates: list[str]) -> None:
    for candidate in candidates:
        assert answer(f"{candidate.upper()}.", tuple(candidates)) == candidate


# --- verdicts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "supported", "verdict"),
    [
        ("Cough", "Sigh", Verdict.AUDIO),
        ("Sigh", "Cough", Verdict.TEXT),
        ("Sigh", None, Verdict.OTHER),
        ("Sigh", "Sniff", Verdict.OTHER),
        ("Cough", "Cough", Verdict.AUDIO),
        ("cough", None, Verdict.AUDIO),
    ],
)
def test_the_verdict_is_relative_to_gold_and_text_label(gold: str, supported: str | None, verdict: Verdict) -> None:
    assert read_answer("coughing", candidates=VSC, gold=gold, text_label=supported) == Match("Cough", verdict)


def test_open_ended_other_answers_can_be_told_apart() -> None:
    first = read_answer("A  Violin!", candidates=(), gold="guitar", text_label="piano")
    second = read_answer("a violin", candidates=(), gold="guitar", text_label="piano")
    assert first == second == Match("a violin", Verdict.OTHER)


# --- letters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        "A) Cough\nB) Sigh",
        "(a) cough (b) sigh",
        "A. Cough, B. Sigh",
        "Options: [A] Cough; [B] Sigh.",
        "A: Cough B: Sigh",
        "B) Sigh\nA) Cough",
        "(\uff21) Cough (\uff22) Sigh",
    ],
)
def test_letters_that_a_prompt_offers(prompt: str) -> None:
    assert offered_letters(prompt, ("Sigh", "Cough")) == {"A": "Cough", "B": "Sigh"}


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "Cough or sigh?",
        "A) Cough",
        "A) Cough B) Cough",
        "B) Cough C) Sigh",
        "A) Cough A) Sigh",
        "a cough b sigh",
        "A) Sneeze B) Sigh",
    ],
)
def test_a_partial_or_contradictory_offer_is_none(prompt: str) -> None:
    assert offered_letters(prompt, ("Sigh", "Cough")) == {}


@given(st.permutations(VSC), st.sampled_from(("{}", "({})", "Option {}", "Answer: {}", "The answer is {}.", "**{}**")))
def test_letters_follow_the_prompt_not_the_order_of_candidates(shown: list[str], form: str) -> None:
    prompt = "\n".join(f"{letter}) {label}" for letter, label in zip("ABCDEF", shown, strict=True))
    for letter, label in zip("ABCDEF", shown, strict=True):
        assert answer(form.format(letter), VSC, prompt) == label
        assert answer(form.format(letter), VSC) is None


# --- text labels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Sea waves roll onto the shore.", "Sea waves"),
        ("The recording has surf and breaking waves.", "Sea waves"),
        ("Somebody lets out a sneeze.", "Person sneeze"),
        ("An infant cries throughout the recording.", "Baby cry"),
        ("There is no dog barking; a chainsaw is running.", "Chainsaw"),
        ("There is no dog barking.", None),
        ("A dog barks while rain falls.", None),
        ("The museum opens at nine on weekdays.", None),
        ("A red kite hangs in the oak tree.", None),
        ("The caption mentions a helicopter.", "Helicopter"),
        ("", None),
    ],
)
@pytest.mark.parametrize("condition", ["faithful", "adversarial", "irrelevant"])
def test_a_description_supports_what_it_asserts(text: str, label: str | None, condition: str) -> None:
    assert text_label(text, ESC, "Rain", condition) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The speaker says the line in an angry tone.", "angry"),
        ("She says it sadly.", "sad"),
        ("A man says he is fine but sounds furious.", "angry"),
        ("The voice is not happy; it is sad.", "sad"),
        ("Neither happy nor sad.", None),
        ("The voice is unhappy.", None),
    ],
)
def test_a_description_of_speech(text: str, label: str | None) -> None:
    assert text_label(text, SER, "neutral", "adversarial") == label


@given(st.text(), st.sampled_from(YES_NO))
def test_two_candidates_need_no_reading(text: str, gold: str) -> None:
    other = "no" if gold == "yes" else "yes"
    assert text_label(text, YES_NO, gold, "adversarial") == other
    assert text_label(text, YES_NO, gold, "faithful") == gold
    assert text_label(text, YES_NO, gold.upper(), "adversarial") == other


def test_irrelevant_and_neutral_and_open_ended_have_no_label_unless_one_is_asserted() -> None:
    assert text_label("No car has passed in years.", YES_NO, "yes", "irrelevant") is None
    assert text_label("A dog barks.", ESC, "Rain", "neutral") is None
    assert text_label("A guitar.", (), "guitar", "faithful") is None
    assert text_label("x", ("yes", "no"), "perhaps", "adversarial") is None


@given(closed_sets.filter(lambda s: len(s) > 2), st.data())
def test_a_label_named_only_under_negation_is_no_label(candidates: tuple[str, ...], data: st.DataObject) -> None:
    candidate = data.draw(st.sampled_from(candidates))
    assert text_label(f"There is no {candidate} in it.", candidates, candidates[0], "adversarial") is None
    assert text_label(f"It is {candidate}.", candidates, candidates[0], "adversarial") == candidate


# --- the lexicon ------------------------------------------------------------------------------------------------------


def test_each_form_has_one_meaning_and_is_in_normal_form() -> None:
    counted = Counter(form for family in FAMILIES for form in {f for group in family for f in group})
    assert [form for form, n in counted.items() if n > 1] == []
    for form in [*counted, *OTHER_SENSES]:
        assert key(" ".join(form).replace(" 's", "'s")) == form
    assert len(set(IDIOMS)) == len(IDIOMS)


def test_synonyms_speak_only_for_a_lone_member_of_their_family() -> None:
    assert answer("joyful", ("happy", "sad")) == "happy"
    assert answer("joyful", ("happy", "cheerful")) is None
    assert answer("happily", ("happy", "cheerful")) == "happy"


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("cough", "coughing"),
        ("sneeze", "sneezing"),
        ("clap", "clapped"),
        ("cry", "cries"),
        ("whistling", "whistles"),
        ("bells", "bell"),
    ],
)
def test_regular_inflections(word: str, form: str) -> None:
    assert form in inflections(word)


def test_labels_that_share_their_words_are_not_guessed_between() -> None:
    assert answer("happy", ("Happy", "happy ")) is None
    assert labels(("Happy", "happy ")).exact == {("happy",): None}


# --- cost -------------------------------------------------------------------------------------------------------------


def test_twelve_thousand_short_answers_cost_less_than_a_second() -> None:
    said = (
        "Cough",
        "laughter.",
        "The sound is a cough.",
        "It is not laughter, it is a sneeze.",
        "Yes",
        "I hear a sigh.",
    )
    prompt = "Listen to the audio and answer the question.\nText: A person laughs.\nQuestion: Which sound is it?"

    def cost() -> float:
        start = time.process_time()
        for i in range(12_000):
            read_answer(said[i % 6], candidates=VSC, gold="Cough", text_label="Laughter", prompt=prompt)
        return time.process_time() - start

    assert min(cost() for _ in range(2)) < 1.0


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(
        ("no ", "not cough, ", "( ", '" ', "<think>", "{", "\\boxed{", "<|", "A) ", "text says ", "~~", "cough or ")
    )
)
def test_a_degenerate_answer_costs_little(piece: str) -> None:
    start = time.process_time()
    read_answer(piece * 2_000, candidates=VSC, gold="Cough", text_label=None, prompt="A) Cough")
    assert time.process_time() - start < 2.0
