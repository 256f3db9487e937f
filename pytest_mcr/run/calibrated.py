"""A saved calibration head applied to the cases of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mcr.core.calibrated_arm import Calibrated
from pytest_mcr.core.case import Case, Observation
from pytest_mcr.core.head import Fitted
from pytest_mcr.core.head_probe import State
from pytest_mcr.core.prompts import TEMPLATES, Template
from pytest_mcr.errors import AudioError, OptionError, StatesError, StopRunError
from pytest_mcr.models.spec import LOCAL, Spec
from pytest_mcr.run.answers import Answer
from pytest_mcr.run.branched import branched, head_case
from pytest_mcr.run.exits import USAGE_EXIT
from pytest_mcr.run.head_file import MAKE, HeadFile, read_head
from pytest_mcr.run.process import Process
from pytest_mcr.run.questions import Question, case_question
from pytest_mcr.run.settings import Settings
from pytest_mcr.run.subject import Subject

if TYPE_CHECKING:
    from pytest_mcr.probes.last_state import StateReader

FLAG: Final = "--mcr-calibration"


class Calibration:
    """Asks a case's other branches and turns their scores into a calibrated confidence.

    Args:
        path: of the head's file.
        settings: the run's options.
        spec: the model.
        data: digest of the dataset.

    Raises:
        OptionError: the file is no head of correctness, was made by another template or answer mode, or has a probe of
            hidden states, which this kind of model does not show.
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

        if self._head.probe is not None and spec.scheme not in LOCAL:
            raise OptionError(
                f"{FLAG} {path}: the head reads hidden states by a probe, and only a model in this process shows them; "
                "name a folder, hf:REPO or lab, or make a head without --probe"
            )
        self._reader: StateReader | None = None

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

    def look_into(self, subject: Subject) -> None:
        """Get ready to read hidden states, where the head has a probe.

        Raises:
            StopRunError: the probe was fitted on another model, or this one's inside cannot be read.
        """
        probe = self._head.probe
        if probe is None or self._reader is not None:
            return
        from pytest_mcr.probes.body import UnfitError  # torch, for a probe alone
        from pytest_mcr.probes.last_state import StateReader

        name, process = subject.model.name, subject.process
        assert process is not None
        if self._foreign(process):
            raise StopRunError(
                f"{FLAG} {self.path}: the head's probe reads the hidden states of {self.file.model} "
                f"({self.file.fingerprint[:19]}); {name} is another model ({str(process.model['fingerprint'])[:19]}); "
                f"{MAKE} --probe",
                USAGE_EXIT,
            )
        try:
            self._reader = StateReader(subject.model, layer=probe.layer)
        except UnfitError as error:
            raise StopRunError(f"{FLAG} {self.path}: the model cannot be looked into: {error}", USAGE_EXIT) from error

    def _state(self, case: Case, subject: Subject) -> State | str | None:
        """The hidden state that the probe reads, or why there is none."""
        if self._head.probe is None:
            return None
        self.look_into(subject)
        assert self._reader is not None
        try:
            found = self._reader.read(subject.clip(case.sample.audio), case_question(case, self._template).prompt)
        except (AudioError, StatesError) as error:
            return str(error)
        if len(found) != self._head.probe.width:
            return f"its hidden state has {len(found)} numbers; the head's probe reads {self._head.probe.width}"
        return found

    def apply(self, case: Case, seen: Observation, given: Mapping[str, Answer], subject: Subject) -> Calibrated:
        """The calibrated confidence of a case's answer.

        Args:
            case: that was asked.
            seen: its observation.
            given: answers by question id, those of `questions` among them.
            subject: the model, loaded.

        Raises:
            StopRunError: as `look_into`.
        """
        assert subject.process is not None
        foreign = self._foreign(subject.process)
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
        state = self._state(case, subject)
        if isinstance(state, str):
            return Calibrated(case.id, case.sample.id, case.condition, foreign=foreign, error=state)
        sure = self._head.one(found.scores, state)
        return Calibrated(case.id, case.sample.id, case.condition, confidence=sure, foreign=foreign)
