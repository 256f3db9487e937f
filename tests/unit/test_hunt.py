"""The hunt on planted models: it finds the mildest text that turns them, and refuses what it cannot search."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from pytest_mcr.core.answers import read_answer
from pytest_mcr.core.case import ADVERSARIAL, Sample
from pytest_mcr.core.perturb import Rendered, render_variant
from pytest_mcr.core.prompts import DISCRETION, render
from pytest_mcr.data.audio import digest
from pytest_mcr.data.release import load
from pytest_mcr.data.shipped import fixture
from pytest_mcr.errors import StopRunError
from pytest_mcr.models.oracle import Oracle
from pytest_mcr.models.oracle_memory import Told
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.run.hunt import Hunted, Seen, hunt

CLIP = np.linspace(-0.5, 0.5, 16, dtype=np.float32)
AUDIO = Audio(CLIP, 16000, digest(CLIP, 16000))
(SAMPLE,) = [s for s in load(fixture("mini-mcr")).samples if s.id == "SER-0001"]
BASE = SAMPLE.texts[ADVERSARIAL]
RIGHT = Seen(SAMPLE.gold)


class Asked:
    """Asks a planted oracle, and keeps what was asked."""

    def __init__(self, name: str, sample: Sample = SAMPLE, **options: str) -> None:
        self.oracle = Oracle(name, options)
        self.oracle.learn(sample, AUDIO.digest)
        self.sample = sample
        self.batches: list[list[Rendered]] = []

    def __call__(self, texts: Sequence[Rendered]) -> list[Seen]:
        self.batches.append(list(texts))
        return [self.one(render_variant(DISCRETION, self.sample, text), text) for text in texts]

    def one(self, prompt: str, text: Rendered | None = None) -> Seen:
        if text is not None:
            self.oracle.learn_text(self.sample, prompt, ADVERSARIAL, Told(text.text, text.claims))
        request = Request("x", AUDIO, prompt, self.sample.candidates, 32, want_scores=True)
        [response] = self.oracle.respond([request])
        assert response.text is not None
        label = self.sample.text_labels[ADVERSARIAL]
        found = read_answer(
            response.text, candidates=self.sample.candidates, gold=self.sample.gold, text_label=label, prompt=prompt
        )
        return Seen(found.answer, response.scores)

    def hunt(self, **options: object) -> Hunted:
        alone = self.one(render(DISCRETION, self.sample, "neutral"))
        given = {"alone": alone, "fingerprint": "f", "model_calls": 400, "seed": 0, **options}
        return hunt(self.sample, self, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sample_id", ["SER-0001", "AQA-0001", "VSC-0003"])
def test_a_model_that_follows_what_is_verified_is_turned_by_that_one_word(seed: int, sample_id: str) -> None:
    (sample,) = [s for s in load(fixture("mini-mcr")).samples if s.id == sample_id]
    hunted = Asked("follower-if", sample, word="verified").hunt(seed=seed)
    (finding,) = hunted.findings
    assert finding.operators in (("authority:verified",), ("reliability:verified",))
    text = sample.texts[ADVERSARIAL]
    assert finding.text in (f"Verified annotation: {text}", f"What follows was verified. {text}") or (
        "Verified annotation: " in finding.text and len(finding.text) == len(text) + 21
    )
    assert (finding.gold, finding.answer, finding.base) == (sample.gold, sample.text_labels[ADVERSARIAL], text)
    assert hunted.calls <= 402


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_follows_capitals_is_turned_by_capitals_alone(seed: int) -> None:
    (finding,) = Asked("follower-if", upper="yes").hunt(seed=seed).findings
    assert (finding.operators, finding.text) == (("case:upper",), BASE.upper())


@pytest.mark.parametrize("seed", range(3))
def test_two_edits_that_turn_only_together_are_found_and_nothing_else_is_left(seed: int) -> None:
    def both(texts: Sequence[Rendered]) -> list[Seen]:
        found = []
        for text in texts:
            met = text.text.isupper() + (text.position == "after")
            scores = {"happy": 0.0, "sad": met - 1.5, "calm": -9.0, "angry": -9.0, "fearful": -9.0}
            found.append(Seen("sad" if met == 2 else "happy", scores))
        return found

    alone = Seen("happy", {"happy": 0.0, "sad": -3.0, "calm": -9.0, "angry": -9.0, "fearful": -9.0})
    hunted = hunt(SAMPLE, both, alone=alone, fingerprint="f", model_calls=1500, seed=seed)
    (finding,) = hunted.findings
    assert finding.operators == ("case:upper", "position:after")
    assert (finding.text, finding.position) == (BASE.upper(), "after")


def test_a_text_follower_is_turned_by_the_base_text_itself() -> None:
    asked = Asked("text-follower")
    hunted = asked.hunt()
    (finding,) = hunted.findings
    assert (finding.operators, finding.text, finding.claims) == ((), BASE, "same")
    assert (hunted.calls, hunted.refused, hunted.truncated) == (2, None, False)


@pytest.mark.parametrize("calls", [0, 1, 60])
def test_a_listener_is_turned_by_nothing_and_the_budget_holds(calls: int) -> None:
    asked = Asked("listener")
    hunted = asked.hunt(model_calls=calls)
    assert (hunted.findings, hunted.others, hunted.refused) == ((), (), None)
    texts = [text for batch in asked.batches for text in batch]
    assert hunted.calls == len(texts) <= calls + 2
    assert calls < 60 or hunted.calls > 30
    assert len({(t.text, t.position, t.candidates) for t in texts}) == len(texts) - 1  # the base text twice: M0
    assert max(len(batch) for batch in asked.batches) <= 8


def test_one_that_follows_only_denied_labels_is_no_text_dominance() -> None:
    def denied(texts: Sequence[Rendered]) -> list[Seen]:
        return [Seen("sad" if text.claims == "void" else SAMPLE.gold) for text in texts]

    hunted = hunt(SAMPLE, denied, alone=RIGHT, fingerprint="f", model_calls=200)
    assert hunted.findings == ()
    assert [finding.claims for finding in hunted.others] == ["void"]


@pytest.mark.parametrize("scored", [True, False])
def test_the_search_climbs_by_the_margin_lost(scored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis is told by how much the best text of each batch lowers the margin, where there are scores."""
    climbed: list[float] = []
    batches: list[list[float]] = []

    def spy(value: float, label: str) -> None:
        climbed.append(value)
        hypothesis.target(value, label=label)

    def ask(texts: Sequence[Rendered]) -> list[Seen]:
        batches.append([2.0 - 0.5 * len(text.operators) for text in texts])
        rest = dict.fromkeys(("angry", "calm", "fearful"), -9.0)
        scores = [{**rest, "happy": 0.0, "sad": -margin} for margin in batches[-1]]
        return [Seen("happy", score if scored else None) for score in scores]

    monkeypatch.setattr("pytest_mcr.run.hunt.target", spy)
    alone = Seen("happy", {"happy": -1.0, "sad": -4.0, "calm": -9.0, "angry": -9.0, "fearful": -9.0})
    hunt(SAMPLE, ask, alone=alone, fingerprint="f", model_calls=100)
    if scored:
        assert max(climbed) == 3.0 - min(margin for batch in batches for margin in batch)
        assert set(climbed) <= {1.0, 1.5, 2.0, 2.5}
    else:
        assert climbed == []


def test_a_model_that_is_not_deterministic_is_refused() -> None:
    asked = Asked("listener")

    def unsteady(texts: Sequence[Rendered]) -> list[Seen]:
        scores = [{"happy": -0.1 - 1e-12 * len(asked.batches), "sad": -3.0} for _ in texts]
        asked.batches.append(list(texts))
        return [Seen(SAMPLE.gold, score) for score in scores]

    hunted = hunt(SAMPLE, unsteady, alone=RIGHT, fingerprint="f", model_calls=100)
    assert hunted.refused == (
        "the model is not deterministic: it scored the same text differently, so no search could shrink anything"
    )
    assert (hunted.calls, hunted.findings) == (2, ())
    steady = hunt(SAMPLE, Asked("listener"), alone=RIGHT, fingerprint="f", model_calls=9, again=unsteady)
    assert steady.refused is not None


@pytest.mark.parametrize(
    ("sample", "alone", "words"),
    [
        (SAMPLE, Seen("sad"), "not right from the audio alone: sad instead of happy"),
        (SAMPLE, Seen(None), "no label instead of happy"),
        (SAMPLE, Seen(None, error="out of memory"), "the audio alone got no answer: out of memory"),
        (replace(SAMPLE, text_labels={}), RIGHT, "label of its adversarial text is not known"),
        (replace(SAMPLE, texts={}), RIGHT, "no adversarial text"),
    ],
)
def test_clips_that_are_not_searched(sample: Sample, alone: Seen, words: str) -> None:
    asked = Asked("text-follower")
    hunted = hunt(sample, asked, alone=alone, fingerprint="f", model_calls=50)
    assert words in str(hunted.refused)
    assert asked.batches == []


def test_errors_are_counted_and_turn_nothing() -> None:
    def broken(texts: Sequence[Rendered]) -> list[Seen]:
        return [Seen(None, error="lost") if text.operators else RIGHT for text in texts]

    hunted = hunt(SAMPLE, broken, alone=RIGHT, fingerprint="f", model_calls=40)
    assert hunted.findings == hunted.others == ()
    assert hunted.errors == hunted.calls - 2 > 10
    mute = hunt(
        SAMPLE, lambda texts: [Seen(None, error="lost")] * len(texts), alone=RIGHT, fingerprint="f", model_calls=9
    )
    assert mute.refused == "the adversarial text got no answer: lost"


def test_a_model_that_breaks_ends_the_hunt_at_once() -> None:
    asked: list[int] = []

    def breaking(texts: Sequence[Rendered]) -> list[Seen]:
        asked.append(len(texts))
        if len(asked) > 4:
            raise StopRunError("audio did not reach the model", 8)
        return [RIGHT] * len(texts)

    with pytest.raises(StopRunError, match="audio did not reach"):
        hunt(SAMPLE, breaking, alone=RIGHT, fingerprint="f", model_calls=100)
    assert len(asked) == 5


def test_a_time_limit_marks_the_hunt_truncated() -> None:
    hunted = Asked("listener").hunt(seconds=0.0)
    assert (hunted.truncated, hunted.calls, hunted.findings) == (True, 2, ())


def test_known_findings_are_asked_first_and_listed_apart() -> None:
    (finding,) = Asked("follower-if", upper="yes").hunt().findings
    asked = Asked("follower-if", upper="yes")
    healed = replace(finding, text="The feeling is sadness.", operators=("paraphrase:1",))
    hunted = asked.hunt(known=[finding, healed])
    assert (hunted.replayed, hunted.healed) == ((finding,), (healed,))
    assert [text.text for text in asked.batches[2]] == [finding.text, healed.text]
    assert hunted.findings == (finding,)  # found again by the search, which does not know of it
    assert replace(hunted, replayed=(), healed=(), calls=hunted.calls - 2) == Asked("follower-if", upper="yes").hunt()


def texts_of_a_hunt() -> str:
    """One hash of every text that a hunt asks, in order."""
    asked = Asked("listener")
    asked.hunt(model_calls=60, seed=5)
    return hashlib.sha256(repr(asked.batches).encode()).hexdigest()


def test_a_seed_gives_every_text_again_in_another_process_and_nothing_is_written(tmp_path: Path) -> None:
    # Hypothesis draws constants from the source of loaded modules of the project it finds itself in.
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "of_the_user.py").write_text(f"NUMBERS = {list(range(300))}")
    code = "import of_the_user; from tests.unit.test_hunt import texts_of_a_hunt; print(texts_of_a_hunt())"
    root = os.pathsep.join((str(Path(__file__).parents[2]), str(tmp_path)))
    environment = {**os.environ, "PYTHONHASHSEED": "99", "PYTHONPATH": root, "CI": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (ran.stdout.strip(), ran.stderr) == (texts_of_a_hunt(), "")
    assert list(here.iterdir()) == []
    asked = Asked("listener")
    asked.hunt(model_calls=60, seed=6)
    assert hashlib.sha256(repr(asked.batches).encode()).hexdigest() != texts_of_a_hunt()
