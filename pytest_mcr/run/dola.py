"""DoLa's scores of a clip, beside the answers that other arms share: read from inside a model in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_mcr.core.case import Sample
from pytest_mcr.core.prompts import Template, render
from pytest_mcr.core.repair_arms import EARLY, Arm, early_exit
from pytest_mcr.core.repair_cases import RepairCase, slot
from pytest_mcr.errors import AudioError, DeliveryError, StopRunError
from pytest_mcr.models.spec import LOCAL, Spec
from pytest_mcr.run.exits import INVALID_EXIT
from pytest_mcr.run.subject import Subject

if TYPE_CHECKING:
    from pytest_mcr.probes.early_exit import EarlyExits

NO_LAYERS: Final = "dola reads hidden states, which only a model in this process shows"


class Dola:
    """Looks into the model for the arms that need it.

    Args:
        arms: of the run.
        spec: the model.
        subject: the model, loaded at the first need.
        template: of the run.
    """

    def __init__(self, arms: Sequence[Arm], spec: Spec, subject: Subject, template: Template) -> None:
        self._branches = tuple(dict.fromkeys(b for arm in arms for b in arm.branches if b.startswith(EARLY)))
        self._spec = spec
        self._subject = subject
        self._template = template
        self._exits: EarlyExits | None = None

    def added(self, case: RepairCase, sample: Sample) -> RepairCase:
        """The clip with DoLa's scores, or with why there are none; where J has an error, it is that one.

        Args:
            case: with what was asked about the clip.
            sample: the clip's.

        Raises:
            StopRunError: the model cannot be used or trusted.
        """
        if not self._branches or not sample.candidates:
            return case
        scores, errors = dict(case.scores), dict(case.errors)
        for condition in case.conditions:
            places = [slot(branch, condition) for branch in self._branches]
            failed = case.errors.get(slot("joint", condition))
            found = failed if failed is not None else self._found(sample, condition)
            if isinstance(found, str):
                errors |= dict.fromkeys(places, found)
            else:
                scores |= dict(zip(places, found, strict=True))
        return replace(case, scores=scores, errors=errors)

    def _found(self, sample: Sample, condition: str) -> list[dict[str, float]] | str:
        """Scores by branch; a line where the model shows no layers, or no numbers in them."""
        if self._spec.scheme not in LOCAL:
            return NO_LAYERS
        from pytest_mcr.models.hf import HfModel
        from pytest_mcr.probes.body import UnfitError
        from pytest_mcr.probes.early_exit import EarlyExits

        self._subject.prove()
        model = self._subject.model
        assert isinstance(model, HfModel)
        try:
            self._exits = self._exits or EarlyExits(model)
            clip, prompt = self._subject.clip(sample.audio), render(self._template, sample, condition)
            return self._exits.scores(clip, prompt, sample.candidates, [early_exit(b) for b in self._branches])
        except DeliveryError as error:
            raise StopRunError(f"audio did not reach the model: {error}", INVALID_EXIT) from error
        except AudioError as error:  # J's answer came from the cache, and the clip has gone since
            return str(error)
        except UnfitError as error:
            return f"dola cannot look into the model: {error}"
        except ArithmeticError as error:
            return f"dola: {error}"
