"""The relations of the dominance suite: what an answer should do when the text is varied and the clip stays.

Each is a rate, a difference or a slope over the trials of `dominance_design`, clustered by clip. M-numbers are those
of the design's families. "Heard" clips are those that the model answers rightly from the audio alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pytest_mcr.core import orbits
from pytest_mcr.core.branches import FusionTrial
from pytest_mcr.core.clusters import roster
from pytest_mcr.core.dominance_design import FAMILIES
from pytest_mcr.core.dominance_trials import Probed, Trial
from pytest_mcr.core.estimates import Estimate
from pytest_mcr.core.fusion import PREFIX, fusion_rows
from pytest_mcr.core.metrics import OVERALL, Metric, rows_of
from pytest_mcr.core.perturb import OPERATORS
from pytest_mcr.core.rates import Estimates, Key

SURE: Final = 2.2
"""Margin of the audio alone, in nats, from which on it is strong: nine to one for the gold answer (M5)."""
WARNED: Final = "varied"
"""Name of the varied trials of a paired difference."""

Votes = list[orbits.Trial]


def dominance_rows(probed: Sequence[Probed]) -> list[Metric]:
    """The rows ``dominance.*``: the relations, the share of heard clips that each operator turns, the fusion numbers.

    Relations over tasks are over the trials of all tasks together, not the mean of the tasks' values: not every task
    has every edit (options that the question lists cannot be put in another order).

    Args:
        probed: at most one a sample; any order.
    """
    ordered = sorted(probed, key=lambda clip: (clip.task, clip.sample))
    tasks: dict[str, list[Probed]] = {}
    for clip in ordered:
        tasks.setdefault(clip.task, []).append(clip)
    among = roster(clip.cluster for clip in ordered)
    found = [relations(clips) for clips in tasks.values()]
    measured: list[Estimates] = [{key: measure(among) for key, measure in one.items()} for one in found]
    rows = [row for row in rows_of(list(tasks), measured) if row.task != OVERALL]
    pooled = {key: measure(among) for key, measure in (relations(ordered) | by_operator(ordered)).items()}
    rows += rows_of([OVERALL], [pooled])[: len(pooled)]
    return rows + fusion_rows(map(fusion_trial, ordered)) if ordered else []


Measured = Callable[[orbits.Roster], Estimate]


def relations(clips: Sequence[Probed]) -> dict[Key, Measured]:
    """Every relation over some clips, still to be measured against the clusters of all tasks."""
    measures: dict[str, tuple[Callable[..., Estimate], Votes]] = {
        "irrelevant_flip": (orbits.event_rate, _broken(clips, "irrelevant")),
        "irrelevant_edit_flip": (orbits.event_rate, _turned(clips, "M2")),
        "faithful_break": (orbits.event_rate, _broken(clips, "faithful")),
        "edit_consistency": (orbits.orbit_consistency, _orbit(clips, "M4", kept=True)),
        "edit_worst": (orbits.orbit_worst, _orbit(clips, "M4", kept=True)),
        "strong_audio_flip": (orbits.event_rate, _broken([clip for clip in clips if sure(clip)], "joint")),
        "warning_excess": (_difference, _orbit(clips, "M8")),
        "warning_cost": (_difference, _wrongness(clips)),
        "position_consistency": (orbits.orbit_consistency, _orbit(clips, "M9")),
        "denied_follow": (orbits.event_rate, _follows(clips, "M10")),
        "swap_follow": (orbits.event_rate, _swapped(clips)),
        "silence_difference": (orbits.event_rate, _silenced(clips)),
        "order_consistency": (orbits.orbit_consistency, _orbit(clips, "M13", label=True)),
        "injection_excess": (_difference, _orbit(clips, "M15")),
        "language_excess": (_difference, _orbit(clips, "M16")),
        "label_asymmetry": (orbits.slope, _by_label(clips)),
    }
    return {(PREFIX + name, None, ()): partial(measure, votes) for name, (measure, votes) in measures.items()}


def by_operator(clips: Sequence[Probed]) -> dict[Key, Measured]:
    """Slopes and shares of turned answers by operator: over the clips of all tasks, because each has few of its own."""
    named: dict[Key, Measured] = {}
    for operator in _ordered_operators(clips):
        votes = _steps(clips, operator)
        named[f"{PREFIX}slope", None, (("operator", operator),)] = partial(orbits.slope, votes)
    for level, votes in _by_level(clips).items():
        named[f"{PREFIX}flip", None, (("operator", level),)] = partial(orbits.event_rate, votes)
    return named


def heard(clip: Probed) -> bool:
    """Whether the model is right from the audio alone."""
    alone = clip.base("audio")
    return alone is not None and alone.answer == clip.gold


def sure(clip: Probed) -> bool:
    """Whether it is right by a margin of at least `SURE` over the text's label."""
    alone = clip.base("audio")
    if alone is None or not heard(clip) or alone.scores is None or clip.text_label is None:
        return False
    return alone.scores[clip.gold] - alone.scores[clip.text_label] >= SURE


def fusion_trial(clip: Probed) -> FusionTrial:
    """The scores of a clip's branches; a text that supports the gold answer has no label to pull towards."""
    scores = {name: None if (one := clip.base(name)) is None else one.scores for name in _FUSED}
    label = None if clip.text_label == clip.gold else clip.text_label
    return FusionTrial(clip.sample, clip.task, clip.cluster, clip.gold, label, **scores)


_FUSED: Final = ("joint", "audio", "text", "silence", "text_alone", "nothing")


@dataclass(frozen=True, slots=True)
class _Voter:
    """Makes votes of one clip."""

    clip: Probed

    def vote(self, variant: str, event: bool, level: float | None = None) -> orbits.Trial:
        return orbits.Trial(self.clip.task, self.clip.sample, self.clip.cluster, variant, event, level)

    def follows(self, trial: Trial) -> bool:
        return trial.answer is not None and trial.answer == self.clip.text_label


def _of_family(clip: Probed, family: str) -> list[Trial]:
    strata = {(stratum.operator, stratum.level) for stratum in FAMILIES[family]}
    return [t for t in clip.varied(FAMILIES[family][0].base) if (t.operator, t.level) in strata]


def _broken(clips: Iterable[Probed], base: str) -> Votes:
    """Heard clips: the text of that base makes the answer wrong (M1, M3, M5)."""
    pairs = ((clip, clip.base(base)) for clip in clips if heard(clip))
    return [_Voter(clip).vote(base, trial.answer != clip.gold) for clip, trial in pairs if trial is not None]


def _turned(clips: Iterable[Probed], family: str) -> Votes:
    """Heard clips: a varied text makes the answer wrong (M2)."""
    return [
        _Voter(clip).vote(trial.operator, trial.answer != clip.gold)
        for clip in clips
        if heard(clip)
        for trial in _of_family(clip, family)
    ]


def _orbit(clips: Iterable[Probed], family: str, *, label: bool = False, kept: bool = False) -> Votes:
    """The adversarial text and its variants: is the text's label followed?

    Args:
        clips: of one task.
        family: of the variants.
        label: ask instead whether the answer is the base's.
        kept: only variants that still claim what the base does (a recogniser's errors can destroy the claim).
    """
    votes: Votes = []
    for clip in clips:
        base = clip.base("joint")
        varied = [trial for trial in _of_family(clip, family) if not kept or trial.claims == "same"]
        if base is None or not varied or (clip.text_label is None and not label):
            continue
        voter = _Voter(clip)
        votes.append(voter.vote(orbits.BASE, True if label else voter.follows(base)))
        votes += [
            voter.vote(WARNED, trial.answer == base.answer if label else voter.follows(trial)) for trial in varied
        ]
    return votes


def _wrongness(clips: Iterable[Probed]) -> Votes:
    """The faithful text with and without a remark on its reliability: is the answer wrong (M8)?"""
    votes: Votes = []
    for clip in clips:
        base, varied = clip.base("faithful"), _of_family(clip, "M8f")
        if base is not None and varied:
            voter = _Voter(clip)
            votes.append(voter.vote(orbits.BASE, base.answer != clip.gold))
            votes += [voter.vote(WARNED, trial.answer != clip.gold) for trial in varied]
    return votes


def _difference(votes: Votes, among: orbits.Roster) -> Estimate:
    return orbits.paired_difference(votes, among, plus=WARNED)


def _follows(clips: Iterable[Probed], family: str) -> Votes:
    """Is a label followed that the varied text names and does not assert (M10)?"""
    return [
        _Voter(clip).vote(trial.operator, _Voter(clip).follows(trial))
        for clip in clips
        if clip.text_label is not None
        for trial in _of_family(clip, family)
        if trial.claims in ("flipped", "void")
    ]


def _swapped(clips: Iterable[Probed]) -> Votes:
    """Is the answer that of the text when the clip is replaced by one of which the text is true (M11)?"""
    pairs = ((clip, clip.base("swapped")) for clip in clips)
    return [_Voter(clip).vote("swapped", _Voter(clip).follows(trial)) for clip, trial in pairs if trial is not None]


def _silenced(clips: Iterable[Probed]) -> Votes:
    """Heard clips: does the answer to the adversarial text change when the clip is replaced by silence (M12)?"""
    votes: Votes = []
    for clip in clips:
        joint, text = clip.base("joint"), clip.base("text")
        if heard(clip) and joint is not None and text is not None:
            votes.append(_Voter(clip).vote("text", joint.answer != text.answer))
    return votes


def _by_label(clips: Sequence[Probed]) -> Votes:
    """Tasks with two labels: is the text followed, as a slope from the label that sorts first to the other (M14)?"""
    known: dict[str, set[str]] = {}
    for clip in clips:
        if clip.text_label is not None:
            known.setdefault(clip.task, set()).add(clip.text_label)
    pairs = {task: sorted(labels) for task, labels in known.items() if len(labels) == 2}
    votes: Votes = []
    for clip in clips:
        base = clip.base("joint")
        if clip.task in pairs and clip.text_label is not None and base is not None:
            voter, place = _Voter(clip), pairs[clip.task].index(clip.text_label)
            votes.append(voter.vote(orbits.BASE, voter.follows(base), float(place)))
    return votes


def _ordered_operators(clips: Iterable[Probed]) -> list[str]:
    """Operators whose levels are ordered by strength: those of M6 and M7."""
    wanted = {stratum.operator for family in ("M6", "M7") for stratum in FAMILIES[family]}
    return sorted({trial.operator for clip in clips for trial in clip.varied("joint")} & wanted)


def _steps(clips: Iterable[Probed], operator: str) -> Votes:
    """Is the adversarial text followed, by the operator's dose, the text as it is included (M6, M7)?"""
    votes: Votes = []
    for clip in clips:
        base, varied = clip.base("joint"), [t for t in clip.varied("joint") if t.operator == operator]
        if base is None or not varied or clip.text_label is None:
            continue
        voter = _Voter(clip)
        votes.append(voter.vote(orbits.BASE, voter.follows(base), OPERATORS[operator].doses[0]))
        votes += [voter.vote(operator, voter.follows(trial), trial.dose) for trial in varied]
    return votes


def _by_level(clips: Iterable[Probed]) -> Mapping[str, Votes]:
    """Heard clips: does the adversarial text make the answer wrong, as it is, by operator, and by level?"""
    votes: dict[str, Votes] = {}
    for clip in clips:
        base = clip.base("joint")
        if not heard(clip) or base is None:
            continue
        for trial in (base, *clip.varied("joint")):
            names = (trial.operator, f"{trial.operator}:{trial.level}") if trial.operator else ("none",)
            for name in names:
                votes.setdefault(name, []).append(_Voter(clip).vote(name, trial.answer != clip.gold))
    return votes
