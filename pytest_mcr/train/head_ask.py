"""Ask a model about clips in their four branches, for a calibration head: in chunks, through the response cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mcr.core.case import Sample
from pytest_mcr.core.dominance_design import FAMILIES, Stratum
from pytest_mcr.core.head_cases import HeadCase
from pytest_mcr.core.prompts import Template
from pytest_mcr.errors import AudioError, StatesError
from pytest_mcr.run.branched import Branched, base_cases, edited_cases, head_case, unique
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject

if TYPE_CHECKING:  # of the extra "hf"
    from pytest_mcr.probes.last_state import StateReader

CHUNK: Final = 8
"""Clips asked together: enough for a batch, and little to lose when the run is stopped."""
_KEEPING: Final = FAMILIES["M4"]
"""Edits that keep what a text claims."""


@dataclass(slots=True)
class Gathered:
    """What was asked.

    Attributes:
        cases: of texts as the data has them, and of edited ones.
        errors: why a case could not be used, one entry a case.
        asked: number of cases that were asked about.
    """

    cases: list[HeadCase] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    asked: int = 0


def settings_for(
    model: str, *, folder: Path, data: Path | None, tasks: tuple[str, ...] | None, limit: int | None, seed: int,
    answer: str, template: str, device: str, dtype: str, cache: Path | None, cache_size: int, batch_size: int | None,
    trust_remote_code: bool,
) -> Settings:  # fmt: skip
    """The settings of a run that only asks: the options that change an answer, and nothing to judge."""
    return Settings(
        invocation_dir=folder, model=model, data=data, tasks=tasks, conditions=None, limit=limit, suites=(),
        profile="report", gates=(), add_gates=(), mrs_alpha=0.8, seed=seed, prevalence=0.05, max_errors=0.01,
        max_unparsed=0.05, answer=answer, max_new_tokens=None, template=template, device=device, dtype=dtype,
        cache=cache, cache_size=cache_size, batch_size=batch_size, time_limit=None, out=None,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip


def strata_of(place: int, edits: int) -> list[Stratum]:
    """The edits of one clip: the next ones in turn, each made in every text of the clip.

    Every condition gets the same edits, so that an edit says nothing of whether text and audio conflict.

    Args:
        place: of the clip in its task.
        edits: a clip.
    """
    drawn = [_KEEPING[(place * edits + n) % len(_KEEPING)] for n in range(min(edits, len(_KEEPING)))]
    return [Stratum(base, s.operator, s.level, s.dose) for s in drawn for base in ("joint", "faithful", "irrelevant")]


def gather(
    subject: Subject,
    samples: Sequence[Sample],
    template: Template,
    edits: int,
    report: Callable[[str], None],
    reader: StateReader | None = None,
) -> Gathered:
    """Ask about every clip; open-ended questions have no candidate scores and are left out.

    Args:
        subject: the model.
        samples: the clips.
        template: of the prompts.
        edits: edited texts a clip and condition.
        report: called with a line of progress after each chunk.
        reader: of the hidden states that a probe is to read; None for no probe.

    Raises:
        StopRunError: the model cannot be used or trusted.
        PerturbError: an operator broke its guard: our bug.
    """
    gathered = Gathered()
    places: dict[str, int] = {}
    for start in range(0, len(samples), CHUNK):
        asked: list[Branched] = []
        for sample in samples[start : start + CHUNK]:
            place = places[sample.task] = places.get(sample.task, -1) + 1
            asked += base_cases(sample, template)
            asked += edited_cases(sample, template, strata_of(place, edits), subject.settings.seed)
        _answer(subject, asked, gathered, reader)
        done = min(start + CHUNK, len(samples))
        report(f"{done} of {len(samples)} clips, {gathered.asked} cases, {len(gathered.errors)} errors")
    return gathered


def _answer(subject: Subject, asked: Sequence[Branched], gathered: Gathered, reader: StateReader | None) -> None:
    questions = unique(asked)
    given = {q.id: a for q, a in zip(questions, subject.answers(questions), strict=True)}
    for one in asked:
        found = head_case(one, given, by_score=subject.settings.answer == "score")
        gathered.asked += 1
        if reader is not None and not isinstance(found, str):
            found = _with_state(found, subject, one, reader)
        if isinstance(found, str):
            gathered.errors.append(f"{one.case.id}: {found}")
        else:
            gathered.cases.append(found)


def _with_state(case: HeadCase, subject: Subject, asked: Branched, reader: StateReader) -> HeadCase | str:
    """The case with the hidden state of its branch J, or why it has none."""
    try:
        return replace(case, state=reader.read(subject.clip(asked.case.sample.audio), asked.joint.prompt))
    except (AudioError, StatesError) as error:
        return str(error)
