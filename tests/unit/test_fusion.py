"""Rows of the fusion numbers: planted models, identities, what is missing, invariances, against plain loops."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mcr.core.branches import BRANCHES, FusionTrial, best
from pytest_mcr.core.catalogue import METRICS
from pytest_mcr.core.fusion import PREFIX, fusion_rows
from pytest_mcr.core.metrics import Metric

LABELS = ("a", "b", "c")
NAMES = tuple(name for name in METRICS if name in {PREFIX + x for x in (
    "margin_audio", "margin_joint", "displacement", "robust", "repairable", "unheard", "rescued", "phi_audio",
    "phi_text", "interaction", "text_share", "text_share_none", "balance_point", "tpr",
)})  # fmt: skip


def scored(value: float) -> dict[str, float]:
    """Scores with a margin of ``value`` between a and b."""
    return {"a": value / 2, "b": -value / 2, "c": -9.0}


def clip(
    row: int, joint: float, audio: float, text: float, silence: float, *, task: str = "SER", cluster: str | None = None
) -> FusionTrial:
    """A trial with these margins, gold a, text label b; without audio the same as over silence."""
    return FusionTrial(
        f"{task}-{row:04d}", task, cluster or f"clip-{row}", "a", "b",
        scored(joint), scored(audio), scored(text), scored(silence), scored(text), scored(silence),
    )  # fmt: skip


def table(trials: Sequence[FusionTrial]) -> dict[tuple[str, str], Metric]:
    return {(row.task, row.metric.removeprefix(PREFIX)): row for row in fusion_rows(trials)}


def value(rows: dict[tuple[str, str], Metric], name: str, task: str = "*") -> float:
    found = rows[task, name].value
    assert found is not None, rows[task, name].note
    return found


def test_a_text_follower_and_a_listener() -> None:
    follower = table([clip(row, -m, m, -m, 0.0) for row, m in enumerate(np.linspace(0.5, 6, 30))])
    assert value(follower, "text_share") == pytest.approx(0.75, rel=1e-12)
    assert value(follower, "text_share_none") == pytest.approx(0.75, rel=1e-12)
    assert value(follower, "repairable") == 1.0
    assert value(follower, "displacement") == pytest.approx(2 * value(follower, "margin_audio"))
    assert value(follower, "tpr") == 1.0
    assert follower["*", "balance_point"].note == "the text is followed on every clip"
    listener = table([clip(row, m, m, 0.0, 0.0) for row, m in enumerate(np.linspace(0.5, 6, 30))])
    assert value(listener, "text_share") == 0.0
    assert value(listener, "phi_text") == 0.0
    assert value(listener, "robust") == 1.0
    assert value(listener, "displacement") == 0.0
    share = listener["*", "text_share"]
    assert share.low == 0.0
    assert share.high is not None
    assert 0.1 < share.high < 0.3  # thirty clips that agree do not make it certain
    # The listener's text alone says nothing, a tie, so there are no two answers to choose between.
    assert listener["*", "tpr"].note == "audio and text alone give the same answers"


def test_a_deaf_model_owes_all_to_the_text() -> None:
    deaf = table([clip(row, -3.0, 0.0, -3.0, 0.0) for row in range(25)])
    assert value(deaf, "text_share") == 1.0
    assert value(deaf, "phi_audio") == 0.0
    assert value(deaf, "unheard") == 1.0


def test_a_model_that_nothing_moves_has_no_share() -> None:
    mute = table([clip(row, 1.0, 1.0, 1.0, 1.0) for row in range(25)])
    assert mute["*", "text_share"].value is None
    assert mute["*", "text_share"].note == "neither audio nor text moves the margin"


NATS = st.floats(-20, 0).map(lambda x: round(x, 2))
BRANCH = st.none() | st.fixed_dictionaries(dict.fromkeys(LABELS, NATS))


@st.composite
def runs(draw: st.DrawFn) -> list[FusionTrial]:
    """Runs of up to two tasks that may share clips, with missing branches and labels."""
    found: list[FusionTrial] = []
    for task in ("AQA", "SER")[: draw(st.integers(1, 2))]:
        for row in range(draw(st.integers(1, 8))):
            gold, label = draw(st.permutations(LABELS))[:2]
            branches = [draw(BRANCH) for _ in range(6)]
            known = draw(st.sampled_from((label, label, label, None)))
            cluster = f"clip-{draw(st.integers(0, 5))}"
            found.append(FusionTrial(f"{task}-{row}", task, cluster, gold, known, *branches))
    return found


def reference(trials: Sequence[FusionTrial]) -> dict[str, float | None]:
    """The plain implementation of one task."""

    def average(values: Sequence[float], clusters: set[str]) -> float | None:
        return sum(values) / len(values) if len(clusters) > 1 else None

    known = [t for t in trials if t.text_label is not None]
    pairs = [t for t in known if t.audio and t.joint]
    clusters = {t.cluster for t in pairs}
    heard, kept = ([t.margin(name) for t in pairs] for name in ("audio", "joint"))
    both = list(zip(heard, kept, strict=True))
    found: dict[str, float | None] = {
        "margin_audio": average(heard, clusters),
        "margin_joint": average(kept, clusters),
        "displacement": average([a - j for a, j in both], clusters),
    }
    kinds = {
        "robust": [a > 0 and j > 0 for a, j in both],
        "repairable": [a > 0 and j <= 0 for a, j in both],
        "unheard": [a <= 0 and j <= 0 for a, j in both],
        "rescued": [a <= 0 and j > 0 for a, j in both],
    }
    found |= {name: sum(hits) / len(hits) if hits else None for name, hits in kinds.items()}
    for name, t_name, zero in (("text_share", "text", "silence"), ("text_share_none", "text_alone", "nothing")):
        whole = [t for t in pairs if t.branch(t_name) and t.branch(zero)]
        v = [tuple(t.margin(x) for x in ("joint", "audio", t_name, zero)) for t in whole]
        phi_a, phi_t = ([(a - o + j - t) / 2 for j, a, t, o in v], [(t - o + j - a) / 2 for j, a, t, o in v])
        bottom = sum(map(abs, phi_a)) + sum(map(abs, phi_t))
        found[name] = sum(map(abs, phi_t)) / bottom if bottom else None
        if name == "text_share":
            names = {t.cluster for t in whole}
            found |= {"phi_audio": average(phi_a, names), "phi_text": average(phi_t, names)}
            found["interaction"] = average([j - a - t + o for j, a, t, o in v], names)
    answers = [[best(s) for s in (t.joint, t.audio, t.text)] for t in trials if t.joint and t.audio and t.text]
    chosen = [(j == t, j == a) for j, a, t in answers if None not in (a, t) and a != t and j in (a, t)]
    found["tpr"] = sum(text for text, _ in chosen) / len(chosen) if chosen else None
    return found


@settings(deadline=None, max_examples=60)
@given(runs())
def test_values_agree_with_the_plain_implementation(trials: list[FusionTrial]) -> None:
    rows = table(trials)
    tasks = sorted({t.task for t in trials})
    assert [task for task, _ in rows] == [task for task in (*tasks, "*") for _ in NAMES]
    for task in tasks:
        for name, expected in reference([t for t in trials if t.task == task]).items():
            found = rows[task, name].value
            assert found == (None if expected is None else pytest.approx(expected, abs=1e-9)), (task, name)
    for name in NAMES:
        short = name.removeprefix(PREFIX)
        parts = [rows[task, short].value for task in tasks]
        whole = [x for x in parts if x is not None]
        found = rows["*", short].value
        assert found == (pytest.approx(np.mean(whole), abs=1e-9) if len(whole) == len(parts) else None)


@settings(deadline=None, max_examples=60)
@given(runs())
def test_every_row_is_well_formed_and_the_identities_hold(trials: list[FusionTrial]) -> None:
    rows = table(trials)
    for row in rows.values():
        json.loads(json.dumps(row.to_json(), allow_nan=False))
        spec = METRICS[row.metric]
        assert row.condition is None
        assert not spec.takes_condition
        if row.value is None:
            assert row.note
            assert row.low is None
            continue
        assert row.low is not None
        assert row.high is not None
        assert row.lower95 is not None
        assert row.upper95 is not None
        assert row.low - 1e-9 <= row.lower95 <= row.value + 1e-9
        assert row.value - 1e-9 <= row.upper95 <= row.high + 1e-9
        assert spec.low - 1e-9 <= row.value <= spec.high + 1e-9
        assert min(row.n, row.clusters) > 0
    for task in {task for task, _ in rows}:
        quadrants = [rows[task, name].value for name in ("robust", "repairable", "unheard", "rescued")]
        assert quadrants == [None] * 4 or sum(x or 0.0 for x in quadrants) == pytest.approx(1.0)
        a, j, d = (rows[task, name].value for name in ("margin_audio", "margin_joint", "displacement"))
        assert d == (None if a is None or j is None else pytest.approx(a - j, abs=1e-9))


@settings(deadline=None, max_examples=30)
@given(runs(), st.lists(st.floats(-50, 50), min_size=6, max_size=6), st.permutations(LABELS))
def test_constants_names_and_order_change_nothing(
    trials: list[FusionTrial], constants: list[float], names: list[str]
) -> None:
    name = dict(zip(LABELS, names, strict=True))

    def moved(trial: FusionTrial) -> FusionTrial:
        branches = [
            None if scores is None else {name[x]: s + constant for x, s in scores.items()}
            for scores, constant in zip(map(trial.branch, BRANCHES), constants, strict=True)
        ]
        label = None if trial.text_label is None else name[trial.text_label]
        return FusionTrial(trial.sample, trial.task, trial.cluster, name[trial.gold], label, *branches)

    # Ties are decided before rounding can, so they are left out of this property.
    trials = [t for t in trials if all(abs(t.margin(x)) > 1e-6 for x in BRANCHES if t.branch(x))]
    trials = [t for t in trials if all(len(set(s.values())) == 3 for x in BRANCHES if (s := t.branch(x)))]
    same, other = table(trials), table([moved(t) for t in reversed(trials)])
    for key, row in same.items():
        if key[1] == "balance_point":
            continue
        ends = (row.value, row.low, row.high)
        assert (other[key].value is None) == (row.value is None)
        if row.value is not None:
            assert (other[key].value, other[key].low, other[key].high) == pytest.approx(ends, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(runs(), st.integers(2, 3))
def test_the_same_clip_again_is_no_new_evidence(trials: list[FusionTrial], times: int) -> None:
    again = [dataclasses.replace(t, sample=f"{t.sample}-{k}") for t in trials for k in range(times)]
    once, more = table(trials), table(again)
    for key, row in once.items():
        assert (more[key].value is None) == (row.value is None)
        assert more[key].clusters == row.clusters
        if row.value is not None:
            found = (more[key].value, more[key].low, more[key].high, more[key].lower95, more[key].upper95)
            assert found == pytest.approx((row.value, row.low, row.high, row.lower95, row.upper95), abs=1e-9)


def test_a_lost_branch_is_counted_where_it_is_needed() -> None:
    trials = [clip(row, -1.0, 2.0 + row, -1.0, 0.5) for row in range(10)]
    trials[3] = dataclasses.replace(trials[3], silence=None)
    trials[4] = dataclasses.replace(trials[4], text_label=None)
    rows = table(trials)
    assert rows["SER", "margin_audio"].n == 9
    assert rows["SER", "margin_audio"].note == "text label unknown on 1 of 10 samples"
    assert rows["SER", "phi_text"].n == 8
    assert rows["SER", "phi_text"].note == "branch 0 missing on 1, text label unknown on 1 of 10 samples"
    assert rows["SER", "tpr"].n == 10  # it needs neither
    assert rows["SER", "tpr"].note is None


def test_a_model_without_silent_branches_keeps_its_margins() -> None:
    trials = [
        dataclasses.replace(clip(row, -1.0, 2.0, 0.0, 0.0), text=None, silence=None, text_alone=None, nothing=None)
        for row in range(10)
    ]
    rows = table(trials)
    assert value(rows, "repairable") == 1.0
    for name in ("phi_audio", "text_share", "text_share_none", "balance_point", "tpr"):
        assert rows["*", name].value is None
        assert str(rows["*", name].note).startswith("branch T")


def test_the_spread_between_silence_and_none_is_said() -> None:
    trials = [dataclasses.replace(clip(row, -2.0, 2.0, -2.0, 0.0), text_alone=scored(-6.0)) for row in range(10)]
    rows = table(trials)  # none: phi_A = (2 + 4) / 2, phi_T = (-6 - 4) / 2
    assert value(rows, "text_share_none") == pytest.approx(5 / 8)
    assert rows["*", "text_share"].note == "silence/none spread 0.125"
    assert rows["SER", "text_share"].note == "silence/none spread 0.125"
    assert rows["*", "text_share_none"].note is None


def test_clips_shared_by_tasks_count_once_over_tasks() -> None:
    margins = np.random.default_rng(2).normal(0, 2, (20, 2))
    shared = [clip(row, j, a, j - 1, 0.0, task=task) for task in ("AQA", "SER") for row, (j, a) in enumerate(margins)]
    rows = table(shared)
    for name in ("margin_joint", "repairable", "phi_text"):
        assert rows["*", name].clusters == 20
        assert rows["*", name].low == pytest.approx(rows["SER", name].low, abs=1e-9)
        assert rows["*", name].high == pytest.approx(rows["SER", name].high, abs=1e-9)


def test_the_balance_point_of_a_model_that_prefers_text() -> None:
    """Texts that leave more and more doubt; this model lets go of them only well beyond equal doubt."""
    rng, trials = np.random.default_rng(8), []
    for row, sharpness in enumerate(rng.uniform(0.0, 4.0, 150)):
        audio, text = {"a": 2.0, "b": 0.0, "c": 0.0}, {"a": 0.0, "b": sharpness, "c": 0.0}
        joint = scored(float(rng.logistic(1.0 - sharpness, 0.5)))
        trials.append(FusionTrial(f"SER-{row:04d}", "SER", f"clip-{row}", "a", "b", joint, audio, text))
    found = table(trials)["*", "balance_point"]
    assert found.value is not None
    assert found.low is not None
    assert (
        0.0 < found.low < found.value < 1.0
    )  # followed at sharpness 1, where the text leaves more doubt than the audio


def test_certain_clips_leave_the_balance_point_and_are_counted() -> None:
    sure = {"a": 0.0, "b": -1e4, "c": -1e4}
    trials = [FusionTrial(f"SER-{r}", "SER", f"c{r}", "a", "b", scored(1.0), sure, sure) for r in range(25)]
    found = table(trials)["SER", "balance_point"]
    assert found.value is None
    assert str(found.note).endswith("no uncertainty at all on 25 samples")


def test_a_sample_given_twice_is_refused_and_nothing_gives_nothing() -> None:
    with pytest.raises(ValueError, match="sample SER-0001 of task SER was given twice"):
        fusion_rows([clip(1, 0.0, 0.0, 0.0, 0.0)] * 2)
    assert fusion_rows([]) == []
