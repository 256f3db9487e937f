"""Recorded answers against this run: whose they are, to which questions, and which are missing or too many."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Final

from pytest_mcr.core.case import Case
from pytest_mcr.core.prompts import TEMPLATES
from pytest_mcr.data.dataset import Dataset
from pytest_mcr.errors import ModelError, StopRunError
from pytest_mcr.models.protocol import Model
from pytest_mcr.models.replay import Replay
from pytest_mcr.models.replay_former import Former
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.exits import INVALID_EXIT
from pytest_mcr.run.process import Process
from pytest_mcr.run.settings import Settings

EXAMPLES: Final = 3
"""Ids that a message names."""


def check_recording(spec: Spec, settings: Settings, dataset: Dataset) -> None:
    """Refuse recorded answers to other questions than this run's, and those that lack what it reads.

    Args:
        spec: the model; nothing is checked unless it is a recording.
        settings: the run's options.
        dataset: the chosen samples.

    Raises:
        ModelError: one line that says what differs and what to type.
    """
    if spec.scheme != "replay":
        return
    model = Replay(settings.invocation_dir / spec.rest)
    if model.former is not None:
        require_same_questions(model.former, spec, settings, dataset)
    lacks, flag = ("scores", "generate") if settings.answer == "score" else ("text", "score")
    held = model.traits["scored" if lacks == "scores" else "texts"]
    if not held and model.traits["errors"] != model.traits["answers"]:
        raise ModelError(
            f"model {spec.text!r}: --mcr-answer {settings.answer} reads {lacks}, and none of its "
            f"{model.traits['answers']} answers has any; type: --mcr-answer {flag}"
        )


def require_same_questions(former: Former, spec: Spec, settings: Settings, dataset: Dataset) -> None:
    """Refuse the answers of a run on other data, or by another template.

    Raises:
        ModelError: what differs, then and now, and what to type.
    """
    differs, typed = [], []
    if former.digest != dataset.digest:
        differs.append(f"data {former.data} (digest {former.digest[:12]}), now {dataset.root} ({dataset.digest[:12]})")
        typed.append("--mcr-data=" if former.kind == "mini" else f"--mcr-data {shlex.quote(former.data)}")
    version = TEMPLATES[settings.template].version
    if former.template != settings.template:
        differs.append(f"template {former.template}, now {settings.template}")
        typed.append(f"--mcr-template {former.template}")
    elif former.version != version:
        differs.append(f"template {former.template} v{former.version}, now v{version}, so the model must be asked anew")
    if differs:
        advice = f"; type: {' '.join(typed)}" if typed else ""
        raise ModelError(f"model {spec.text!r}: these answers belong to other questions: {'; '.join(differs)}{advice}")


def recorded(model: Model) -> Callable[[str], bool] | None:
    """Asks a recording whether it holds a request id; None for a model that answers by itself."""
    has: Callable[[str], bool] | None = getattr(model, "has", None) if getattr(model, "recorded", False) else None
    return has


def require_complete(model: Model, wanted: Sequence[str]) -> None:
    """Stop where a recording lacks selected cases, or comes from a run that could not be trusted.

    Raises:
        StopRunError: naming the first few of the missing cases, or the doubt.
    """
    has = recorded(model)
    if has is None:
        return
    former: Former | None = getattr(model, "former", None)
    if former is not None and former.doubt is not None:
        raise StopRunError(
            f"{model.name} was recorded by run {former.run}, which was INVALID: {former.doubt}", INVALID_EXIT
        )
    absent = [case for case in wanted if not has(case)]
    if absent:
        raise StopRunError(
            f"{model.name} holds no answer for {len(absent)} of {len(wanted)} cases, {named(absent)}; "
            "record them, or choose others with --mcr-tasks and --mcr-conditions",
            INVALID_EXIT,
        )


def describe(process: Process, model: Model, cases: Sequence[Case], answer: str) -> None:
    """Record what a recording lacks and has too much, and tell the user.

    Args:
        process: gets the counts as traits of its model, and a note for each thing that a reader should know.
        model: a recording.
        cases: the design of the run.
        answer: how this run reads answers.
    """
    ids: Callable[[], Sequence[str]] | None = getattr(model, "ids", None)
    if ids is None:
        return
    known, held = {case.id for case in cases}, ids()
    surplus = [key for key in held if key.partition("::")[0] not in known]
    missing = sorted(known.difference(held))
    for name, keys in (("missing", missing), ("surplus", surplus)):
        traits = process.model["traits"]
        assert isinstance(traits, dict)
        traits[name] = {"count": len(keys), "first": keys[:EXAMPLES]}
    if surplus:
        process.note(
            f"recording: {len(surplus)} of its {len(held)} answers are left out, as they are to no case of "
            f"this run, {named(surplus)}"
        )
    former: Former | None = getattr(model, "former", None)
    if former is not None:
        process.note(f"recording: answers of {former.spec} from run {former.run}")
        if former.answer != answer:
            process.note(f"recording: that run read its answers by {former.answer}, this one by {answer}")


def named(keys: Sequence[str]) -> str:
    """The first few ids in words."""
    return f"e.g. {', '.join(keys[:EXAMPLES])}"
