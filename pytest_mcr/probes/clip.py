"""Everything that is measured on one clip: lens, knockouts with their controls, patching, attention."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_mcr.probes import controls, lens, patching
from pytest_mcr.probes.attention import Attended, attend, log_density, share
from pytest_mcr.probes.body import Body, Look
from pytest_mcr.probes.knockout import Cut, knocked_out, window
from pytest_mcr.probes.questions import Posed
from pytest_mcr.probes.tally import Name, Tally
from pytest_mcr.probes.trials import Fitness

EDGES: Final = {
    "text_q": ("text", False),
    "audio_q": ("audio", False),
    "text_all": ("text", True),
    "audio_all": ("audio", True),
}
"""Knockouts: whose keys are cut, and whether from every position or from the last alone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        layers: chosen, ascending; 0 is the embeddings.
        width: blocks on either side of a window's middle.
        draws: of each control.
        seed: of the draws.
    """

    layers: Sequence[int]
    width: int
    draws: int
    seed: int


class Examiner:
    """Measures clips, one at a time, into a tally.

    Args:
        body: of the model.
        fitness: what it allows.
        plan: what is measured.
        tally: takes the numbers.
    """

    def __init__(self, body: Body, fitness: Fitness, plan: Plan, tally: Tally) -> None:
        self._body = body
        self._fitness = fitness
        self._plan = plan
        self._tally = tally

    def examine(self, posed: Posed) -> None:
        """Measure a clip.

        Raises:
            UnfitError: this clip's prompt shows the model to be other than it was tried.
            ArithmeticError: logits are not numbers.
        """
        every = self._fitness.lens is None
        joint, alone = (self._body.look(prompt, every=every) for prompt in (posed.joint, posed.alone))
        if every:
            self._lens(posed, joint, alone)
        attended = attend(self._body, posed.joint) if self._fitness.attention is None else None
        if attended is not None:
            self._attention(posed, attended)
        if self._fitness.knockout is None:
            self._knockouts(posed, joint)
            self._controls(posed, joint, alone, attended)
        if self._fitness.patching is None:
            self._patching(posed, joint, alone)

    def _lens(self, posed: Posed, joint: Look, alone: Look) -> None:
        curves = {"joint": lens.margins(joint, posed.labels), "audio": lens.margins(alone, posed.labels)}
        deep = self._body.depth >= lens.DEEP
        for branch, curve in curves.items():
            for layer in self._plan.layers:
                self._add(posed, f"lens_{branch}", float(curve[layer]), layer)
            self._add(posed, f"lens_auc_{branch}", lens.area(curve))
            self._add(posed, f"lens_oscillations_{branch}", lens.oscillations(curve))
            if deep:
                self._add(posed, f"lens_crossover_{branch}", lens.crossover(curve))
        for layer in self._plan.layers:
            self._add(posed, "lens_gap", float(curves["audio"][layer] - curves["joint"][layer]), layer)

    def _attention(self, posed: Posed, attended: Attended) -> None:
        curves = {
            "attention_density": log_density(attended.weights, posed.spans),
            "attention_share_text": share(attended.weights, posed.spans.text, posed.spans),
            "attention_share_audio": share(attended.weights, posed.spans.audio, posed.spans),
        }
        if attended.values is not None:
            curves["attention_value_density"] = log_density(attended.values, posed.spans)
        for metric, curve in curves.items():
            for layer in self._blocks():
                value = float(curve[layer - 1])
                self._add(posed, metric, value if np.isfinite(value) else None, layer)

    def _knockouts(self, posed: Posed, joint: Look) -> None:
        before = float(lens.margins(joint, posed.labels)[-1])
        for edge, (source, to_all) in EDGES.items():
            cut = Cut(getattr(posed.spans, source), to_all)
            for layer in (None, *self._blocks()):
                reach = self._everywhere() if layer is None else window(layer, self._plan.width, self._body.depth)
                after = float(lens.margins(self._cut(posed, cut, reach), posed.labels)[-1])
                self._add(posed, f"knockout_{edge}", after - before, layer)

    def _controls(self, posed: Posed, joint: Look, alone: Look, attended: Attended | None) -> None:
        """Does the model answer as it would without the text: with the text cut, and with other keys cut instead."""
        before = float(lens.margins(joint, posed.labels)[-1])
        wanted = _answer(posed, alone)
        self._count(posed, "agreement_joint", _answer(posed, joint) == wanted)
        cut = self._cut(posed, Cut(posed.spans.text, to_all=True), self._everywhere())
        self._count(posed, "agreement_knockout", _answer(posed, cut) == wanted)
        self._add(posed, "keys_text", len(posed.spans.text))
        for control, draw_keys in _pools(posed, attended).items():
            for draw in range(self._plan.draws):
                keys = draw_keys(controls.generator(self._plan.seed, f"{posed.id} {control}", draw))
                self._add(posed, f"keys_control_{control}", len(keys), draw=draw)
                look = self._cut(posed, Cut(keys, to_all=True), self._everywhere())
                effect = float(lens.margins(look, posed.labels)[-1]) - before
                self._add(posed, f"knockout_control_{control}", effect, draw=draw)
                self._count(posed, f"agreement_control_{control}", _answer(posed, look) == wanted, draw)

    def _patching(self, posed: Posed, joint: Look, alone: Look) -> None:
        m_joint, m_alone = (float(lens.margins(look, posed.labels)[-1]) for look in (joint, alone))
        layers = patching.patchable(self._plan.layers, self._body.depth)
        effects: list[float] = []
        for layer in layers:
            with patching.patched(self._body, layer, alone.states[layer]):
                patch = float(lens.margins(self._body.look(posed.joint), posed.labels)[-1])
            effect = patching.effect(patch, m_joint, m_alone)
            self._add(posed, "patch", effect, layer)
            if m_alone > 0 > m_joint:
                self._count(posed, "patch_rescue", patch > 0, layer=layer)
            effects += [] if effect is None else [effect]
        if self._body.depth >= lens.DEEP and effects:
            self._add(posed, "patch_arbitration", patching.passes(layers, effects, 0.5))

    def _cut(self, posed: Posed, cut: Cut, layers: Collection[int]) -> Look:
        with knocked_out(self._body, layers, cut, posed.spans.length):
            return self._body.look(posed.joint)

    def _everywhere(self) -> range:
        return range(1, self._body.depth + 1)

    def _blocks(self) -> list[int]:
        return [layer for layer in self._plan.layers if layer > 0]

    def _add(
        self, posed: Posed, metric: str, value: float | None, layer: int | None = None, draw: int | None = None
    ) -> None:
        self._tally.add(Name(metric, layer, draw), posed.cluster, value)

    def _count(self, posed: Posed, metric: str, hit: bool, draw: int | None = None, layer: int | None = None) -> None:
        self._tally.count(Name(metric, layer, draw), posed.cluster, hit)


Draw = Callable[[np.random.Generator], tuple[int, ...]]


def _pools(posed: Posed, attended: Attended | None) -> dict[str, Draw]:
    """What the controls cut: as many words, as many audio keys, and keys of as much attention as the text has."""
    spans = posed.spans
    count = len(spans.text)
    pools: dict[str, Draw] = {
        "prompt": lambda rng: controls.as_many(controls.words(spans), count, rng),
        "audio": lambda rng: controls.as_many(spans.audio, count, rng),
    }
    if attended is not None:
        mass: NDArray[np.float64] = attended.weights.mean(0)
        wanted = float(mass[list(spans.text)].sum())
        pools["mass"] = lambda rng: controls.as_much(controls.others(spans), mass, wanted, rng)
    return pools


def _answer(posed: Posed, look: Look) -> int:
    """The likeliest next token of a candidate; the first of equal ones."""
    choices = list(posed.labels.choices)
    return choices[int(look.logits[-1, choices].argmax())]
