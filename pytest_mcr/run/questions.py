"""What a model is asked, before any audio is read: a case, its control, or a branch of it.

Four branches serve every analysis: J (the clip and the text), A (the clip alone), T (the text over silence) and
0 (silence alone). Silence lasts as long as the clip, so that clips of one length share it; ``none`` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pytest_mcr.core.case import NEUTRAL, PLACEBO, Case
from pytest_mcr.core.perturbers import Perturbation
from pytest_mcr.core.prompts import Template, render
from pytest_mcr.core.repair_arms import Arm
from pytest_mcr.errors import OptionError
from pytest_mcr.models.oracle_memory import Told
from pytest_mcr.models.protocol import Audio, Request
from pytest_mcr.run.subsets import placebo_id

Sound = Literal["clip", "perturbed", "silence", "none"]
BRANCHES: Final = ("J", "A", "T", "0")
SILENCES: Final = ("silence", "none")


@dataclass(frozen=True, slots=True)
class Contrast:
    """How an answer is written by a rule.

    Attributes:
        arm: the rule, in free generation.
        other: the branch decoded beside the question's own; about the same clip.
    """

    arm: Arm
    other: Question


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a clip.

    Attributes:
        id: of the request.
        case: the case it belongs to.
        condition: that the prompt is rendered in; `PLACEBO` for the control.
        prompt: the user turn's text.
        sound: what is played: the clip, the clip perturbed, silence of its length, or nothing.
        told: the text where it is varied or stands over silence; planted models are told, others see the prompt alone.
        closed: the answer is one of the sample's candidates; else it is free text and no candidate is scored.
        tokens: room for the answer, None for the run's own.
        perturbation: of the clip, where it is played perturbed.
        contrast: the rule that writes the answer, None for the model's own words.
    """

    id: str
    case: Case
    condition: str
    prompt: str
    sound: Sound = "clip"
    told: Told | None = None
    closed: bool = True
    tokens: int | None = None
    perturbation: Perturbation | None = None
    contrast: Contrast | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The closed answer set; empty where the answer is free text."""
        return self.case.sample.candidates if self.closed else ()

    def request(self, audio: Audio | None, tokens: int) -> Request:
        """The request to a model; ``tokens`` is the run's room for an answer."""
        room = self.tokens or tokens
        return Request(self.id, audio, self.prompt, self.candidates, room, want_scores=bool(self.candidates))


def case_question(case: Case, template: Template) -> Question:
    """A case as the benchmark asks it."""
    return Question(case.id, case, case.condition, render(template, case.sample, case.condition))


def placebo_question(case: Case, template: Template) -> Question:
    """The control that rides along with a neutral case: the template's second wording."""
    return Question(placebo_id(case), case, PLACEBO, render(template, case.sample, PLACEBO))


def branch_question(case: Case, branch: str, template: Template, silence: str = "silence") -> Question:
    """A case with the text, the clip or both taken away.

    Args:
        case: gives the sample and, for J and T, the text.
        branch: J, A, T or 0.
        template: of the prompt.
        silence: what T and 0 are given in place of the clip: ``silence`` of its length, or ``none``.

    Raises:
        OptionError: no such branch or silence.
    """
    if branch not in BRANCHES:
        raise OptionError(f"branch {branch!r}; expected one of {', '.join(BRANCHES)}")
    if silence not in SILENCES:
        raise OptionError(f"silence {silence!r}; expected one of {', '.join(SILENCES)}")
    condition = case.condition if branch in ("J", "T") else NEUTRAL
    sound: Sound = "clip"
    if branch in ("T", "0"):
        sound = "none" if silence == "none" else "silence"
    number = BRANCHES.index(branch) + (len(BRANCHES) if sound == "none" else 0)
    prompt = render(template, case.sample, condition)
    told = Told(case.sample.texts[condition], "same") if branch == "T" and condition != NEUTRAL else None
    return Question(f"{case.id}::branch.{number}", case, condition, prompt, sound, told)
