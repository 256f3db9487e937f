"""A clip of the mitigation suite: scores of its branches and answers to other prompts, under every condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pytest_mcr.core.branches import Scores
from pytest_mcr.core.case import NEUTRAL
from pytest_mcr.core.repair import answer
from pytest_mcr.core.repair_arms import EARLY, PERTURBED, Arm

NO_SCORES: Final = "the model gives no scores of a closed candidate set"
NOT_WRITTEN: Final = (
    "free generation by a rule needs the model's next-token distributions: a local model (lab, hf:REPO, a folder) "
    "that answers greedily"
)
WITHOUT_TEXT: Final[Mapping[str, str]] = {"joint": "audio", "text": "silence", "text_alone": "nothing"}
"""What a branch with a text is where there is no text to give: in neutral J is A, and T is 0."""
OPTIONAL: Final = ("text_alone", "nothing")
"""Branches without any audio, which not every model takes."""


def slot(branch: str, condition: str) -> str:
    """The name under which a clip keeps a branch's answer, e.g. ``joint:adversarial`` or ``audio``."""
    if condition == NEUTRAL:
        branch = WITHOUT_TEXT.get(branch, branch)
    return f"{branch}:{condition}" if branch in WITHOUT_TEXT or branch.startswith((PERTURBED, EARLY)) else branch


def prompt_slot(name: str, condition: str) -> str:
    """The same for a prompt arm."""
    return f"prompt {name}:{condition}"


def written_slot(arm: Arm, condition: str) -> str:
    """The same for an arm in free generation."""
    return f"written {arm.text}:{condition}"


@dataclass(frozen=True, slots=True)
class Given:
    """What an arm answers about a clip under one condition.

    Attributes:
        answer: a candidate; None for flagged and unparsed answers, and where there is none.
        missing: why there is none; None where there is.
        right: it is the gold answer.
    """

    answer: str | None
    missing: str | None = None
    right: bool = False


@dataclass(frozen=True, slots=True)
class RepairCase:
    """One clip with everything that was asked about it.

    Attributes:
        sample: unique within its task.
        task: the task.
        cluster: the clip (see `Observation.cluster`).
        digest: of the decoded audio; the path where it cannot be decoded.
        gold: the answer that the audio supports.
        candidates: the closed answer set in the order in which it is shown; empty when open-ended.
        conditions: that were asked.
        scores: sum of log p in nats by candidate, by `slot`; None from a model that gives none.
        answers: the label given, by `prompt_slot` and `written_slot`; None for flagged and unparsed.
        rights: whether that answer is the gold, by the same.
        errors: why there is no answer, by slot.
    """

    sample: str
    task: str
    cluster: str
    digest: str
    gold: str
    candidates: tuple[str, ...]
    conditions: tuple[str, ...]
    scores: Mapping[str, Scores | None] = field(default_factory=dict)
    answers: Mapping[str, str | None] = field(default_factory=dict)
    rights: Mapping[str, bool] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def given(self, arm: Arm, condition: str) -> Given:
        """What an arm answers under a condition that was asked."""
        if arm.prompt is not None:
            name = prompt_slot(arm.prompt, condition)
            if name in self.errors or name not in self.answers:
                return Given(None, self.errors.get(name, "not asked"))
            return Given(self.answers[name], None, self.rights[name])
        if arm.writes:
            name = written_slot(arm, condition)
            if name in self.errors or name not in self.answers:
                return Given(None, self.errors.get(name, NOT_WRITTEN))
            return Given(self.answers[name], None, self.rights[name])
        places = {branch: slot(branch, condition) for branch in arm.branches}
        failed = next((self.errors[place] for place in places.values() if place in self.errors), None)
        if failed is not None:
            return Given(None, failed)
        known = {branch: scores for branch, place in places.items() if (scores := self.scores.get(place)) is not None}
        if len(known) < len(places):
            return Given(None, NO_SCORES)
        label = answer(arm, known, self.candidates)
        return Given(label, None, label == self.gold)

    @property
    def failures(self) -> list[str]:
        """Errors, without those of a model that takes no prompt without audio, or shows no inner layers."""
        named = ((place.partition(":")[0], error) for place, error in self.errors.items())
        return [error for branch, error in named if branch not in OPTIONAL and not branch.startswith(EARLY)]

    @property
    def asked(self) -> int:
        """Prompts that were asked."""
        return len(self.scores.keys() | self.answers.keys() | self.errors.keys())

    def to_json(self) -> dict[str, Any]:
        """The clip as builtins."""
        return asdict(self) | {"id": self.sample}

    @classmethod
    def from_json(cls, packed: Mapping[str, Any]) -> RepairCase:
        """The clip that `to_json` packed."""
        values = {name: value for name, value in packed.items() if name != "id"}
        return cls(**values | {name: tuple(values[name]) for name in ("candidates", "conditions")})
