"""Each warning on a planted flaw, with its count and examples; and silence on clean data."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_mcr.core.case import Sample
from pytest_mcr.data import release
from pytest_mcr.data.audit import Finding, audit, doubts
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.data.shipped import fixture

ANSWERS = ("Laughter", "Sigh", "Cough")


def clean(number: int) -> Sample:
    """A flawless sample; thirty of them are balanced in gold and text label."""
    gold, told = ANSWERS[number % 3], ANSWERS[(number + 1 + number // 3 % 2) % 3]
    return Sample(
        id=f"VSC-{number:04d}",
        task="VSC",
        audio=f"VSC/audio/{number}.wav",
        question="Laughter, sigh or cough: which is it?",
        gold=gold,
        texts={
            "faithful": f"There is a {gold}.",
            "adversarial": f"There is a {told}.",
            "irrelevant": "Bread is baked at dawn.",
        },
        candidates=ANSWERS,
        text_labels={"faithful": gold, "adversarial": told},
    )


def changed(sample: Sample, **changes: object) -> Sample:
    fields = {name: getattr(sample, name) for name in Sample.__dataclass_fields__}
    return Sample(**{**fields, **changes})


def worded(sample: Sample, condition: str, text: str) -> Sample:
    return changed(sample, texts={**sample.texts, condition: text})


def labelled(sample: Sample, condition: str, label: str | None) -> Sample:
    labels = {key: value for key, value in sample.text_labels.items() if key != condition}
    return changed(sample, text_labels=labels if label is None else {**labels, condition: label})


def found(samples: list[Sample]) -> dict[str, Finding]:
    findings = audit(Dataset(Path("root"), "custom", "0" * 64, tuple(samples)))
    by_code = {finding.code: finding for finding in findings}
    assert len(by_code) == len(findings)
    assert json.loads(json.dumps([finding.to_json() for finding in findings])) is not None
    assert all("\n" not in finding.message for finding in findings)
    return by_code


def test_clean_data_gives_no_finding() -> None:
    assert found([clean(number) for number in range(30)]) == {}


FLAWS: dict[str, tuple[Callable[[Sample], Sample], str | None]] = {
    "question_names_one_answer": (lambda s: changed(s, question="Is this a COUGH, or what?"), "neutral"),
    "irrelevant_names_answer": (lambda s: worded(s, "irrelevant", "A sigh of relief went round."), "irrelevant"),
    "same_text": (lambda s: worded(s, "adversarial", s.texts["faithful"].upper()), "adversarial"),
    "repeated_question": (lambda s: changed(s, audio="VSC/audio/0.wav"), None),
    "faithful_contradicts_gold": (lambda s: labelled(s, "faithful", s.text_labels["adversarial"]), "faithful"),
    "adversarial_supports_gold": (lambda s: labelled(s, "adversarial", s.gold), "adversarial"),
    "adversarial_names_no_label": (lambda s: labelled(s, "adversarial", None), "adversarial"),
    "text_label_unknown": (lambda s: labelled(s, "faithful", None), "faithful"),
    "gold_in_question": (lambda s: changed(s, question=f"A {s.gold.lower()}, or what?"), "neutral"),
    "text_reads_otherwise": (lambda s: worded(s, "adversarial", f"One hears a {s.gold.lower()}."), "adversarial"),
}


@pytest.mark.parametrize("code", FLAWS)
def test_a_planted_flaw_is_counted(code: str) -> None:
    plant, condition = FLAWS[code]
    samples = [plant(clean(number)) if number in (3, 4, 25) else clean(number) for number in range(30)]
    findings = found(samples)
    assert list(findings) == [code]
    finding = findings[code]
    assert (finding.task, finding.condition, finding.count, finding.total) == ("VSC", condition, 3, 30)
    assert finding.examples == ("VSC-0003", "VSC-0004", "VSC-0025")
    assert finding.message.startswith("VSC: 3 of 30 ")
    assert finding.message.endswith("(VSC-0003, VSC-0004, VSC-0025)")


def test_at_most_five_examples() -> None:
    finding = found([worded(clean(n), "irrelevant", "A sigh.") for n in range(30)])["irrelevant_names_answer"]
    assert (finding.count, len(finding.examples)) == (30, 5)
    assert finding.message.endswith("VSC-0004, ...)")


@pytest.mark.parametrize("text", ["Coughing is rude.", "Many sighs were heard.", "A coffee, please."])
def test_only_whole_words_name_an_answer(text: str) -> None:
    assert found([worded(clean(number), "irrelevant", text) for number in range(30)]) == {}


def test_an_irrelevant_text_with_a_label_names_an_answer_in_other_words() -> None:
    sample = labelled(worded(clean(0), "irrelevant", "People were giggling all night."), "irrelevant", "Laughter")
    assert found([sample, clean(1), clean(2)])["irrelevant_names_answer"].examples == ("VSC-0000",)


def test_a_longer_candidate_hides_the_shorter_one_inside_it() -> None:
    both = {"candidates": ("Dog", "Dog bark"), "gold": "Dog", "text_labels": {}, "texts": {}}
    question_of_one = changed(clean(0), question="Is it a dog bark?", **both)
    question_of_two = changed(clean(1), question="Is it a dog or a dog bark?", **both)
    finding = found([question_of_one, question_of_two])["question_names_one_answer"]
    assert finding.examples == ("VSC-0000",)


def test_the_question_inside_a_complete_prompt_taints_no_text() -> None:
    whole = [
        changed(s, complete=True, texts={key: f"{text} {s.question}" for key, text in s.texts.items()})
        for s in map(clean, range(30))
    ]
    assert found(whole) == {}


@pytest.mark.parametrize(("unknown", "reported"), [(6, True), (7, False)])
def test_unknown_labels_say_when_they_cost_a_metric(unknown: int, reported: bool) -> None:
    samples = [labelled(clean(n), "adversarial", None) if n < unknown else clean(n) for n in range(30)]
    assert ("too many to report text-follow" not in found(samples)["adversarial_names_no_label"].message) is reported


def polar(number: int, question: str, adversarial: str, irrelevant: str = "Bread is baked at dawn.") -> Sample:
    """A yes-no sample, gold and promised label by turns."""
    gold, told = ("yes", "no") if number % 2 else ("no", "yes")
    texts = {"faithful": "Something happens.", "adversarial": adversarial, "irrelevant": irrelevant}
    given = {"faithful": gold, "adversarial": told}
    return changed(
        clean(number), question=question, gold=gold, candidates=("yes", "no"), texts=texts, text_labels=given
    )


@pytest.mark.parametrize(
    ("number", "text", "agrees"),
    [
        (1, "A dog is barking near a house.", True),
        (1, "There is no sound of a dog barking; a chainsaw is running.", False),
        (1, "It contains wind and no barking dog.", False),
        (1, "A chainsaw is running.", False),
        (0, "No dog barks in it.", True),
        (0, "A dog barks in the yard.", False),
        (0, "A cat, not a bird, is heard.", False),
    ],
)
def test_an_adversarial_text_that_does_not_contradict_a_yes_no_question(number: int, text: str, agrees: bool) -> None:
    findings = found([polar(number, "Is a dog barking in this recording? Answer yes or no.", text)])
    assert ("text_reads_otherwise" in findings) is agrees


@pytest.mark.parametrize(
    ("text", "names"),
    [("There is no milk left.", False), ("No, the answer is no.", True), ("Yes or no, he came.", True)],
)
def test_no_is_an_everyday_word(text: str, names: bool) -> None:
    findings = found([polar(1, "Is there no dog in it?", "No dog barks.", text)])
    assert ("irrelevant_names_answer" in findings) is names
    assert "question_names_one_answer" not in findings


def test_one_class() -> None:
    samples = [changed(clean(n), gold="Sigh", texts={}, text_labels={}) for n in range(10)]
    findings = found(samples)
    assert list(findings) == ["one_class"]
    assert "always answering it is right without hearing" in findings["one_class"].message


def test_what_can_mislead_is_told_from_what_is_worth_knowing() -> None:
    assert doubts(audit(Dataset(Path("root"), "custom", "", (clean(0), clean(1))))) == []  # a candidate never right
    leaking = found([worded(clean(number), "irrelevant", "A sigh.") for number in range(30)])
    assert leaking["irrelevant_names_answer"].misleads
    assert leaking["irrelevant_names_answer"].to_json()["misleads"] is True


def test_the_shipped_benchmark_and_open_ended_data_give_no_false_alarm() -> None:
    assert audit(release.load(fixture("mini-mcr"))) == []
    bare = [changed(s, candidates=(), text_labels={}) for s in map(clean, range(30))]
    assert found(bare) == {}


def test_uneven_gold_answers() -> None:
    samples = [clean(0 if number < 18 else number) for number in range(30)]
    samples = [changed(s, id=f"VSC-{n:04d}", audio=f"{n}.wav") for n, s in enumerate(samples)]
    finding = found(samples)["gold_imbalance"]
    assert (finding.count, finding.total) == (22, 30)
    assert finding.message.startswith("VSC: 22 of 30 gold answers are 'Laughter', 2.2 times its fair share (VSC-0000")


def test_uneven_text_labels() -> None:
    samples = [labelled(s, "adversarial", "Sigh" if s.gold != "Sigh" else "Cough") for s in map(clean, range(30))]
    finding = found(samples)["text_label_imbalance"]
    assert (finding.count, finding.condition) == (20, "adversarial")


def test_few_samples_are_uneven_by_chance() -> None:
    assert "gold_imbalance" not in found([clean(0), changed(clean(3), gold="Laughter"), clean(1)])


def test_a_candidate_that_is_never_right() -> None:
    finding = found([clean(0), clean(1)])["candidate_never_gold"]
    assert (finding.count, finding.total, finding.examples) == (1, 3, ())
    assert finding.message == "VSC: 1 of 3 candidates are never the gold answer, e.g. Cough"


def test_a_single_candidate_shows_nothing() -> None:
    sample = changed(clean(0), candidates=("Laughter",), question="What is it?", text_labels={"faithful": "Laughter"})
    assert "being right shows nothing" in found([changed(sample, texts={})])["one_candidate"].message


def test_open_ended_samples_have_no_candidates_to_check() -> None:
    assert found([changed(s, candidates=()) for s in map(clean, range(3))]) == {}


def test_tasks_are_checked_apart_and_in_order() -> None:
    flawed = [worded(clean(0), "irrelevant", "A sigh."), worded(clean(0), "irrelevant", "A cough.")]
    samples = [changed(flawed[0], id="AQA-0000", task="AQA"), flawed[1]]
    findings = [f for f in audit(Dataset(Path("root"), "custom", "", tuple(samples))) if f.condition == "irrelevant"]
    assert [(f.task, f.count, f.total) for f in findings] == [("AQA", 1, 1), ("VSC", 1, 1)]
