"""One clip asked again and again: the trials that text dominance is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BASES: Final = ("joint", "audio", "text", "silence", "text_alone", "nothing", "faithful", "irrelevant", "swapped")
"""What is asked: the four branches of the adversarial text (see `branches.BRANCHES`), the other two texts, and the
adversarial text over another clip, of which it is true."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One answer.

    Attributes:
        base: one of `BASES`; of a varied text the one that it was made from.
        operator: that varied the text; empty for the base itself.
        level: of the operator.
        dose: the level's strength on the operator's own scale, None where its levels have no order.
        claims: what the text still claims: ``same``, ``flipped``, ``void`` or ``instruction``.
        answer: the label given; None for flagged, unparsed and error.
        scores: sum of log p in nats by candidate, None where the model gives none.
        error: why there is no answer.
    """

    base: str
    operator: str = ""
    level: str = ""
    dose: float | None = None
    claims: str = "same"
    answer: str | None = None
    scores: Mapping[str, float] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """A clip with everything that was asked about it.

    Attributes:
        cluster: the clip (see `Observation.cluster`).
        gold: the answer that the audio supports.
        text_label: the answer that the adversarial text supports, None where unknown.
    """

    sample: str
    task: str
    cluster: str
    gold: str
    text_label: str | None
    trials: tuple[Trial, ...]

    def base(self, name: str) -> Trial | None:
        """The unvaried trial of that name, None where it was not asked or had an error."""
        found = next((trial for trial in self.trials if trial.base == name and not trial.operator), None)
        return None if found is None or found.error is not None else found

    def varied(self, base: str) -> list[Trial]:
        """The answered trials of varied texts that were made from one base."""
        return [trial for trial in self.trials if trial.base == base and trial.operator and trial.error is None]

    @property
    def errors(self) -> list[str]:
        """Why some of the trials have no answer; a model that takes no prompt without audio is no error."""
        return [t.error for t in self.trials if t.error is not None and t.base not in ("text_alone", "nothing")]

    def to_json(self) -> dict[str, Any]:
        """The clip as builtins."""
        return (
            {"id": self.sample}
            | {name: getattr(self, name) for name in _FIELDS}
            | {"trials": [{name: getattr(trial, name) for name in _TRIAL_FIELDS} for trial in self.trials]}
        )

    @classmethod
    def from_json(cls, packed: Mapping[str, Any]) -> Probed:
        """The clip that `to_json` packed."""
        trials = tuple(Trial(**trial) for trial in packed["trials"])
        return cls(**{name: packed[name] for name in _FIELDS}, trials=trials)


_FIELDS: Final = ("sample", "task", "cluster", "gold", "text_label")
_TRIAL_FIELDS: Final = ("base", "operator", "level", "dose", "claims", "answer", "scores", "error")
