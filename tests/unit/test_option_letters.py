"""Option letters count only where the prompt offered them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.answers import offered_letters, read_answer

VSC = ("Laughter", "Sigh", "Cough", "Throat clearing", "Sneeze", "Sniff")


def answer(text: str, prompt: str = "") -> str | None:
    return read_answer(text, candidates=VSC, gold="Cough", text_label=None, prompt=prompt).answer


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
        assert answer(form.format(letter), prompt) == label
        assert answer(form.format(letter)) is None
