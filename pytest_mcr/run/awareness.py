"""The awareness suite in one process: the crossed design is asked, its hidden states are read, and probes look at them.

Probes need the states of all clips together, so the whole suite is one test in one process. States go to a temporary
folder that is gone afterwards.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mcr.core.case import ADVERSARIAL, FAITHFUL, Case
from pytest_mcr.core.crossing import Crossing, Pair, cross
from pytest_mcr.core.prompts import TEMPLATES, normalize, render_text
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import AudioError, TimeUpError
from pytest_mcr.models.spec import LOCAL, Spec
from pytest_mcr.run.deadline import Deadline
from pytest_mcr.run.observe import observe
from pytest_mcr.run.questions import Question
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject

if TYPE_CHECKING:  # the statistics are imported when there is something to measure
    from pytest_mcr.core.metrics import Metric
    from pytest_mcr.core.rates import Estimates
    from pytest_mcr.probes.awareness import Measured
    from pytest_mcr.probes.awareness_rows import Row

SUITE: Final = "awareness"
NO_LIBRARY: Final = "needs scikit-learn; type pip install 'pytest-mcr[analysis]'"
CHUNK_CLIPS: Final = 16
DEPTHS: Final = (0.5, 1.0)
"""Relative depths that are looked at unless ``--mcr-layers`` names layers: 16 and 32 of 32 in the paper."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the suite found.

    Attributes:
        rows: numbers of all tasks.
        problems: what went wrong, one line each; the test fails with the first.
        skipped: why the model's inside cannot be looked at at all, or not to the end.
    """

    rows: tuple[Metric, ...]
    problems: tuple[str, ...] = ()
    skipped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Builtins."""
        return {"id": SUITE, "rows": [asdict(row) for row in self.rows], "problems": list(self.problems)}


class Awareness:
    """Asks, reads and probes.

    Args:
        settings: the run's options.
        dataset: the chosen samples.
        spec: the model.
        subject: the model, loaded at the first need.
        deadline: of the run; this one test may be most of it, so it looks at it on the way.
    """

    def __init__(self, settings: Settings, dataset: Dataset, spec: Spec, subject: Subject, deadline: Deadline) -> None:
        self._settings = settings
        self._dataset = dataset
        self._spec = spec
        self._subject = subject
        self._deadline = deadline
        self._template = TEMPLATES[settings.template]

    def absent(self) -> str | None:
        """Why the suite cannot run at all."""
        if self._spec.scheme not in LOCAL:
            return "only a model in this process shows its hidden states"
        if importlib.util.find_spec("sklearn") is None:
            return NO_LIBRARY
        wanted = {FAITHFUL, ADVERSARIAL}
        if self._settings.conditions is not None and not wanted <= set(self._settings.conditions):
            return "needs faithful and adversarial texts, which --mcr-conditions leaves out"
        has = {condition for sample in self._dataset.samples for condition in sample.texts}
        return None if wanted <= has else "the data has no faithful and adversarial texts"

    def measured(self) -> Found:
        """Measure the model; what the time limit cuts off are numbers without a value, with the reason.

        Raises:
            StopRunError: the model cannot be used or trusted.
        """
        from pytest_mcr.probes.body import UnfitError

        self._subject.prove()
        settings = self._settings
        designs = cross(self._dataset.samples, limit=settings.awareness_samples, seed=settings.seed)
        lost: dict[str, str] = {}
        try:
            rows = {design.task: self._asked(design, lost) for design in designs}
            with tempfile.TemporaryDirectory(prefix="pytest-mcr-states-") as folder:
                measured = self._probed(designs, rows, Path(folder), lost)
        except UnfitError as error:
            return self._nothing(designs, str(error), skipped=f"the model cannot be looked into: {error}")
        except TimeUpError as error:
            return self._nothing(designs, str(error), problems=_complaints(lost), skipped=str(error))
        problems = (*measured.problems, *_complaints(lost))
        return Found(tuple(self._rows(designs, measured.tasks)), problems, measured.ended)

    def refused(self, reason: str) -> Found:
        """What is found where the whole suite is refused: numbers without a value."""
        designs = cross(self._dataset.samples, limit=self._settings.awareness_samples, seed=self._settings.seed)
        return self._nothing(designs, reason, problems=(reason,))

    def _nothing(
        self, designs: Sequence[Crossing], reason: str, *, problems: tuple[str, ...] = (), skipped: str | None = None
    ) -> Found:
        from pytest_mcr.probes.awareness import nothing

        found = {design.task: nothing(design.reason or reason) for design in designs}
        return Found(tuple(self._rows(designs, found)), problems, skipped)

    # --- asking ----------------------------------------------------------------------------------------------------

    def _asked(self, design: Crossing, lost: dict[str, str]) -> list[tuple[Pair, Row]]:
        """Every pair with its answer; blocks that lost an answer are out, because they would be crossed no more.

        Args:
            design: of a task.
            lost: filled with why, by block.
        """
        from pytest_mcr.probes.awareness_rows import Row

        found: list[tuple[Pair, Row]] = []
        for chunk in _chunks(design.pairs):
            self._deadline.check()
            questions = [self._question(number, pair) for number, pair in chunk]
            answers = self._subject.answers(questions)
            for (_, pair), question, answer in zip(chunk, questions, answers, strict=True):
                seen = observe(
                    question.case, ADVERSARIAL, question.prompt, answer.response, answer.digest or pair.sample.audio,
                    0.0, cached=answer.cached, by_score=self._settings.answer == "score",
                )  # fmt: skip
                if seen.error is not None:
                    lost.setdefault(pair.block, f"{question.id}: {seen.error}")
                sample, words = pair.sample, f"{pair.sample.question}\n{pair.text}"
                row = Row(
                    sample.task, sample.id, seen.cluster, normalize(pair.text), words, sample.gold, pair.label,
                    seen.answer, seen.scores,
                )  # fmt: skip
                found.append((pair, row))
        return [(pair, row) for pair, row in found if pair.block not in lost]

    def _question(self, number: int, pair: Pair) -> Question:
        sample = replace(
            pair.sample, texts={ADVERSARIAL: pair.text}, text_labels={ADVERSARIAL: pair.label}
        )  # as if the text were its own
        prompt = render_text(self._template, sample, pair.text)
        case = Case(sample, ADVERSARIAL)
        return Question(f"{case.id}::{SUITE}.{number}", case, ADVERSARIAL, prompt)

    # --- looking inside --------------------------------------------------------------------------------------------

    def _probed(
        self,
        designs: Sequence[Crossing],
        asked: Mapping[str, Sequence[tuple[Pair, Row]]],
        folder: Path,
        lost: dict[str, str],
    ) -> Measured:
        from pytest_mcr.models.hf import HfModel
        from pytest_mcr.probes.awareness import Measured, measure, nothing
        from pytest_mcr.probes.awareness_states import read_states

        model = self._subject.model
        assert isinstance(model, HfModel)
        layers, middle = self._layers(model)
        pairs = [pair for design in designs for pair in asked[design.task]]
        unheard = self._unheard(model, [pair for pair, _ in pairs])
        lost |= unheard
        pairs = [(pair, row) for pair, row in pairs if pair.block not in lost]
        measured = Measured({})
        if pairs:
            stores = read_states(
                model, [pair for pair, _ in pairs], layers, folder,
                clip=self._subject.clip, template=self._template, check=self._deadline.check,
            )  # fmt: skip
            measured = measure([row for _, row in pairs], stores, middle=middle, seed=self._settings.seed)
        found = measured.tasks
        total = next((len(one.influence) for task in found.values() for one in task.values()), 0)
        for design in designs:
            if design.task not in found:
                why = design.reason or "every block of clips and texts lost a clip or an answer"
                found[design.task] = nothing(why, total)
        return measured

    def _layers(self, model: Any) -> tuple[list[int], int]:
        """The layers to look at and, of these, the one nearest to half of the depth.

        Raises:
            OptionError: a layer that the model does not have.
            UnfitError: the model has no list of blocks.
        """
        from pytest_mcr.probes.body import Body
        from pytest_mcr.probes.layers import at_depth, parse_layers

        depth = Body(model.checkpoint).depth
        if self._settings.layers is None:
            chosen = sorted({at_depth(share, depth) for share in DEPTHS})
        else:
            chosen = parse_layers(self._settings.layers).of(depth)
        return chosen, min(chosen, key=lambda layer: (abs(layer - depth / 2), layer))

    def _unheard(self, model: Any, pairs: Sequence[Pair]) -> dict[str, str]:
        """Why a clip cannot be played to the model, by block."""
        lost: dict[str, str] = {}
        known: dict[str, str | None] = {}
        for pair in pairs:
            path = pair.sample.audio
            if path not in known:
                try:
                    known[path] = model.inputs.refusal(self._subject.clip(path))
                except AudioError as error:
                    known[path] = str(error)
            reason = known[path]
            if reason is not None:
                lost.setdefault(pair.block, f"{pair.sample.id}: {reason}")
        return lost

    # --- telling ---------------------------------------------------------------------------------------------------

    def _rows(self, designs: Sequence[Crossing], found: Mapping[str, Estimates]) -> Iterator[Metric]:
        from pytest_mcr.core.metrics import rows_of

        names = [design.task for design in designs]
        left = {design.task: design.left_out for design in designs}
        for row in rows_of(names, [found[name] for name in names]):
            if row.metric == f"{SUITE}.conflict" and left.get(row.task):
                note = f"{left[row.task]} clips have no block of the crossed design"
                row = replace(row, note=f"{row.note}; {note}" if row.note else note)
            yield replace(row, extra={"layer": int(row.extra["layer"])}) if "layer" in row.extra else row


def _chunks(pairs: Sequence[Pair]) -> Iterator[list[tuple[int, Pair]]]:
    """Numbered pairs of so many clips at a time: a clip's own are together, and its number is that of its text."""
    clips = [list(enumerate(own)) for _, own in groupby(pairs, key=lambda pair: pair.sample.id)]
    for start in range(0, len(clips), CHUNK_CLIPS):
        yield [numbered for clip in clips[start : start + CHUNK_CLIPS] for numbered in clip]


def _complaints(lost: Mapping[str, str]) -> tuple[str, ...]:
    if not lost:
        return ()
    return (f"{len(lost)} blocks of clips and texts are left out, e.g. {next(iter(lost.values()))}",)
