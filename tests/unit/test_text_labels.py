"""What a description supports, and what its labels are called."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.answers import read_answer, text_label
from pytest_mcr.core.reading.labels import labels
from pytest_mcr.core.reading.lexicon import FAMILIES, IDIOMS, OTHER_SENSES, inflections
from pytest_mcr.core.reading.words import key

VSC = ("Laughter", "Sigh", "Cough", "Throat clearing", "Sneeze", "Sniff")
SER = ("angry", "happy", "neutral", "sad")
ESC = ("Dog bark", "Rain", "Sea waves", "Baby cry", "Clock tick", "Person sneeze", "Helicopter", "Chainsaw", "Rooster")
YES_NO = ("yes", "no")


def read(text: str, candidates: tuple[str, ...]) -> str | None:
    return read_answer(text, candidates=candidates, gold=candidates[0], text_label=None).answer


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


@given(st.sampled_from((VSC, SER, ESC)), st.data())
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
    assert read("joyful", ("happy", "sad")) == "happy"
    assert read("joyful", ("happy", "cheerful")) is None
    assert read("happily", ("happy", "cheerful")) == "happy"


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
    assert read("happy", ("Happy", "happy ")) is None
    assert labels(("Happy", "happy ")).exact == {("happy",): None}
