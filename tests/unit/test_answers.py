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

from pytest_mcr.core.answers import Match, read_answer
from pytest_mcr.core.case import Verdict
from pytest_mcr.core.reading.words import key

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
    read_answer(piece * 500, candidates=VSC, gold="Cough", text_label=None, prompt="A) Cough")
    assert time.process_time() - start < 1.0
