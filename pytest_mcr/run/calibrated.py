"""A saved calibration head applied to the cases of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_mcr.core.calibrated_arm import Calibrated
from pytest_mcr.core.case import Case, Observation
from pytest_mcr.core.head import Fitted
from pytest_mcr.core.prompts import TEMPLATES, Template
from pytest_mcr.errors import OptionError
from pytest_mcr.models.spec import Spec
from pytest_mcr.run.answers import Answer
from pytest_mcr.run.branched import branched, head_case
from pytest_mcr.run.head_file import MAKE, HeadFile, read_head
from pytest_mcr.run.process import Process
from pytest_mcr.run.questions import Question
from pytest_mcr.run.settings import Settings

FLAG: Final = "--mcr-calibration"


class Calibration:
    """Asks a case's other branches and turns their scores into a calibrated confidence.

    Args:
        path: of the head's file.
        settings: the run's options.
        spec: the model.
        data: digest of the dataset.

    Raises:
        OptionError: the file is no head of correctness, or was made by another template or answer mode.
    """

    def __init__(self, path: Path, settings: Settings, spec: Spec, data: str) -> None:
        self.file: HeadFile = read_head(path)
        self.path = path
        self._template: Template = TEMPLATES[settings.template]
        self._by_score = settings.answer == "score"
        # Names of groups mean something within one dataset only: every corpus has a speaker 1.
        self._groups = self.file.dev_groups if self.file.data == data else frozenset()
        self._head = self._correctness()
        self._refuse_other("template", self.file.template, settings.template)
        self._refuse_other("version of the template", str(self.file.version), str(self._template.version))
        self._refuse_other("answer", self.file.answer, settings.answer)
        if settings.confidence != "scores":
            raise OptionError(
                f"{FLAG} {path}: a head is made of candidate scores, so it has no place beside --mcr-confidence "
                f"{settings.confidence}; drop one of the two"
            )
        if spec.scheme == "replay":
            raise OptionError(
                f"{FLAG} {path}: recorded answers hold no branch T and 0; name the model itself, or drop it"
            )

    def _correctness(self) -> Fitted:
        if "correctness" not in self.file.heads:
            raise OptionError(f"{FLAG} {self.path}: heads.correctness is missing; {MAKE} --target both")
        return self.file.heads["correctness"]

    def _refuse_other(self, what: str, then: str, now: str) -> None:
        if then != now:
            flags = {"template": f"--mcr-template {then}", "answer": f"--mcr-answer {then}"}
            raise OptionError(
                f"{FLAG} {self.path}: the head was fitted on answers by {what} {then}, this run has {now}; type "
                f"{flags.get(what, 'a head of this version')}, or {MAKE}"
            )

    def questions(self, case: Case) -> tuple[Question, ...]:
        """What has to be asked for a case, itself included; nothing where there are no candidates to score."""
        return branched(case, self._template).questions if case.sample.candidates else ()

    def note(self, process: Process) -> None:
        """Say so where the head was fitted on another model."""
        if self._foreign(process):
            process.note(
                f"calibration: the head in {self.path} was fitted on {self.file.model} ({self.file.fingerprint[:19]}), "
                "another model; its confidence may be off"
            )

    def _foreign(self, process: Process) -> bool:
        return str(process.model["fingerprint"]) != self.file.fingerprint

    def apply(self, case: Case, seen: Observation, given: Mapping[str, Answer], process: Process) -> Calibrated:
        """The calibrated confidence of a case's answer.

        Args:
            case: that was asked.
            seen: its observation.
            given: answers by question id, those of `questions` among them.
            process: facts of the model.
        """
        foreign = self._foreign(process)
        named = Calibrated(case.id, case.sample.id, case.condition, foreign=foreign)
        if not case.sample.candidates or seen.error is not None:
            return named
        digest = given[case.id].digest
        if digest in self.file.dev_clips or seen.cluster in self._groups:
            return Calibrated(case.id, case.sample.id, case.condition, learned=True, foreign=foreign)
        found = head_case(branched(case, self._template), given, by_score=self._by_score)
        if isinstance(found, str):
            return Calibrated(case.id, case.sample.id, case.condition, foreign=foreign, error=found)
        if found.answer is None:
            return named
        sure = self._head.one(found.scores)
        return Calibrated(case.id, case.sample.id, case.condition, confidence=sure, foreign=foreign)
