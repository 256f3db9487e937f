"""What a model's hidden states know about a conflict, against what a text alone, or the answer, gives away.

Three targets: does the text contradict the clip, which label does the clip support, will the answer follow the text.
Every score is out of fold, and no fold shares a clip or a text with another. The layer and the text baseline of a fold
are chosen on its training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_mcr.core.awareness import PREFIX
from pytest_mcr.core.clusters import Clusters, Codes, Floats
from pytest_mcr.core.crossing import uncrossed
from pytest_mcr.core.estimates import Estimate, undefined
from pytest_mcr.core.folds import FOLDS, components, fold_numbers, rounds
from pytest_mcr.core.rates import Estimates
from pytest_mcr.core.separation import ONE_CLASS, area, difference, retained
from pytest_mcr.errors import StatesError, TimeUpError
from pytest_mcr.probes.awareness_rows import Row, Target, output_features, targets_of
from pytest_mcr.probes.classifiers import Matrix, Scorer, of_forest, of_matrix, of_words
from pytest_mcr.probes.nested import nested
from pytest_mcr.probes.states import States

NAMES: Final = (
    "conflict", "conflict_probe", "conflict_text", "conflict_output", "conflict_shuffled", "conflict_transfer",
    "conflict_forest", "disconnect", "retained", "label_probe", "label_audio", "label_text", "label_shuffled",
    "follow", "follow_probe", "follow_text",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stores:
    """States on disk: of branches J and T by row, of branch A by clip, in the order in which rows name the clips.

    Attributes:
        check: called before a layer is read; raises `TimeUpError` where there is no time for its probes.
    """

    joint: States
    text: States
    audio: States
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Measured:
    """What the probes found.

    Attributes:
        tasks: numbers by task.
        problems: what could not be measured though it should have been, one line each.
        ended: why it was ended before all was measured.
    """

    tasks: dict[str, Estimates]
    problems: tuple[str, ...] = ()
    ended: str | None = None


def measure(rows: Sequence[Row], stores: Stores, *, middle: int, seed: int) -> Measured:
    """Probe the states of all tasks.

    Args:
        rows: of the crossed design, the rows of a task together.
        stores: the states of the same rows and their clips.
        middle: the layer nearest to half of the depth; the forest and the transfer look there.
        seed: of shuffles and trees.
    """
    groups = components([row.cluster for row in rows], [row.text for row in rows])
    total = int(groups.max(initial=-1)) + 1
    names = list(dict.fromkeys(row.task for row in rows))
    tasks: list[_Task] = []
    found: dict[str, Estimates] = {}
    ended: str | None = None
    try:
        tasks += (_task(name, rows, groups, total, stores) for name in names)
        for task in tasks:
            found[task.name] = task.estimates(seed)
        for task in tasks:
            _add_fixed(found[task.name], task, tasks, middle, seed)
    except TimeUpError as error:  # the numbers that are there stay
        ended = str(error)
        found = {name: nothing(ended, total) | found.get(name, {}) for name in names}
    return Measured(found, tuple(problem for task in tasks for problem in task.problems), ended)


def nothing(reason: str, clusters: int = 0) -> Estimates:
    """Every number of a task that has none."""
    empty = Clusters(np.zeros(0, dtype=np.int64), clusters)
    return {(PREFIX + name, None, ()): undefined(empty, reason) for name in NAMES}


def _task(name: str, rows: Sequence[Row], groups: Codes, total: int, stores: Stores) -> _Task:
    """A task with its part of the rows; clips are numbered over all tasks, as the states of branch A are."""
    order = {clip: place for place, clip in enumerate(dict.fromkeys(row.clip for row in rows))}
    places = np.array([place for place, row in enumerate(rows) if row.task == name], dtype=np.int64)
    clips = np.array([order[rows[place].clip] for place in places], dtype=np.int64)
    return _Task(name, [rows[place] for place in places], places, clips, groups[places], total, stores)


class _Task:
    """One task: its rows, folds, and the layers whose states are numbers."""

    def __init__(
        self, name: str, rows: list[Row], places: Codes, clips: Codes, groups: Codes, total: int, stores: Stores
    ) -> None:
        self.name, self.rows = name, rows
        self.start, self.stop = int(places[0]), int(places[-1]) + 1
        self.groups, self.total = groups, total
        self.stores = stores
        self.first_clip, self.clip_of = int(clips.min()), clips - int(clips.min())
        self.folds = fold_numbers(groups)
        self.problems: list[str] = []
        self.layers: list[int] = []
        self.lost: dict[int, str] = {}
        for layer in stores.joint.layers:
            try:
                for store in (self.joint, self.text, self.audio):
                    store(layer)
                self.layers.append(layer)
            except StatesError as error:
                self.lost[layer] = str(error)
                self.problems.append(f"{name}: {error}")

    @property
    def refusal(self) -> str | None:
        """Why nothing can be measured."""
        if not self.layers:
            return next(iter(self.lost.values()))
        if self.folds is None:
            groups = len(np.unique(self.groups))
            return (
                f"{groups} {'group' if groups == 1 else 'groups'} of clips that share no text; {FOLDS} folds need at "
                "least as many; take more clips (--mcr-awareness-samples)"
            )
        clips, texts = [row.clip for row in self.rows], [row.text for row in self.rows]
        return uncrossed(clips, texts, [row.gold for row in self.rows], [row.label for row in self.rows])

    def joint(self, layer: int) -> Matrix:
        return self._read(self.stores.joint, layer, self.start, self.stop)

    def text(self, layer: int) -> Matrix:
        return self._read(self.stores.text, layer, self.start, self.stop)

    def audio(self, layer: int) -> Matrix:
        count = int(self.clip_of.max()) + 1
        return self._read(self.stores.audio, layer, self.first_clip, self.first_clip + count)

    def _read(self, states: States, layer: int, start: int, stop: int) -> Matrix:
        self.stores.check()
        return states.layer(layer, start, stop)

    def area(self, scores: Floats, target: Target, folds: Codes | None = None) -> Estimate:
        """AUROC of a target's rows; of all rows for scores of all."""
        among, numbers = target.among, self.folds if folds is None else folds
        assert numbers is not None
        clusters = Clusters(self.groups[among], self.total)
        units = len(np.unique(self.clip_of[among]))
        return area(clusters, scores[among], target.classes[among], numbers[among], units=units)

    def estimates(self, seed: int) -> Estimates:
        """All numbers, without those of the fixed layer."""
        refusal = self.refusal
        if refusal is not None:
            return nothing(refusal, self.total)
        assert self.folds is not None
        words = of_words([row.words for row in self.rows])
        found: dict[str, Estimate] = {}
        curves: Estimates = {}
        everything = targets_of(self.rows)
        joint = nested(self.joint, self.layers, self.folds, everything)
        for target in everything:
            own = joint[target.name]
            probe, name = self.area(own.scores, target), target.name
            if name == "follow" and probe.note == ONE_CLASS:
                share = "every" if target.classes[target.among].any() else "no"
                probe = probe.noted(f"{share} answer to an adversarial text follows it")
            text = self.area(self._baseline(words, target, own.chosen), target)
            found |= {f"{name}_probe": probe, f"{name}_text": text}
            curves |= self._curve(f"{name}_probe", target, own.by_layer)
            if target.name != "label":
                found[name] = difference(probe, text)
            if target.name != "follow":
                mixed = target.shuffled(np.random.default_rng([seed, len(self.rows)]))
                found[f"{name}_shuffled"] = self.area(self._at(self.joint, mixed, own.chosen), mixed)
        found["disconnect"], found["conflict_output"] = self._output(everything[0], found["conflict_probe"])
        found["label_audio"] = self._alone(everything[1])
        found["retained"] = retained(found["label_probe"], found["label_audio"], found["label_text"])
        return {(PREFIX + name, None, ()): estimate for name, estimate in found.items()} | curves

    def _curve(self, name: str, target: Target, by_layer: dict[int, Floats]) -> Estimates:
        values = {layer: self.area(scores, target) for layer, scores in by_layer.items()}
        none = Clusters(np.zeros(0, dtype=np.int64), self.total)
        values |= {layer: undefined(none, reason) for layer, reason in self.lost.items()}
        return {(PREFIX + name, None, (("layer", str(layer)),)): values[layer] for layer in sorted(values)}

    def _at(self, store: Callable[[int], Matrix], target: Target, chosen: dict[int, int]) -> Floats:
        """Out-of-fold scores of a target at the layer that each fold has chosen."""
        assert self.folds is not None
        scores = np.zeros(target.shape)
        for layer in sorted(set(chosen.values())):
            scorer = of_matrix(store(layer))
            for fold in rounds(self.folds, target.among):
                if chosen[fold.number] == layer:
                    scores[fold.test] = scorer(fold.train, target.classes[fold.train], fold.test, target.count)
        return scores

    def _baseline(self, words: Scorer, target: Target, chosen: dict[int, int]) -> Floats:
        """Out-of-fold scores of the better text-only probe: its words, or branch T's states at the fold's layer."""
        assert self.folds is not None
        scores = np.zeros(target.shape)
        for layer in sorted(set(chosen.values())):
            states = of_matrix(self.text(layer))
            for fold in rounds(self.folds, target.among):
                if chosen[fold.number] == layer:
                    best = max((words, states), key=lambda scorer: target.quality(scorer, fold))
                    scores[fold.test] = best(fold.train, target.classes[fold.train], fold.test, target.count)
        return scores

    def _output(self, target: Target, probe: Estimate) -> tuple[Estimate, Estimate]:
        """``disconnect`` and the AUROC of what the answer's scores say about the conflict."""
        assert self.folds is not None
        features = output_features(self.rows)
        if features is None:
            missing = undefined(Clusters(self.groups, self.total), "the model gives no scores")
            return missing, missing
        scorer, scores = of_matrix(features), np.zeros(target.shape)
        for fold in rounds(self.folds):
            scores[fold.test] = scorer(fold.train, target.classes[fold.train], fold.test, target.count)
        output = self.area(scores, target)
        return difference(probe, output), output

    def _alone(self, target: Target) -> Estimate:
        """AUROC of the clip's label in branch A, whose rows are clips; its folds choose their own layers."""
        assert self.folds is not None
        _, first = np.unique(self.clip_of, return_index=True)
        clips = Target(target.name, target.classes[first], np.ones(len(first), dtype=np.bool_), target.count)
        folds = self.folds[first]
        scores = nested(self.audio, self.layers, folds, [clips])[target.name].scores
        return area(Clusters(self.groups[first], self.total), scores, clips.classes, folds, units=len(first))


def _add_fixed(found: Estimates, task: _Task, tasks: Sequence[_Task], middle: int, seed: int) -> None:
    """Add what looks at one layer that was fixed in advance: the forest, and the probe of the other tasks."""
    forest, transfer = (PREFIX + name for name in ("conflict_forest", "conflict_transfer"))
    if task.refusal is not None:
        return
    assert task.folds is not None
    none = Clusters(task.groups, task.total)
    if middle not in task.layers:
        for name in (forest, transfer):
            found[name, None, ()] = undefined(none, task.lost.get(middle, f"layer {middle} was not read"))
        return
    target = targets_of(task.rows)[0]
    scorer, scores = of_forest(task.joint(middle), seed), np.zeros(target.shape)
    for fold in rounds(task.folds):
        scores[fold.test] = scorer(fold.train, target.classes[fold.train], fold.test, target.count)
    found[forest, None, ()] = task.area(scores, target)
    others = [other for other in tasks if other is not task and other.refusal is None and middle in other.layers]
    if not others:
        found[transfer, None, ()] = undefined(none, "no other task to learn from")
        return
    found[transfer, None, ()] = _transferred(task, target, others, middle)


def _transferred(task: _Task, target: Target, others: Sequence[_Task], middle: int) -> Estimate:
    """AUROC of a probe that was fitted on the other tasks, without what shares a clip or a text with this one."""
    own = set(task.groups.tolist())
    kept = [np.array([group not in own for group in other.groups.tolist()], dtype=np.bool_) for other in others]
    classes = [targets_of(other.rows)[0].classes[among] for other, among in zip(others, kept, strict=True)]
    values = np.concatenate([target.classes, *classes])
    first = task.joint(middle)
    matrix = np.empty((len(values), first.shape[1]), np.float32)  # filled task by task: no second copy of all states
    matrix[: len(first)] = first
    place = len(first)
    for other, among in zip(others, kept, strict=True):
        rows = other.joint(middle)[among]
        matrix[place : place + len(rows)] = rows
        place += len(rows)
    test = np.arange(len(task.rows))
    train = np.arange(len(task.rows), len(values))
    if len(np.unique(values[train])) < 2:
        return undefined(Clusters(task.groups, task.total), "the other tasks share their clips or texts with this one")
    scores = of_matrix(matrix)(train, values[train], test, target.count)
    return task.area(scores, target, np.zeros(len(test), dtype=np.int64))
