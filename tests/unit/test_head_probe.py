"""A probe's logit in a calibration head: planted signals help on other clips, leaks cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mcr.core.confidence import placements
from pytest_mcr.core.folds import components
from pytest_mcr.core.head import answered, fit_head
from pytest_mcr.core.head_cases import rights
from pytest_mcr.core.head_probe import PROBE, fit_probe, key_of, linked, states_of
from pytest_mcr.errors import OptionError
from pytest_mcr.probes.classifiers import of_matrix
from pytest_mcr.probes.readout import fit_linear
from pytest_mcr.train.calibration_head import main
from pytest_mcr.train.head_fit import study
from pytest_mcr.train.head_tables import markdown
from tests.unit.heads import guessed, pulled
from tests.unit.probed_heads import READOUT, fitted, halves, planted


def auroc(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    return float(placements(scores[right], scores[~right]).mean())


def test_what_states_know_helps_on_other_clips() -> None:
    """Branch scores say nothing here, the states do."""
    dev, test = halves(planted(guessed(120), right=1.0))
    right = rights(test)
    plain, probed = fit_head("correctness", dev), fitted(dev)
    assert probed.features[-1] == PROBE
    assert abs(auroc(plain.probability(test), right) - 0.5) < 0.12
    assert auroc(probed.probability(test), right) > 0.9
    assert probed.one(test[0].scores, test[0].state) == pytest.approx(float(probed.probability(test)[0]), abs=1e-9)


def test_shuffled_labels_are_chance_on_test_clips() -> None:
    """Twenty shuffles of which answers are right: no head ranks the test clips, and none learns to trust its probe."""
    cases = planted(guessed(60), right=1.0, clip=1.0)
    found, weights = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        golds = rng.permutation([case.gold for case in cases])
        mixed = [replace(case, gold=str(gold)) for case, gold in zip(cases, golds, strict=True)]
        dev, test = halves(mixed)
        head = fitted(dev)
        found.append(auroc(head.probability(test), rights(test)))
        weights.append(head.model.weights[-1])
    assert np.mean(found) == pytest.approx(0.5, abs=0.04)
    assert abs(np.mean(weights)) < 0.25


def test_a_fingerprint_of_each_clip_does_not_help() -> None:
    """A probe that had seen a case's clip would know whether its answers are right; the head's logits do not."""
    own, new = [], []
    for seed in range(20):
        lucky = np.random.default_rng(seed).random(60) < 0.5  # by clip: which answers are right
        cases = [replace(c, answer=c.gold if lucky[int(c.cluster[5:])] else "none") for c in guessed(60, 1)]
        dev, test = halves(planted(cases, clip=2.0, seed=seed))
        right, rows = rights(dev), np.arange(len(dev))
        leaking = of_matrix(states_of(dev))(rows, right.astype(np.int64), rows, 2)
        assert auroc(leaking, right) == 1.0, "the negative control: fitted on the same clips, the probe knows all"
        probe = fitted(dev).probe
        assert probe is not None
        own.append(auroc(probe.logits(dev), right))
        new.append(auroc(probe.logits(test), rights(test)))
    assert np.mean(own) == pytest.approx(0.5, abs=0.12)  # 30 clips decide: the standard deviation of one is 0.18
    assert np.mean(new) == pytest.approx(0.5, abs=0.1)


def test_no_clip_is_read_by_a_probe_that_learned_from_it() -> None:
    dev, test = halves(planted(pulled(40)))
    head = fitted(dev)
    probe = head.probe
    assert probe is not None
    assert probe.clips == {case.digest for case in dev}
    own = probe.model.log_odds(states_of(dev).astype(np.float64))
    assert not np.any(probe.logits(dev) == own), "a dev clip has the logit of the folds without it"
    stranger = replace(dev[0], operator="an edit that was not learned from")
    with pytest.raises(ValueError, match="the probe was fitted on this clip"):
        head.probability([*test, stranger])
    with pytest.raises(ValueError, match="1 of 1 cases have no hidden state"):
        head.probability([replace(test[0], state=None)])


def test_out_of_fold_logits_come_from_other_clips_and_texts() -> None:
    """Whatever is done to the labels of a group of linked clips, its own logits stay what they are."""
    cases = planted(answered(pulled(40)), right=0.5)
    cases = [
        replace(c, text="a text of two clips") if c.cluster in ("clip 1", "clip 2") and c.text else c for c in cases
    ]
    groups, right = linked(cases), rights(cases)
    before = fit_probe(cases, right, READOUT)
    group = groups[next(place for place, case in enumerate(cases) if case.cluster == "clip 1")]
    own = groups == group
    assert {case.cluster for case, mine in zip(cases, own, strict=True) if mine} == {"clip 1", "clip 2"}
    after = fit_probe(cases, np.where(own, ~right, right), READOUT)
    for case, mine in zip(cases, own, strict=True):
        if mine:
            assert before.known[key_of(case)] == after.known[key_of(case)]
    assert before.known != after.known


def test_the_split_shares_no_clip_and_no_text() -> None:
    cases = planted(pulled(40))
    cases = [replace(c, text=f"text {int(c.cluster[5:]) // 3}") if c.condition == "irrelevant" else c for c in cases]
    dev, test = halves(cases)
    assert dev
    assert test
    for name in ("cluster", "digest"):
        assert not {getattr(c, name) for c in dev} & {getattr(c, name) for c in test}
    assert not {c.text for c in dev if c.text} & {c.text for c in test if c.text}
    assert list(linked(cases)) == list(
        components([c.cluster for c in cases], [c.text or str(n) for n, c in enumerate(cases)])
    )


def test_texts_that_all_clips_share_are_refused() -> None:
    cases = [replace(case, text="the same") for case in planted(pulled(20))]
    with pytest.raises(ValueError, match="1 groups of clips that share no text; a probe is cross-fitted over 5"):
        fitted(cases)
    with pytest.raises(OptionError, match=r"--probe: cannot be fitted for target correctness .* or drop --probe"):
        study(
            [replace(c, text="the same") if int(c.cluster[5:]) < 30 else c for c in planted(pulled(34))],
            ("correctness",), share=0.5, budget=0.05, seed=0, report=lambda line: None, readout=READOUT,
        )  # fmt: skip


def test_the_weights_are_those_of_the_suite_s_own_probe() -> None:
    cases = planted(pulled(40), right=0.3)
    states, right = states_of(cases), rights(cases)
    states[:, 5] = 3.25
    half = np.arange(len(cases)) < len(cases) // 2
    train, test = np.flatnonzero(half), np.flatnonzero(~half)
    theirs = of_matrix(states)(train, right[train].astype(np.int64), test, 2)
    model = fit_linear(states[train], right[train])
    assert model.weights[5] == 0
    assert model.log_odds(states[test].astype(np.float64)) == pytest.approx(theirs, abs=1e-4 * np.abs(theirs).max())
    with pytest.raises(ValueError, match="a probe needs both classes"):
        fit_linear(states[train], np.ones(len(train), dtype=np.bool_))


def test_the_study_shows_both_and_saves_the_head_with_the_probe() -> None:
    found = study(
        planted(guessed(60), right=1.0), ("correctness", "conflict"), share=0.5, budget=0.05, seed=0,
        report=lambda line: None, readout=READOUT,
    )  # fmt: skip
    rows = [row for row in found.rows if "probe" in row]
    assert {row["where"] for row in rows} == {"held-out clips", "unseen task SER", "unseen task VSC"}
    assert {row["target"] for row in rows} == {"correctness", "conflict"}
    [row] = [
        r for r in rows if (r["target"], r["where"], r["condition"], r["measure"])
        == ("correctness", "held-out clips", "all", "auroc")
    ]  # fmt: skip
    assert row["layer"] == 3
    assert row["low"] > 0.1
    assert all(head.probe is not None for head in found.heads.values())
    text = markdown(found.rows)
    assert "target correctness, with the logit of a probe at layer 3" in text
    assert "| with - without [95 %] |" in text
    assert "temperature" in text


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--probe", "0"), "--probe 0.0: expected a relative depth above 0, at most 1"),
        (("--probe", "nan"), "--probe nan: expected a relative depth"),
        (("--model", "oracle:listener", "--probe"), "only a model in this process shows its hidden states"),
        (("--out", "head.safetensors", "--probe"), "its probe is saved under this name"),
    ],
)
def test_refusals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--model", "lab", "--data", "mini", "--out", "head.json", *words]) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
