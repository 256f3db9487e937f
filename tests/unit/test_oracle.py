import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mcr.core.answers import read_answer
from pytest_mcr.core.case import ADVERSARIAL, CONDITIONS, FAITHFUL, IRRELEVANT, NEUTRAL, PLACEBO, Sample, Verdict
from pytest_mcr.core.prompts import TEMPLATES, render
from pytest_mcr.errors import ModelError
from pytest_mcr.models.oracle import Oracle, check
from pytest_mcr.models.oracle_kinds import CONFLICT, MUMBLE, PLANTED
from pytest_mcr.models.protocol import Audio, Model, Request, Response

K3 = ("cough", "laughter", "sigh")
NOISE = np.full(8, 0.5, dtype=np.float32)


def make(
    number: int, candidates: tuple[str, ...] = ("yes", "no"), *, labels: bool = True, question: str = "Is there a dog?"
) -> Sample:
    gold = candidates[number % len(candidates)] if candidates else "a dog"
    wrong = candidates[(number + 1) % len(candidates)] if candidates else "a cat"
    return Sample(
        id=f"AQA-{number:04d}",
        task="AQA",
        audio=f"audio/{number}.wav",
        question=question,
        gold=gold,
        texts={FAITHFUL: f"it is {gold}", ADVERSARIAL: f"it is {wrong}", IRRELEVANT: "The library opens at nine."},
        candidates=candidates,
        text_labels={FAITHFUL: gold, ADVERSARIAL: wrong} if labels else {},
    )


def request(
    sample: Sample, condition: str, digest: str | None = None, template: str = "discretion", **changes: object
) -> Request:
    audio = Audio(NOISE, 16_000, digest or sample.audio)
    fields: dict[str, object] = {
        "id": f"{sample.id}-{condition}",
        "audio": audio,
        "prompt": render(TEMPLATES[template], sample, condition),
        "candidates": sample.candidates,
        "max_new_tokens": 32,
        "want_scores": True,
    }
    return Request(**(fields | changes))  # type: ignore[arg-type]


def oracle(name: str, samples: Iterable[Sample] = (), **options: str) -> Oracle:
    model = Oracle(name, options)
    for sample in samples:
        model.learn(sample, sample.audio)
    return model


def rates(model: Oracle, samples: list[Sample]) -> dict[str, float]:
    """Accuracy by condition, tir[adversarial] and text-follow, by their definitions."""
    right = {
        condition: [model.respond([request(sample, condition)])[0].text == sample.gold for sample in samples]
        for condition in CONDITIONS
    }
    eligible = [n for n, ok in enumerate(right[NEUTRAL]) if ok]
    follow = [model.respond([request(s, ADVERSARIAL)])[0].text == s.text_labels[ADVERSARIAL] for s in samples]
    rates = {condition: sum(values) / len(samples) for condition, values in right.items()}
    rates["tir"] = sum(not right[ADVERSARIAL][n] for n in eligible) / len(eligible)
    rates["follow"] = sum(follow) / len(samples)
    return rates


SAMPLES = [make(number, K3) for number in range(30)]


def test_listener_hears_only() -> None:
    got = rates(oracle("listener", SAMPLES), SAMPLES)
    assert got == {**dict.fromkeys(CONDITIONS, 1.0), "tir": 0.0, "follow": 0.0}


def test_text_follower_follows() -> None:
    got = rates(oracle("text-follower", SAMPLES), SAMPLES)
    assert got == {NEUTRAL: 1.0, FAITHFUL: 1.0, ADVERSARIAL: 0.0, IRRELEVANT: 1.0, "tir": 1.0, "follow": 1.0}


def test_text_follower_without_known_labels_takes_the_first_other_candidate_under_adversarial() -> None:
    samples = [make(number, K3, labels=False) for number in range(6)]
    model = oracle("text-follower", samples)
    for sample in samples:
        said = {condition: model.respond([request(sample, condition)])[0].text for condition in CONDITIONS}
        first_other = next(label for label in K3 if label != sample.gold)
        assert said == {NEUTRAL: sample.gold, FAITHFUL: sample.gold, ADVERSARIAL: first_other, IRRELEVANT: sample.gold}


def test_noisy_is_right_with_probability_p_whatever_the_text() -> None:
    samples = [make(number, K3) for number in range(400)]
    model = oracle("noisy", samples, p="0.8", seed="1")
    right = {c: [model.respond([request(s, c)])[0].text == s.gold for s in samples] for c in CONDITIONS}
    for values in right.values():
        assert abs(np.mean(values) - 0.8) < 0.08  # four standard errors
    eligible = [n for n in range(400) if right[NEUTRAL][n]]
    tir = np.mean([not right[ADVERSARIAL][n] for n in eligible])
    assert abs(tir - 0.2) < 0.09
    wrong = Counter(
        text for s in samples if s.gold == "cough" and (text := model.respond([request(s, NEUTRAL)])[0].text) != s.gold
    )
    assert set(wrong) == {"laughter", "sigh"}


@pytest.mark.parametrize(("p", "expected"), [("0", 0.0), ("1", 1.0)])
def test_noisy_at_the_ends_is_exact(p: str, expected: float) -> None:
    got = rates_or_zero(oracle("noisy", SAMPLES, p=p))
    assert set(got) == {expected}


def rates_or_zero(model: Oracle) -> list[float]:
    return [float(model.respond([request(s, c)])[0].text == s.gold) for s in SAMPLES for c in CONDITIONS]


def test_flagger_flags_and_mumbler_mumbles() -> None:
    flagger = oracle("flagger", SAMPLES)
    said = [flagger.respond([request(SAMPLES[0], condition)])[0].text for condition in CONDITIONS]
    assert said == [SAMPLES[0].gold, SAMPLES[0].gold, "The text and the audio contradict each other.", SAMPLES[0].gold]
    assert oracle("mumbler", SAMPLES, p="1").respond([request(SAMPLES[0], NEUTRAL)])[0].text == "Hmm."
    assert oracle("mumbler", SAMPLES, p="0").respond([request(SAMPLES[0], NEUTRAL)])[0].text == SAMPLES[0].gold


@pytest.mark.parametrize("template", sorted(TEMPLATES))
@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_text_line_is_read_in_every_template(template: str, condition: str) -> None:
    sample = SAMPLES[4]
    [response] = oracle("text-follower", [sample]).respond([request(sample, condition, template=template)])
    assert response.text == sample.text_labels.get(condition, sample.gold)


def test_complete_prompts_and_the_placebo_are_understood() -> None:
    question = "Is there a dog?"
    texts = {ADVERSARIAL: f"The recording has no dog in it. {question}", FAITHFUL: f"A dog barks. {question}"}
    labels = {ADVERSARIAL: "no", FAITHFUL: "yes"}
    sample = Sample("AQA-0000", "AQA", "a.wav", question, "yes", texts, ("yes", "no"), labels, complete=True)
    model = oracle("text-follower", [sample])
    said = [model.respond([request(sample, c)])[0].text for c in (NEUTRAL, PLACEBO, FAITHFUL, ADVERSARIAL)]
    assert said == ["yes", "yes", "yes", "no"]


def test_a_text_that_is_a_word_of_the_question_does_not_count_as_given() -> None:
    sample = Sample("AQA-0000", "AQA", "a.wav", "Is there a dog", "yes", {ADVERSARIAL: "dog"}, ("yes", "no"))
    model = oracle("text-follower", [sample])
    assert model.respond([request(sample, NEUTRAL)])[0].text == "yes"
    assert model.respond([request(sample, ADVERSARIAL)])[0].text == "no"


def test_one_clip_with_two_questions_is_told_apart() -> None:
    dog, cat = make(0), make(1, question="Is there a dog? Or is it a cat?")
    model = Oracle("listener", {})
    for sample in (dog, cat):
        model.learn(sample, "same")
    assert [model.respond([request(s, NEUTRAL, "same")])[0].text for s in (dog, cat)] == [dog.gold, cat.gold]


def test_one_clip_and_one_text_with_two_questions_is_told_apart() -> None:
    texts = {ADVERSARIAL: "A cat meows."}
    labels = {ADVERSARIAL: "cat"}
    which = Sample(
        "B-0000", "B", "a.wav", "Which animal is heard in this recording?", "dog", texts, ("cat", "dog"), labels
    )
    whether = Sample("A-0000", "A", "a.wav", "Is it a dog?", "yes", texts, ("yes", "no"), {ADVERSARIAL: "no"})
    model = oracle("text-follower", [which, whether])
    assert [model.respond([request(s, ADVERSARIAL)])[0].text for s in (which, whether)] == ["cat", "no"]


def test_open_questions() -> None:
    sample = make(0, ())
    said = {
        name: [oracle(name, [sample]).respond([request(sample, c)])[0].text for c in CONDITIONS]
        for name in ("listener", "text-follower")
    }
    assert said["listener"] == ["a dog"] * 4
    assert said["text-follower"] == ["a dog", "a dog", "a cat", "a dog"]
    unknown = make(0, (), labels=False)
    assert oracle("text-follower", [unknown]).respond([request(unknown, ADVERSARIAL)])[0].text == "it is a cat"


def moves(name: str, candidates: tuple[str, ...]) -> list[float]:
    """Largest change of a log-probability between two clips that the oracle does not know."""
    options = {"seconds": "0"} if name == "slow" else {}
    model, sample = oracle(name, SAMPLES, **options), make(0, candidates)
    rows = [model.respond([request(sample, NEUTRAL, f"clip {n}")])[0].scores for n in range(200)]
    found = []
    for one, two in zip(rows[::2], rows[1::2], strict=True):
        assert one is not None
        assert two is not None
        assert math.isclose(sum(map(math.exp, one.values())), 1.0)
        found.append(max(abs(one[label] - two[label]) for label in candidates))
    return found


@pytest.mark.parametrize("name", sorted(set(PLANTED) - {"deaf", "mute", "constant"}))
@pytest.mark.parametrize("candidates", [("yes", "no"), K3])
def test_unknown_audio_moves_every_hearing_oracle(name: str, candidates: tuple[str, ...]) -> None:
    found = moves(name, candidates)
    assert np.mean([move > 0.05 for move in found]) > 0.95


@pytest.mark.parametrize("name", ["deaf", "constant"])
def test_unknown_audio_does_not_move_those_that_do_not_hear(name: str) -> None:
    assert max(moves(name, K3)) == 0.0


def test_guesses_are_uniform_and_silence_is_a_guess() -> None:
    model, sample = oracle("listener"), make(0, K3)
    said = Counter(model.respond([request(sample, NEUTRAL, f"clip {n}")])[0].text for n in range(900))
    assert all(230 < said[label] < 370 for label in K3)  # five standard deviations around 300
    assert model.respond([request(sample, NEUTRAL, audio=None)])[0].text in K3
    heard = {model.respond([request(make(0, ()), NEUTRAL, f"clip {n}")])[0].text for n in range(8)}
    assert len(heard) > 2


def test_those_that_do_not_hear_say_the_same_about_every_clip() -> None:
    sample = make(0, ())
    for name in ("deaf", "mute", "constant"):
        model = oracle(name, SAMPLES)
        assert len({model.respond([request(sample, NEUTRAL, f"clip {n}")])[0].text for n in range(32)}) == 1
    assert oracle("constant", SAMPLES).respond([request(SAMPLES[1], ADVERSARIAL)])[0].text == K3[0]
    assert oracle("mute", SAMPLES).respond([request(SAMPLES[1], NEUTRAL)]) == [Response("", None)]


def test_confidence() -> None:
    [response] = oracle("listener", SAMPLES, confidence="0.9").respond([request(SAMPLES[0], NEUTRAL)])
    assert response.scores is not None
    chances = {label: math.exp(score) for label, score in response.scores.items()}
    assert chances == pytest.approx({"cough": 0.9, "laughter": 0.05, "sigh": 0.05})
    [silent] = oracle("listener", SAMPLES, scores="no").respond([request(SAMPLES[0], NEUTRAL)])
    assert silent.scores is None
    [unasked] = oracle("listener", SAMPLES).respond([request(SAMPLES[0], NEUTRAL, want_scores=False)])
    assert unasked.scores is None


@given(
    st.permutations(range(12)), st.sampled_from(sorted(set(PLANTED) - {"short", "shifted", "nan", "slow", "crasher"}))
)
def test_ids_order_and_company_change_nothing(order: list[int], name: str) -> None:
    model = oracle(name, SAMPLES)
    requests = [request(SAMPLES[n // 4], CONDITIONS[n % 4]) for n in range(12)]
    alone = [model.respond([asked])[0] for asked in requests]
    renamed = [request(SAMPLES[n // 4], CONDITIONS[n % 4], id="canary::0") for n in order]
    assert model.respond(renamed) == [alone[n] for n in order]
    assert oracle(name, reversed(SAMPLES)).respond(requests) == alone


def test_misbehaviour_spares_the_canary() -> None:
    known = [request(sample, NEUTRAL) for sample in SAMPLES[:4]]
    probes = [request(SAMPLES[0], NEUTRAL, f"clip {n}") for n in range(4)]
    for name in ("short", "nan", "shifted", "crasher"):
        responses = oracle(name, SAMPLES).respond(probes)
        assert responses == oracle("listener", SAMPLES).respond(probes)
    assert len(oracle("short", SAMPLES).respond(known)) == 3
    assert [r.text for r in oracle("shifted", SAMPLES).respond(known)] == [SAMPLES[n].gold for n in (3, 0, 1, 2)]
    scores = oracle("nan", SAMPLES).respond(known)[0].scores
    assert scores is not None
    assert all(math.isnan(score) for score in scores.values())


def test_crasher_fails_where_it_is_told() -> None:
    known = [request(sample, condition) for sample in SAMPLES[:3] for condition in CONDITIONS]
    one_case = oracle("crasher", SAMPLES, case="AQA-0001-faithful")
    one_sample = oracle("crasher", SAMPLES, case="AQA-0001")
    for asked in known:
        for model, fails in (
            (one_case, asked.id == "AQA-0001-faithful"),
            (one_sample, asked.id.startswith("AQA-0001-")),
        ):
            if fails:
                with pytest.raises(RuntimeError, match=asked.id):
                    model.respond([asked])
            else:
                assert len(model.respond([asked])) == 1
    later = oracle("crasher", SAMPLES, after="2")
    assert len(later.respond(known[:2])) == 2
    with pytest.raises(RuntimeError):
        later.respond(known[2:3])
    with pytest.raises(RuntimeError, match="does not know"):
        oracle("crasher", SAMPLES, how="all").respond([request(SAMPLES[0], NEUTRAL, "unknown")])


def test_crasher_can_take_the_process_with_it() -> None:
    code = (
        "from tests.unit.test_oracle import SAMPLES, oracle, request\n"
        "oracle('crasher', SAMPLES, how='exit').respond([request(SAMPLES[0], 'neutral')])\n"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 70


def test_slow_is_slow() -> None:
    started = time.perf_counter()
    oracle("slow", SAMPLES, seconds="0.02").respond([request(sample, NEUTRAL) for sample in SAMPLES[:3]])
    assert time.perf_counter() - started >= 0.06


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("listner", {}, ["unknown oracle 'listner'", "did you mean listener?", "text-follower"]),
        ("noisy", {"q": "1"}, ["oracle:noisy", "unknown option 'q'", "confidence"]),
        ("listener", {"p": "1"}, ["unknown option 'p'"]),
        ("noisy", {"p": "1.5"}, ["p='1.5'", "between 0 and 1"]),
        ("noisy", {"p": "nan"}, ["p='nan'"]),
        ("noisy", {"p": "often"}, ["p='often'"]),
        ("noisy", {"seed": "1.5"}, ["seed='1.5'", "whole number"]),
        ("listener", {"confidence": "1"}, ["confidence='1'", "both excluded"]),
        ("listener", {"scores": "maybe"}, ["scores='maybe'", "yes, no"]),
        ("crasher", {"how": "loudly"}, ["how='loudly'", "raise, exit, all"]),
        ("crasher", {"after": "-1"}, ["after='-1'", "at least 0"]),
    ],
)
def test_a_bad_oracle_is_one_line(name: str, options: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        check(name, options)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_identity() -> None:
    model = oracle("noisy", p="0.2", seed="3")
    assert isinstance(model, Model)
    assert model.name == "oracle:noisy"
    assert not model.cacheable
    assert model.fingerprint() == "oracle/1:noisy?p=0.2&seed=3" != oracle("noisy", p="0.3", seed="3").fingerprint()
    assert model.traits["family"] == "oracle"


@pytest.mark.parametrize("candidates", [("yes", "no"), K3, ("happy", "sad", "angry", "neutral"), ()])
def test_the_matcher_reads_what_oracles_say(candidates: tuple[str, ...]) -> None:
    sample = make(0, candidates)
    told = {
        "flagger": (CONFLICT, Verdict.FLAGGED),
        "mumbler": (MUMBLE, Verdict.UNPARSED),
        "mute": ("", Verdict.UNPARSED),
    }
    for name, (phrase, verdict) in told.items():
        asked = request(sample, ADVERSARIAL)
        options = {"p": "1"} if name == "mumbler" else {}
        said = oracle(name, [sample], **options).respond([asked])[0].text
        assert said == phrase
        if not candidates and name == "mumbler":
            continue  # an open answer of any words is an answer
        label = sample.text_labels[ADVERSARIAL]
        match = read_answer(said, candidates=candidates, gold=sample.gold, text_label=label, prompt=asked.prompt)
        assert match.verdict is verdict
