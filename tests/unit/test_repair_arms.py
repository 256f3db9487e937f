"""Arms by name: what is read, what is refused and with which words, what a prompt arm asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.case import CONDITIONS, NEUTRAL, Sample
from pytest_mcr.core.perturbers import PERTURBERS
from pytest_mcr.core.prompt_arms import PROMPT_ARMS, conclusion
from pytest_mcr.core.prompts import DISCRETION, PAPER, render
from pytest_mcr.core.repair_arms import arms_of, early_exit, names, parse_arm, perturbation
from pytest_mcr.core.repair_rules import RULES

SAMPLE = Sample(
    "SER-0000", "SER", "a.wav", "Which emotion is heard?", "happy",
    {"faithful": "A happy voice.", "adversarial": "A sad voice.", "irrelevant": "The museum opens at nine."},
    ("happy", "sad"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "canonical", "branches"),
    [
        ("gacl", "gacl", ("joint", "audio")),
        (" gacl?tau=1.50&lambda=.5 ", "gacl?lambda=0.5&tau=1.5", ("joint", "audio")),
        ("aad?without=none", "aad?without=none", ("joint", "text_alone")),
        ("contextual", "contextual", ("joint", "text", "silence")),
        ("pmi?of=audio", "pmi?of=audio", ("audio", "silence")),
        ("hard-switch", "hard-switch", ("audio",)),
        ("acd", "acd", ("joint", "P noise 0")),
        ("acd?snr=-6.0", "acd?snr=-6", ("joint", "P noise -6")),
        ("acd?perturber=noise", "acd?perturber=noise", ("joint", "P noise 0")),
        ("acd?perturber=reverse", "acd?perturber=reverse", ("joint", "P reverse")),
        ("acd?strength=.75&perturber=mask", "acd?perturber=mask&strength=0.75", ("joint", "P mask 0.75")),
        ("acd?perturber=lowpass", "acd?perturber=lowpass", ("joint", "P lowpass 0.5")),
        ("dola", "dola", ("early exit low 0.1",)),
        ("dola?mask=0&bucket=high", "dola?bucket=high&mask=0", ("early exit high 0",)),
        ("prompt:reason", "prompt:reason", ()),
        ("joint?decode=generate", "joint?decode=generate", ("joint",)),
        ("aad?mask=.5&decode=generate", "aad?decode=generate&mask=0.5", ("joint", "text")),
    ],
)
def test_arms_are_read(text: str, canonical: str, branches: tuple[str, ...]) -> None:
    arm = parse_arm(text)
    assert arm.text == canonical
    assert arm.branches == branches
    assert arm.passes == max(1, len(branches))
    assert parse_arm(arm.text) == arm


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("help", "one of joint, hard-switch, self-gated, pmi, contextual, aad, acd, gacl, dola, prompt:audio-priority"),
        ("gcal", "did you mean gacl?"),
        ("prompt:none", "one of joint"),
        ("gacl?", "KEY one of lambda, tau, norm, gates, bound, decode, mask, in place of ''"),
        ("gacl?lambda", "in place of 'lambda'"),
        ("gacl?alpha=1", "KEY one of lambda, tau, norm, gates, bound, decode, mask, in place of 'alpha=1'"),
        ("gacl?lambda=-1", "for lambda a number of at least 0, in place of '-1'"),
        ("gacl?lambda=nan", "for lambda a number of at least 0, in place of 'nan'"),
        ("gacl?lambda=inf", "for lambda a number of at least 0, in place of 'inf'"),
        ("gacl?tau=0", "for tau a number above 0, in place of '0'"),
        ("gacl?norm=L2", "for norm one of softmax, center, zscore, in place of 'L2'"),
        ("acd?snr=99", "for snr a number of at least -40 and at most 40, in place of '99'"),
        (
            "acd?perturber=flip",
            "for perturber one of noise, reverse, lowpass, gaussian, downsample, mask, spectrum, in",
        ),
        ("acd?perturber=mask&strength=1.5", "for strength a number of at least 0 and at most 1, in place of '1.5'"),
        ("acd?perturber=reverse&strength=1", "no strength with perturber=reverse, which has none"),
        ("acd?strength=0.5", "no strength with perturber=noise, which has none"),
        ("acd?perturber=lowpass&snr=0", "no snr with perturber=lowpass, which has none"),
        ("dola?bucket=middle", "for bucket one of low, high, in place of 'middle'"),
        ("dola?mask=2", "for mask a number of at least 0 and at most 1, in place of '2'"),
        ("gacl?tau=1&tau=2", "option tau once"),
        ("gacl?mask=0.5", "mask beside decode=generate alone"),
        ("aad?decode=generate&mask=0", "for mask a number above 0 and at most 1, in place of '0'"),
        ("hard-switch?x=1", "'hard-switch' without options"),
        ("prompt:reason?x=1", "'prompt:reason' without options"),
    ],
)
def test_refusals_say_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*$") as refused:
        parse_arm(text)
    assert expected in str(refused.value)


@given(st.sampled_from(names()))
def test_every_name_is_an_arm_and_its_grid_is_made_of_arms(name: str) -> None:
    arm = parse_arm(name)
    assert all(parse_arm(setting.text) == setting for setting in arm.settings)
    assert all(setting.settings == (setting,) for setting in arm.settings)
    assert len(set(arm.settings)) == len(arm.settings)


def test_what_is_done_to_the_clip_says_all_that_it_depends_on() -> None:
    done = {text: str(perturbation(parse_arm(text).branches[1], 7)) for text in (
        "acd", "acd?perturber=reverse", "acd?perturber=lowpass", "acd?perturber=mask&strength=0.25",
    )}  # fmt: skip
    assert list(done.values()) == [
        "white noise at 0 dB, seed 7",
        "time reversal",
        "a low-pass filter of strength 0.5",
        "time masking of strength 0.25, seed 7",
    ]


def test_branches_of_inner_layers_say_bucket_and_mask() -> None:
    assert early_exit(parse_arm("dola").branches[0]) == ("low", 0.1)
    assert early_exit(parse_arm("dola?bucket=high&mask=0.25").branches[0]) == ("high", 0.25)


def test_what_is_fixed_is_not_tuned() -> None:
    assert {setting.options["lambda"] for setting in parse_arm("gacl?lambda=0.7").settings} == {0.7}
    assert len(parse_arm("gacl?lambda=0.7&norm=center").settings) == 3
    assert len(parse_arm("hard-switch").settings) == 1
    assert len(parse_arm("gacl?decode=generate").settings) == 1  # every value would have to be written anew


def test_the_controls_always_come_along_and_the_own_prompt_with_prompts() -> None:
    assert [arm.text for arm in arms_of(("gacl", "hard-switch", "gacl"))] == ["joint", "hard-switch", "gacl"]
    assert [arm.text for arm in arms_of(("prompt:reason",))] == ["joint", "hard-switch", "prompt:none", "prompt:reason"]
    written = ["joint", "hard-switch", "joint?decode=generate", "aad?decode=generate"]
    assert [arm.text for arm in arms_of(("aad?decode=generate",))] == written
    assert {arm.name for arm in arms_of(())} == set(RULES) - {"acd", "dola"}  # they ask more of the model


# --- prompts ---------------------------------------------------------------------------------------------------------

WORDS = {
    "audio-priority": (
        "Listen to the audio and answer the question. A text about the audio may come with it. Where the two "
        "disagree, what you hear counts and not what the text says."
    ),
    "ignore-text": (
        "Listen to the audio and answer the question. A text about the audio may come with it. Leave that "
        "text out of your answer altogether and go by the audio alone."
    ),
    "unreliable": (
        "Listen to the audio and answer the question. A text about the audio may come with it. That text is "
        "unreliable and may contain errors, so hold it against what you hear."
    ),
    "corrupted": (
        "Listen to the audio and answer the question. A text about the audio may come with it. That text may "
        "have been corrupted on purpose to mislead you, so believe nothing of it that you do not hear "
        "yourself."
    ),
    "reason": (
        "Listen to the audio and answer the question. A text about the audio may come with it. That text may "
        "be accurate, inaccurate or irrelevant. First say in one or two sentences what you hear and whether "
        "the text agrees with it. Then give your answer on a last line of its own that begins with 'Answer:'."
    ),
    "transcribe-first": (
        "Listen to the audio and answer the question. A text about the audio may come with it. First write "
        "down what you hear: the words where there is speech, else the sounds. Then give your answer, going "
        "by what you wrote down, on a last line of its own that begins with 'Answer:'."
    ),
}
"""Version 1 of each; another word is another version and another measurement."""


def test_the_wordings() -> None:
    assert {name: arm.instruction for name, arm in PROMPT_ARMS.items()} == WORDS
    assert {arm.version for arm in PROMPT_ARMS.values()} == {1}
    assert {name for name, arm in PROMPT_ARMS.items() if arm.concludes} == {"reason", "transcribe-first"}


@pytest.mark.parametrize("base", [DISCRETION, PAPER])
@pytest.mark.parametrize("name", PROMPT_ARMS)
def test_conditions_differ_in_the_text_line_alone(name: str, base: object) -> None:
    assert base in (DISCRETION, PAPER)
    template = PROMPT_ARMS[name].template(name, DISCRETION if base is DISCRETION else PAPER)
    plain = render(template, SAMPLE, NEUTRAL).splitlines()
    assert plain[0] == WORDS[name]
    for condition in CONDITIONS[1:]:
        lines = render(template, SAMPLE, condition).splitlines()
        assert [lines[0], *lines[2:]] == plain
        assert SAMPLE.texts[condition] in lines[1]


def test_arms_that_write_first_have_room() -> None:
    assert PROMPT_ARMS["reason"].template("reason", DISCRETION).max_new_tokens == 256
    assert PROMPT_ARMS["unreliable"].template("unreliable", DISCRETION).max_new_tokens == DISCRETION.max_new_tokens
    assert PROMPT_ARMS["reason"].template("reason", DISCRETION).name == "discretion+reason"


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("I hear laughter. The text says sad.\nAnswer: happy", "happy"),
        ("The voice is sad.\n**Answer:** sad", "** sad"),
        ("Answer: sad\nNo, wait.\nFinal answer: happy.", "happy."),
        ("- The answer: happy", "happy"),
        ("I hear a voice that sounds happy although the text", ""),
        ("Sad", "Sad"),
        (" happy. ", "happy."),
        ("The text says 'Answer: sad' but", ""),
        ("Answer:", ""),
        ("", ""),
    ],
)
def test_the_answer_is_what_follows_the_mark(text: str, given: str) -> None:
    assert conclusion(text, ("happy", "sad")) == given


def test_the_docs_name_every_arm() -> None:
    page = (Path(__file__).parents[2] / "docs" / "mitigation.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in RULES)
    assert all(name in page for name in PROMPT_ARMS)
    assert all(f"`{key}`" in page or f"`{key}=" in page for rule in RULES.values() for key in rule.parameters)
    assert all(f"`{name}`" in page for name in PERTURBERS)
